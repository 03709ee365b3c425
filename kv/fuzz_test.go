package kv_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

// FuzzApply applies any bytes as an entry between two that are in order: no panic, no failure, and the same results and state
// on two engines and however the entries are cut into batches.
func FuzzApply(f *testing.F) {
	g := generator{rand.New(rand.NewPCG(1, 1))}
	for range 50 {
		f.Add(g.command(3).body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		bodies := [][]byte{kv.AppendPut(nil, b("a"), b("1")), kv.AppendPut(nil, b("b"), b("2")), body, kv.AppendPut(nil, b("a"), b("3"))}
		var entries []statemachine.Entry
		for i, body := range bodies {
			entries = append(entries, statemachine.Entry{Index: statemachine.Index(i + 1), Body: body})
		}
		together, apart := kv.NewMachine(btree.New()), kv.NewMachine(smtest.NewModel())
		results := make([]statemachine.Result, len(entries))
		if err := together.Apply(entries, 4, results); err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			one := make([]statemachine.Result, 1)
			if err := apart.Apply([]statemachine.Entry{e}, e.Index, one); err != nil {
				t.Fatal(err)
			}
			if one[0].Value != results[i].Value {
				t.Fatalf("entry %d gave revision %d alone and %d in a batch", e.Index, one[0].Value, results[i].Value)
			}
		}
		if stateHash(t, together) != stateHash(t, apart) {
			t.Fatal("the states differ")
		}
		if !bytes.Equal(before, body) {
			t.Fatal("the entry was changed")
		}
	})
}
