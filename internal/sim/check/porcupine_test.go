package check_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// sequential is the store as porcupine wants it.
var sequential = porcupine.Model{
	Init: func() any { return newStore() },
	Step: func(state, input, output any) (bool, any) {
		result, next := state.(*store).do(input.(check.Request))
		return output == nil || sameResult(result, output.(check.Result)), next
	},
	Equal: func(a, b any) bool { return a.(*store).equal(b.(*store)) },
}

// sameResult compares answers, but for the item of a key that was not found, which says nothing.
func sameResult(a, b check.Result) bool { return reflect.DeepEqual(normal(a), normal(b)) }

func normal(r check.Result) check.Result {
	switch r := r.(type) {
	case check.Ranged:
		if len(r.Items) == 0 {
			r.Items = nil
		}
		return r
	case check.Got:
		if !r.Found {
			r.Item = model.Item{}
		}
		return r
	case check.Swapped:
		if r.Swapped {
			r.Found = false
		}
		if !r.Found {
			r.Current = model.Item{}
		}
		return r
	}
	return r
}

// exhaustive asks porcupine whether the store's part of a history is linearizable, all keys together. A write whose outcome is not known may happen after
// everything else, where it does no harm; one that failed is left out.
func exhaustive(h *check.History) bool {
	var moments []check.Moment
	for i := range h.Len() {
		op := h.Op(check.OpID(i))
		moments = append(moments, op.Invoked, op.Returned)
	}
	slices.SortFunc(moments, func(a, b check.Moment) int {
		switch {
		case a.Before(b):
			return -1
		case b.Before(a):
			return 1
		}
		return 0
	})
	moments = slices.Compact(moments)
	at := func(m check.Moment) int64 { return int64(slices.Index(moments, m)) }
	var ops []porcupine.Operation
	for i := range h.Len() {
		op := h.Op(check.OpID(i))
		switch op.Outcome {
		case check.OK:
			ops = append(ops, porcupine.Operation{Input: op.Request, Call: at(op.Invoked), Output: op.Result, Return: at(op.Returned)})
		case check.Uncertain:
			if !isRead(op.Request) {
				ops = append(ops, porcupine.Operation{Input: op.Request, Call: at(op.Invoked), Return: int64(len(moments))})
			}
		}
	}
	return porcupine.CheckOperations(sequential, ops)
}

// agree demands that both give the same answer.
func agree(t *testing.T, h *check.History, seed uint64, what string) bool {
	t.Helper()
	report, err := h.Check()
	require.False(t, report.Undecided, "seed %d: a small history must be decided", seed)
	good := exhaustive(h)
	if (err == nil) != good {
		for i := range h.Len() {
			op := h.Op(check.OpID(i))
			t.Logf("#%d [%v, %v] %v", i, op.Invoked, op.Returned, op)
		}
		require.Failf(t, "disagreement", "seed %d, %s: porcupine says %v, the checker says %v", seed, what, good, err)
	}
	if good {
		require.NoError(t, h.EachKey(), "seed %d, %s: what holds for all keys together holds for each", seed, what)
	}
	return good
}

// TestAgreesWithPorcupine holds the checker against an exhaustive search, on histories that can have happened and on ones that were
// tampered with.
func TestAgreesWithPorcupine(t *testing.T) {
	for name, s := range map[string]shape{
		"one key":        {clients: 3, ops: 9, keys: 1, uncertain: 0.1},
		"several keys":   {clients: 4, ops: 12, keys: 3, uncertain: 0.15, failed: 0.1},
		"much uncertain": {clients: 4, ops: 10, keys: 2, uncertain: 0.5},
		"transactions":   {clients: 4, ops: 10, keys: 3, uncertain: 0.3, txns: 0.5},
		"compactions":    {clients: 3, ops: 12, keys: 2, uncertain: 0.1, compacts: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := freshSeed(t)
			bad := 0
			for i := range uint64(histories) {
				rng := rand.New(rand.NewPCG(seed, i))
				h := generate(rng, s)
				require.True(t, agree(t, h, i, "as it happened"), "a history that happened, %d of seed %d, must be good", i, seed)
				for range 4 {
					mutant, what := mutate(rng, h)
					if !agree(t, mutant, i, what) {
						bad++
					}
				}
			}
			require.Greater(t, bad, histories/2, "tampering must break a good part of the histories")
			t.Logf("seed %d: %d of %d tampered histories can't have happened", seed, bad, 4*histories)
		})
	}
}
