package pebble

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

func TestVersionsComeBackAsTheyWere(t *testing.T) {
	for _, ev := range []statemachine.Event{
		{Item: statemachine.Item{Key: []byte("k"), Value: []byte{}, Create: 1, Mod: 1, Version: 1}},
		{Item: statemachine.Item{Key: []byte("k"), Value: []byte("v"), Create: 3, Mod: 900, Version: 12, Lease: 1 << 60}, Sub: 7},
		{Item: statemachine.Item{Key: []byte("k"), Value: []byte{0}, Create: 1, Mod: newest, Version: math.MaxUint64}, Sub: math.MaxUint32},
		{Item: statemachine.Item{Key: []byte("k"), Mod: 5}, Sub: 1, Deleted: true},
	} {
		record := append(appendVersionHead(nil, ev), ev.Item.Value...)
		got, err := decodeVersion(ev.Item.Key, ev.Item.Mod, record)
		require.NoError(t, err)
		require.Equal(t, ev, got)
		for cut := range len(record) - len(ev.Item.Value) {
			_, err := decodeVersion(ev.Item.Key, ev.Item.Mod, record[:cut])
			require.ErrorIs(t, err, errRecord, "cut to %d of %d bytes", cut, len(record))
		}
	}
	_, err := decodeVersion(nil, 1, []byte{0x80, 0})
	require.ErrorIs(t, err, errRecord, "unknown flags")
}

func TestBlocksComeBackAsTheyWere(t *testing.T) {
	changes := []change{
		{key: []byte("a"), rev: 3, sub: 0},
		{key: []byte(""), rev: 3, sub: 1, replaced: 1},
		{key: []byte("bb"), rev: 4, sub: 0, replaced: 3, deleted: true},
		{key: []byte("c"), rev: 1 << 50, sub: math.MaxUint32, replaced: 1},
	}
	var b blockBuilder
	for _, c := range changes {
		b.add(c)
	}
	for _, said := range []*state{nil, {applied: 9, revision: 1 << 50, compacted: 2}} {
		record := b.appendTo(nil, said)
		r, err := readBlock(record)
		require.NoError(t, err)
		require.Equal(t, said, r.said)
		for _, want := range changes {
			got, ok, err := r.next()
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, want, got)
		}
		_, ok, err := r.next()
		require.NoError(t, err)
		require.False(t, ok)

		_, err = decodeAll(record[:len(record)-1])
		require.ErrorIs(t, err, errRecord)
	}
	for _, bad := range [][]byte{nil, {2}, {blockStated}, {blockStated, 1, 1}} {
		_, err := readBlock(bad)
		require.ErrorIs(t, err, errRecord)
	}
}

func decodeAll(record []byte) (changes []change, err error) {
	r, err := readBlock(record)
	for ok := true; ok && err == nil; {
		var c change
		if c, ok, err = r.next(); ok {
			changes = append(changes, c)
		}
	}
	return changes, err
}

// FuzzVersion: what is read of a version is written and read again as the same.
func FuzzVersion(f *testing.F) {
	for _, ev := range []statemachine.Event{
		{Item: statemachine.Item{Value: []byte("v"), Create: 3, Mod: 900, Version: 12, Lease: 1 << 60}, Sub: 7},
		{Item: statemachine.Item{Value: []byte{}, Create: 1, Mod: 1, Version: 1}},
		{Item: statemachine.Item{Mod: 5}, Sub: 1, Deleted: true},
	} {
		f.Add(uint64(ev.Item.Mod), append(appendVersionHead(nil, ev), ev.Item.Value...))
	}
	f.Fuzz(func(t *testing.T, mod uint64, record []byte) {
		ev, err := decodeVersion([]byte("k"), statemachine.Revision(mod), record)
		if err != nil {
			require.ErrorIs(t, err, errRecord)
			return
		}
		require.LessOrEqual(t, len(ev.Item.Value), len(record))
		again, err := decodeVersion([]byte("k"), statemachine.Revision(mod), append(appendVersionHead(nil, ev), ev.Item.Value...))
		require.NoError(t, err)
		require.Equal(t, ev, again)
	})
}

// FuzzBlock: what is read of a block is written and read again as the same.
func FuzzBlock(f *testing.F) {
	var b blockBuilder
	b.add(change{key: []byte("a"), rev: 3})
	b.add(change{key: []byte("bb"), rev: 4, replaced: 3, deleted: true})
	f.Add(b.appendTo(nil, nil))
	f.Add(b.appendTo(nil, &state{applied: 9, revision: 4, compacted: 2}))
	f.Add([]byte{blockStated, 1, 1})
	f.Fuzz(func(t *testing.T, record []byte) {
		changes, err := decodeAll(record)
		if err != nil {
			require.ErrorIs(t, err, errRecord)
			return
		}
		head, err := readBlock(record)
		require.NoError(t, err)
		var b blockBuilder
		for _, c := range changes {
			b.add(c)
		}
		written := b.appendTo(nil, head.said)
		again, err := decodeAll(written)
		require.NoError(t, err)
		require.Equal(t, changes, again)
		said, err := readBlock(written)
		require.NoError(t, err)
		require.Equal(t, head.said, said.said)
	})
}
