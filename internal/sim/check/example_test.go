package check_test

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// A client reads what was overwritten before it asked.
func Example() {
	h := check.NewHistory()
	key := []byte("color")
	first := h.Invoke(1, 1_000_000, check.Put{Key: key, Value: []byte("red")})
	h.Return(first, 2_500_000, check.Revised{Revision: 1})
	second := h.Invoke(1, 3_000_000, check.Put{Key: key, Value: []byte("blue")})
	h.Return(second, 4_000_000, check.Revised{Revision: 2})
	third := h.Invoke(2, 4_200_000, check.Get{Key: key})
	red := model.Item{Key: key, Value: []byte("red"), CreateRevision: 1, ModRevision: 1, Version: 1}
	h.Return(third, 4_900_000, check.Got{GetResult: model.GetResult{Item: red, Revision: 1}, Found: true, From: check.Replica{Node: "n3"}})

	_, err := h.Check()
	fmt.Println(err)
	var violation *check.Violation
	fmt.Println(errors.As(err, &violation), violation.Rule, violation.Ops)
	// Output:
	// check: broken: real-time order: expected operation #2, which began after #1 had ended at revision 2, to be at that or a higher one, found 1; what was completed or read before is lost
	//   #1     client 1   |--|           [0s, 1ms] put "color" = "blue" → revision 2
	//   #2     client 2         |--|     [1.2ms, 1.9ms] get "color" → "red" (create 1, mod 1, version 1), revision 1, from n3
	//
	// true real-time order [1 2]
}

// Uncertain writes may have happened, or happen yet.
func ExampleHistory_Lose() {
	h := check.NewHistory()
	key := []byte("color")
	lost := h.Invoke(1, 10, check.Put{Key: key, Value: []byte("red")})
	h.Lose(lost, 20)
	seen := model.Item{Key: key, Value: []byte("red"), CreateRevision: 1, ModRevision: 1, Version: 1}
	h.Return(h.Invoke(2, 30, check.Get{Key: key}), 40, check.Got{GetResult: model.GetResult{Item: seen, Revision: 1}, Found: true})
	report, err := h.Check()
	fmt.Println(report.Uncertain, report.Unclaimed, err)
	// Output: 1 1 <nil>
}
