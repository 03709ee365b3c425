package btree_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// revisions commits one put to each of n keys in turn, a revision each, with values of 1 KiB.
func revisions(t *testing.T, e *btree.Engine, keys, n int) {
	value := make([]byte, kib)
	for done := 0; done < n; {
		b := e.Begin()
		for range min(100, n-done) {
			b.Advance()
			_, err := b.Put(fmt.Append(nil, done%keys), value, 0)
			require.NoError(t, err)
			done++
		}
		require.NoError(t, b.Commit(e.Applied()+1))
	}
}

// TestCompactionGivesBackMemory writes 64 MiB over few keys. A view that is older than the compaction holds all of it.
func TestCompactionGivesBackMemory(t *testing.T) {
	before := heap()
	e := btree.New()
	revisions(t, e, 100, 64*kib)
	require.Greater(t, heap()-before, int64(60*mib))

	v, err := e.View(1)
	require.NoError(t, err)
	compact(t, e, e.Revision(), 64*kib)
	require.Greater(t, heap()-before, int64(60*mib), "the view holds its revision")
	item, ok, err := v.Get([]byte("0"))
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 1, item.Mod)
	require.NoError(t, v.Close())

	compact(t, e, e.Revision(), 64*kib)
	require.Less(t, heap()-before, int64(2*mib))
	runtime.KeepAlive(e)
}

func TestDeletedKeysGiveBackMemory(t *testing.T) {
	before := heap()
	e := btree.New()
	const keys = 20_000
	revisions(t, e, keys, keys)
	b := e.Begin()
	b.Advance()
	for i := range keys {
		_, err := b.Delete(fmt.Append(nil, i))
		require.NoError(t, err)
	}
	require.NoError(t, b.Commit(e.Applied()+1))
	compact(t, e, e.Revision(), 2*keys)
	require.Less(t, heap()-before, int64(mib))
	runtime.KeepAlive(e)
}

// TestAnImageHoldsUntilItIsClosed: what an image reads stays, and goes when it is closed half read.
func TestAnImageHoldsUntilItIsClosed(t *testing.T) {
	before := heap()
	e := btree.New()
	revisions(t, e, 100, 16*kib)
	img, err := e.Image()
	require.NoError(t, err)
	_, err = img.Next()
	require.NoError(t, err)
	compact(t, e, e.Revision(), 16*kib)
	require.Greater(t, heap()-before, int64(14*mib))
	require.NoError(t, img.Close())
	img = nil
	compact(t, e, e.Revision(), 16*kib)
	require.Less(t, heap()-before, int64(2*mib))
	runtime.KeepAlive(e)
}

// TestCommitIsBounded: a compaction of much is not one long commit.
func TestCommitIsBounded(t *testing.T) {
	e := btree.New()
	revisions(t, e, 100, 16*kib)
	full := heap()
	b := e.Begin()
	require.NoError(t, b.Compact(e.Revision()))
	require.NoError(t, b.Commit(e.Applied()+1))
	require.Less(t, full-heap(), int64(mib), "one commit gives back a little")
	runtime.KeepAlive(e)
}

func TestMisuse(t *testing.T) {
	e := btree.New()
	b := e.Begin()
	require.Panics(t, func() { e.Begin() }, "one batch at a time")
	_, err := b.Put([]byte("a"), nil, 0)
	require.Error(t, err, "no revision")
	_, err = b.Delete([]byte("a"))
	require.Error(t, err, "no revision")
	b.Advance()
	_, err = b.Put([]byte("a"), nil, 0)
	require.NoError(t, err)
	_, err = b.Put([]byte("a"), nil, 0)
	require.Error(t, err, "twice in one revision")
	_, err = b.Delete([]byte("a"))
	require.Error(t, err, "twice in one revision")
	require.NoError(t, b.Commit(3))
	for _, err := range useBatch(b) {
		require.ErrorIs(t, err, statemachine.ErrClosed)
	}

	v, err := e.View(statemachine.Latest)
	require.NoError(t, err)
	require.NoError(t, v.Close())
	require.Zero(t, v.Applied())
	require.ErrorIs(t, v.Range(statemachine.RangeOptions{}, nil), statemachine.ErrClosed)
	require.ErrorIs(t, v.Events(1, nil), statemachine.ErrClosed)
	_, _, err = v.Get([]byte("a"))
	require.ErrorIs(t, err, statemachine.ErrClosed)

	require.NoError(t, e.Close())
	for _, err := range useBatch(e.Begin()) {
		require.ErrorIs(t, err, statemachine.ErrClosed)
	}
	require.ErrorIs(t, e.Restore(nil), statemachine.ErrClosed)
}

// useBatch gives the error of each method.
func useBatch(b statemachine.Batch) []error {
	_, _, get := b.Get([]byte("a"))
	_, put := b.Put([]byte("a"), nil, 0)
	_, del := b.Delete([]byte("a"))
	return []error{get, put, del, b.Range(nil, nil, nil), b.Compact(1), b.Commit(9)}
}

func TestAFailedRestoreIsFinal(t *testing.T) {
	e := btree.New()
	require.Error(t, e.Restore(empty{}))
	require.Error(t, e.Restore(empty{}), "even from a good image")
	for _, err := range useBatch(e.Begin()) {
		require.Error(t, err)
	}
	require.Zero(t, e.Revision())
}

// empty is a source without chunks.
type empty struct{}

func (empty) Next() ([]byte, error) { return nil, fmt.Errorf("there is nothing") }
