package smtest_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

// A crash takes a model back to a batch that is not older than the last flush.
func ExampleModel() {
	m := smtest.NewModel()
	for i := range 10 {
		b := m.Begin()
		b.Advance()
		b.Put([]byte("key"), fmt.Append(nil, i), 0)
		b.Commit(statemachine.Index(i + 1))
		if i == 4 {
			m.Flush()
		}
	}
	fmt.Println("applied", m.Applied(), "durable", m.Durable())
	m = m.Crash(rand.New(rand.NewPCG(1, 2)))
	fmt.Println("applied", m.Applied(), "durable", m.Durable(), "revision", m.Revision())
	// Output:
	// applied 10 durable 5
	// applied 9 durable 9 revision 9
}
