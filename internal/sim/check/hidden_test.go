package check_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// TestADeleteOfAnUncertainTransaction: a transaction whose revision is known from what it put has deleted another key besides, so that key was
// there before though it is absent after (found by simulator seed 233).
func TestADeleteOfAnUncertainTransaction(t *testing.T) {
	a, b := []byte("a"), []byte("b")
	h := check.NewHistory()
	h.Return(h.Invoke(1, 1, check.Put{Key: b, Value: []byte("first")}), 2, check.Revised{Revision: 1})
	h.Lose(h.Invoke(2, 3, check.Put{Key: b, Value: []byte("second")}), 4)
	h.Lose(h.Invoke(3, 5, check.Txn{Txn: model.Do(model.Put(a, []byte("third")), model.Delete(b))}), 6)
	read := func(key []byte, found bool, item model.Item) {
		h.Return(h.Invoke(1, 7, check.Get{Key: key}), 7, check.Got{GetResult: model.GetResult{Item: item, Revision: 3}, Found: found})
	}
	read(a, true, model.Item{Key: a, Value: []byte("third"), CreateRevision: 3, ModRevision: 3, Version: 1})
	read(b, false, model.Item{})
	_, err := h.Check()
	require.NoError(t, err)
}

// TestWhatHappenedIsNotForbidden: what is learned from reads never excludes what an uncertain write did.
func TestWhatHappenedIsNotForbidden(t *testing.T) {
	seed := freshSeed(t)
	for i := range uint64(2 * histories) {
		rng := rand.New(rand.NewPCG(seed, i))
		h, truth := generateWithTruth(rng, shape{clients: 6, ops: 10 + rng.IntN(60), keys: 2 + rng.IntN(8), uncertain: 0.4 * rng.Float64(), txns: 0.5, replicas: 2 * rng.IntN(2)})
		id, ok := h.Forbidden(truth)
		require.True(t, ok, "history %d of seed %d: operation %d had revision %d", i, seed, id, truth[id])
		require.NoError(t, h.EachKey(), "history %d of seed %d", i, seed)
		_, err := h.Check()
		require.NoError(t, err, "history %d of seed %d", i, seed)
	}
}
