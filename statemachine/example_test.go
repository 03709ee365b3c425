package statemachine_test

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
)

// counters is a machine that counts the entries of each name. It has an engine to keep its state in, which already knows what
// was applied, how to make images and how to be restored.
type counters struct{ statemachine.Engine }

var errNoName = errors.New("an entry without a name")

func (c counters) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	b := c.Begin()
	for i, e := range entries {
		if len(e.Body) == 0 {
			results[i].Data = errNoName // a bad command is a result like any other
			continue
		}
		b.Advance()
		item, err := b.Put(e.Body, nil, 0)
		if err != nil {
			return err // the storage failed: the replica stops
		}
		results[i].Value = item.Version
	}
	return b.Commit(applied)
}

func ExampleMachine() {
	var m statemachine.Machine = counters{btree.New()}
	results := make([]statemachine.Result, 4)
	err := m.Apply([]statemachine.Entry{
		{Index: 2, Body: []byte("orders")},
		{Index: 3, Body: []byte("refunds")},
		{Index: 4},
		{Index: 7, Body: []byte("orders")},
	}, 8, results)
	fmt.Println("applied", m.Applied(), err)
	for _, r := range results {
		fmt.Println(r.Value, r.Data)
	}

	// A replica that was away goes on from an image.
	img, err := m.Image()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer img.Close()
	other := counters{btree.New()}
	fmt.Println("restored", other.Restore(img), other.Applied())
	// Output:
	// applied 8 <nil>
	// 1 <nil>
	// 1 <nil>
	// 0 an entry without a name
	// 2 <nil>
	// restored <nil> 8
}
