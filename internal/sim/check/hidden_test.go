package check_test

import (
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
