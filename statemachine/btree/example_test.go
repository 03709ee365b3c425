package btree_test

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
)

// A batch becomes visible as a whole; a view goes on reading its own revision.
func Example() {
	e := btree.New()
	defer e.Close()

	b := e.Begin()
	b.Advance()
	b.Put([]byte("topics/orders"), []byte("4 queues"), 0)
	b.Put([]byte("topics/refunds"), []byte("1 queue"), 0)
	fmt.Println("committed:", b.Commit(1))
	before, _ := e.View(statemachine.Latest)
	defer before.Close()

	b = e.Begin()
	b.Advance()
	b.Put([]byte("topics/orders"), []byte("8 queues"), 0)
	b.Delete([]byte("topics/refunds"))
	fmt.Println("committed:", b.Commit(2))
	after, _ := e.View(statemachine.Latest)
	defer after.Close()

	for _, v := range []statemachine.View{before, after} {
		fmt.Println("revision", v.Revision())
		v.Range(statemachine.RangeOptions{From: []byte("topics/"), To: []byte("topics0")}, func(item statemachine.Item) bool {
			fmt.Printf("  %s: %s (version %d)\n", item.Key, item.Value, item.Version)
			return true
		})
	}
	after.Events(2, func(ev statemachine.Event) bool {
		fmt.Printf("event %d.%d: %s deleted=%v\n", ev.Item.Mod, ev.Sub, ev.Item.Key, ev.Deleted)
		return true
	})
	// Output:
	// committed: <nil>
	// committed: <nil>
	// revision 1
	//   topics/orders: 4 queues (version 1)
	//   topics/refunds: 1 queue (version 1)
	// revision 2
	//   topics/orders: 8 queues (version 2)
	// event 2.0: topics/orders deleted=false
	// event 2.1: topics/refunds deleted=true
}
