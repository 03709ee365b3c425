package kv_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
)

// endlessEngine has no last key: a range over it ends when somebody ends it.
type endlessEngine struct {
	statemachine.Engine
	// visited is called for each key, with its number from 0.
	visited func(n uint64)
}

type endlessView struct {
	statemachine.View
	visited func(uint64)
}

func (e endlessEngine) View(rev statemachine.Revision) (statemachine.View, error) {
	v, err := e.Engine.View(rev)
	return endlessView{v, e.visited}, err
}

func (v endlessView) Range(opts statemachine.RangeOptions, fn func(statemachine.Item) bool) error {
	n := uint64(0)
	if len(opts.From) >= 8 {
		n = binary.BigEndian.Uint64(opts.From) + 1
	}
	for ; ; n++ {
		v.visited(n)
		if !fn(statemachine.Item{Key: binary.BigEndian.AppendUint64(nil, n)}) {
			return nil
		}
	}
}

func TestLongRangesEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := machine(t, endlessEngine{btree.New(), func(n uint64) {
		if n == 10_000 {
			cancel()
		}
	}})
	_, err := m.Range(ctx, model.RangeOptions{CountOnly: true})
	require.ErrorIs(t, err, context.Canceled)
}

func TestLongRangesDoNotHoldUpClose(t *testing.T) {
	var m *kv.Machine
	closed := make(chan error, 1)
	m = machine(t, endlessEngine{btree.New(), func(n uint64) {
		if n == 10_000 {
			go func() { closed <- m.Close() }()
		}
	}})
	_, err := m.Range(t.Context(), model.RangeOptions{CountOnly: true})
	require.ErrorIs(t, err, statemachine.ErrClosed)
	require.NoError(t, <-closed)
}

func TestRangesAreTheSameInSteps(t *testing.T) {
	const keys = 10_000
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			fillKeys(t, m, "k", keys)
			for i := range 3 { // each more than a step's bytes
				apply(t, m, kv.AppendPut(nil, []byte{'l', byte('0' + i)}, make([]byte, 2<<20)))
			}
			all, err := m.Range(t.Context(), model.RangeOptions{})
			require.NoError(t, err)
			require.Len(t, all.Items, keys+3)
			for i := 1; i < len(all.Items); i++ {
				require.Less(t, string(all.Items[i-1].Key), string(all.Items[i].Key))
			}
			for _, opts := range []model.RangeOptions{
				{Limit: 4095}, {Limit: 4096}, {Limit: 4097}, {Limit: keys + 3}, {Limit: keys + 4}, {Prefix: b("l")}, {MaxBytes: 5 << 20}, {To: b("k004096")}, {From: b("k001000"), To: b("l1")},
			} {
				for _, reverse := range []bool{false, true} {
					opts.Reverse = reverse
					opts.CountOnly = false
					want := pick(all.Items, opts)
					got, err := m.Range(t.Context(), opts)
					require.NoError(t, err)
					require.Equal(t, len(want), got.Count, "%+v", opts)
					for i := range want {
						require.Equal(t, want[i].Key, got.Items[i].Key, "%+v: item %d", opts, i)
					}
					opts.CountOnly = true
					counted, err := m.Range(t.Context(), opts)
					require.NoError(t, err)
					if opts.MaxBytes == 0 {
						require.Equal(t, got.Count, counted.Count, "%+v", opts)
						require.Equal(t, got.More, counted.More, "%+v", opts)
					}
				}
			}
		})
	}
}

// pick gives those of all items, in ascending order, that opts select, in the order asked for.
func pick(all []model.Item, opts model.RangeOptions) []model.Item {
	from, to := opts.Bounds()
	var picked []model.Item
	total := 0
	for i := range all {
		item := all[i]
		if opts.Reverse {
			item = all[len(all)-1-i]
		}
		if string(item.Key) < string(from) || to != nil && string(item.Key) >= string(to) {
			continue
		}
		total += len(item.Key) + len(item.Value) + model.ItemOverheadBytes
		if opts.Limit > 0 && len(picked) == opts.Limit || opts.MaxBytes > 0 && total > opts.MaxBytes {
			break
		}
		picked = append(picked, item)
	}
	return picked
}
