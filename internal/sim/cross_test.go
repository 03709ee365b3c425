package sim

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// glance is what an operation does to one key or sees of it: what a checker knows that has never heard of revisions.
type glance struct {
	// reads: the key has to hold found, "" for nothing.
	reads bool
	found string
	// writes are what it may hold afterwards, "" for nothing; none if it stays as it is. maybe: or it stays as it is all the same.
	writes []string
	maybe  bool
}

// register is a key as porcupine wants it.
var register = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{""} },
	Step: func(state, input, _ any) []any {
		g := input.(glance)
		if g.reads && state.(string) != g.found {
			return nil
		}
		var next []any
		if g.maybe || len(g.writes) == 0 {
			next = append(next, state)
		}
		for _, value := range g.writes {
			next = append(next, value)
		}
		return next
	},
	Equal: func(a, b any) bool { return a == b },
}).ToModel()

// itemValue is what a key holds that was found as an item or not.
func itemValue(found bool, item model.Item) string {
	if !found {
		return ""
	}
	return string(item.Value)
}

// listed is what a range shows of a key. shown is false where that can't be told.
func listed(key []byte, opts model.RangeOptions, r *model.RangeResult) (value string, shown bool) {
	from, to := opts.Bounds()
	if opts.KeysOnly || opts.CountOnly || r.More || bytes.Compare(key, from) < 0 || to != nil && bytes.Compare(key, to) >= 0 {
		return "", false
	}
	for _, item := range r.Items {
		if bytes.Equal(item.Key, key) {
			return string(item.Value), true
		}
	}
	return "", true
}

// writesOf adds what the operations of a transaction or a delete leave of a key.
func (g *glance) writesOf(key []byte, ops []model.Op) {
	for _, op := range ops {
		switch {
		case op.Kind == model.OpPut && bytes.Equal(op.Key, key):
			g.writes = append(g.writes, string(op.Value))
		case op.Kind == model.OpDelete && bytes.Equal(op.Key, key):
			g.writes = append(g.writes, "")
		case op.Kind == model.OpDeleteRange:
			if _, covered := listed(key, op.Range, &model.RangeResult{}); covered {
				g.writes = append(g.writes, "")
			}
		}
	}
}

// glanceAt gives what an operation of a history is to a key.
func glanceAt(key []byte, op check.Op) (g glance) {
	known := op.Outcome == check.OK
	switch r := op.Request.(type) {
	case check.Put:
		g.writesOf(key, []model.Op{model.Put(r.Key, r.Value)})
	case check.Delete:
		g.writesOf(key, []model.Op{r.Op})
	case check.Swap:
		if !bytes.Equal(r.Key, key) {
			return g
		}
		if got, ok := op.Result.(check.Swapped); ok && !got.Swapped {
			return glance{reads: true, found: itemValue(got.Found, got.Current)}
		}
		g.writes, g.maybe = []string{string(r.Value)}, !known
	case check.Txn:
		got, ok := op.Result.(check.TxnDone)
		if ok && got.Succeeded || !ok {
			g.writesOf(key, r.Txn.Success)
		}
		if ok && !got.Succeeded || !ok {
			g.writesOf(key, r.Txn.Failure)
		}
		g.maybe = !known
	case check.Get:
		if got, ok := op.Result.(check.Got); ok && r.Read.Level == check.Linearizable && r.At == model.Latest && bytes.Equal(r.Key, key) {
			return glance{reads: true, found: itemValue(got.Found, got.Item)}
		}
	case check.Range:
		if got, ok := op.Result.(check.Ranged); ok && r.Read.Level == check.Linearizable {
			g.found, g.reads = listed(key, r.Opts, &got.RangeResult)
		}
	}
	return g
}

// projected gives a key's part of a history. A write of unknown outcome may happen at any later time, or after everything else.
func projected(h *check.History, key []byte) (all []porcupine.Operation) {
	for i := range h.Len() {
		op := h.Op(check.OpID(i))
		g := glanceAt(key, op)
		if op.Outcome == check.Failed || !g.reads && len(g.writes) == 0 {
			continue
		}
		end := int64(math.MaxInt64)
		if op.Outcome == check.OK {
			end = int64(op.Returned.Seq)
		}
		all = append(all, porcupine.Operation{ClientId: i, Input: g, Call: int64(op.Invoked.Seq), Return: end})
	}
	return all
}

// TestTheCheckerAgreesWithPorcupineOnTheSwarm: what the checker takes for good is linearizable key by key, by a search that knows nothing of
// revisions; and with a read more that can't be, it is not.
func TestTheCheckerAgreesWithPorcupineOnTheSwarm(t *testing.T) {
	t.Parallel()
	decided, refuted := 0, 0
	for seed := uint64(1); seed <= 12; seed++ {
		w := NewWorld(Draw(seed), false, nil)
		require.NoError(t, w.play(), "seed %d", seed)
		for k := range w.Plan.Keys {
			key := []byte{'k', 'e', 'y', '-', byte('0' + k)}
			all := projected(&w.history, key)
			verdict := porcupine.CheckOperationsTimeout(register, all, time.Second)
			require.NotEqual(t, porcupine.Illegal, verdict, "seed %d: %s", seed, key)
			if verdict == porcupine.Ok {
				decided++
			}
			never := porcupine.Operation{Input: glance{reads: true, found: "never written"}, Call: math.MaxInt64 - 2, Return: math.MaxInt64 - 1}
			if porcupine.CheckOperationsTimeout(register, append(all, never), time.Second) == porcupine.Illegal {
				refuted++
			}
		}
	}
	t.Logf("%d keys found linearizable, %d spoilt ones refuted", decided, refuted)
	require.Greater(t, decided, 20)
	require.Greater(t, refuted, 10)
}
