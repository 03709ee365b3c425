package raft_test

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// A group of one: the caller tells the time and when outputs are durable, and carries out what the core says.
func Example() {
	alone := raft.Configuration{Members: []raft.Member{{ID: "n1", Address: "127.0.0.1:7412", Voter: true}}}
	core, err := raft.New(raft.Config{ID: "n1"}, raft.Restart{Base: raft.Base{Configuration: alone}})
	if err != nil {
		fmt.Println(err)
		return
	}
	carryOut := func() {
		for core.HasOutput() {
			o := core.Output() // write State, Truncate and Append; send Send
			for _, e := range o.Append {
				fmt.Printf("append %s %q\n", e.ID, e.Body)
			}
			core.Synced(o.Seq) // flushed: now SendSynced may leave
			core.Applied(o.Commit)
			for _, r := range o.Reads {
				fmt.Println("read at", r.Index)
			}
		}
	}
	core.Tick(0)
	carryOut()
	body := []byte("hello")
	if err := core.Propose([]raft.Entry{{Kind: raft.KindData, Size: raft.RecordSize(len(body)), Body: body}}); err != nil {
		fmt.Println(err)
	}
	carryOut()
	if err := core.ReadIndex(raft.ReadID{Boot: 1, Counter: 1}); err != nil {
		fmt.Println(err)
	}
	carryOut()
	fmt.Println(core.Status().Role, "of term", core.Status().State.Term, "has applied", core.Status().Applied)
	// Output:
	// append 1(t1) ""
	// append 2(t1) "hello"
	// read at 2
	// leader of term 1 has applied 2
}
