package kv_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// One command removes so many keys and no more, the first ones, and says where the rest begins; on every engine the same. A transaction is not
// divided.
func TestADeleteOfARangeIsBounded(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			const more = 3
			fillKeys(t, m, "k", model.MaxDeleteKeys+more)
			fillKeys(t, m, "l", 1)
			before := m.Revision()
			part := apply(t, m, kv.AppendDeleteRange(nil, b("k"), b("l")))
			last := fmt.Appendf(nil, "k%06d", model.MaxDeleteKeys-1)
			require.Equal(t, kv.DeletedPart{Keys: model.MaxDeleteKeys, Next: append(last, 0)}, part.Data)
			require.Equal(t, uint64(before+1), part.Value)
			rest := apply(t, m, kv.AppendDeleteRange(nil, part.Data.(kv.DeletedPart).Next, b("l")))
			require.Equal(t, kv.Deleted(more), rest.Data)
			require.Equal(t, uint64(before+2), rest.Value)

			fillKeys(t, m, "k", model.MaxDeleteKeys+more)
			require.EqualValues(t, model.MaxDeleteKeys+more, txn(t, m, model.Do(model.DeletePrefix(b("k")))).Results[0].Deleted)
			left, err := m.Range(t.Context(), model.RangeOptions{CountOnly: true})
			require.NoError(t, err)
			require.Equal(t, 1, left.Count)
		})
	}
}

// A store removes as many keys as there are, in steps.
func TestAStoreDeletesManyKeysInSteps(t *testing.T) {
	onOneNode(t, func(ctx context.Context, t *testing.T, s *kv.Store) {
		const keys = 2*model.MaxDeleteKeys + 100
		for from := 0; from < keys; from += 8192 {
			var txn kv.Txn
			for i := from; i < min(keys, from+8192); i++ {
				txn.Success = append(txn.Success, kv.Put(fmt.Appendf(nil, "k%06d", i), nil))
			}
			_, err := s.Txn(ctx, txn)
			require.NoError(t, err)
		}
		put, err := s.Put(ctx, b("l"), nil)
		require.NoError(t, err)
		deleted, err := s.DeletePrefix(ctx, b("k"))
		require.NoError(t, err)
		require.Equal(t, kv.DeleteResult{Revision: put + 3, Deleted: keys}, deleted)
		left, err := s.Range(ctx, kv.RangeOptions{KeysOnly: true})
		require.NoError(t, err)
		require.Len(t, left.Items, 1)
		again, err := s.DeletePrefix(ctx, b("k"))
		require.NoError(t, err)
		require.Equal(t, kv.DeleteResult{Revision: put + 3}, again)
	})
}
