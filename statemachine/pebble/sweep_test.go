package pebble

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// rows counts the records of a table of an engine.
func rows(t testing.TB, e *Engine, table byte) (n int) {
	iter, err := e.store.db.NewIter(&pebble.IterOptions{LowerBound: e.ns.table(table), UpperBound: e.ns.table(table + 1)})
	require.NoError(t, err)
	for ok := iter.First(); ok; ok = iter.Next() {
		n++
	}
	require.NoError(t, iter.Close())
	return n
}

// sweepAll sweeps what can be swept now; the store's own sweeper may have done a part of it.
func sweepAll(t testing.TB, e *Engine) {
	for more := true; more; {
		var err error
		more, err = e.sweepStep()
		require.NoError(t, err)
	}
}

// fill puts keys times, each time in one revision, and deletes every tenth in the end.
func fill(t testing.TB, e *Engine, keys, times int) {
	for n := range times + 1 {
		b := e.Begin()
		b.Advance()
		for k := range keys {
			key := fmt.Appendf(nil, "key-%d", k)
			if n < times {
				_, err := b.Put(key, key, 0)
				require.NoError(t, err)
			} else if k%10 == 0 {
				_, err := b.Delete(key)
				require.NoError(t, err)
			}
		}
		require.NoError(t, b.Commit(e.Applied()+1))
	}
}

func compactTo(t testing.TB, e *Engine, rev statemachine.Revision) {
	b := e.Begin()
	require.NoError(t, b.Compact(rev))
	require.NoError(t, b.Commit(e.Applied()+1))
}

func TestSweeperGivesBackSpace(t *testing.T) {
	fs := vfs.NewMem()
	open := func() (*Store, *Engine) {
		s, err := Open("store", Options{FS: fs})
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		e, err := s.Engine(1, 1)
		require.NoError(t, err)
		return s, e
	}
	s, e := open()
	const keys, times = 2000, 5
	fill(t, e, keys, times)
	require.Equal(t, keys*times+keys/10, rows(t, e, tableVersions))

	// A view holds back what was compacted after it was opened, and only that.
	compactTo(t, e, 2)
	v, err := e.View(3)
	require.NoError(t, err)
	compactTo(t, e, 5)
	sweepAll(t, e)
	require.Equal(t, keys*(times-1)+keys/10, rows(t, e, tableVersions))
	n := 0
	require.NoError(t, v.Events(3, func(statemachine.Event) bool { n++; return true }))
	require.Equal(t, keys, n)
	require.NoError(t, v.Close())
	sweepAll(t, e)
	require.Equal(t, keys+keys/10, rows(t, e, tableVersions), "one version of each key, and the deletes that came later")

	// It goes on where it was after a restart.
	compactTo(t, e, e.Revision())
	require.NoError(t, s.Close())
	_, e = open()
	sweepAll(t, e)
	require.Equal(t, keys*9/10, rows(t, e, tableVersions), "one version of each live key")
	require.Zero(t, rows(t, e, tableBlocks))
	require.EqualValues(t, times+1, e.Revision(), "the state is kept where blocks are removed")
	require.EqualValues(t, times+4, e.Applied())

	// Keys can come and go as before.
	fill(t, e, keys, 1)
	compactTo(t, e, e.Revision())
	sweepAll(t, e)
	require.Equal(t, keys*9/10, rows(t, e, tableVersions))
}

// TestAPutIsTwoWrites: a version and a block, and of the block one for a whole batch.
func TestAPutIsTwoWrites(t *testing.T) {
	s, err := Open("store", Options{FS: vfs.NewMem()})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	e, err := s.Engine(1, 1)
	require.NoError(t, err)
	for _, puts := range []int{1, 10} {
		b := e.Begin().(*batch)
		for i := range puts {
			b.Advance()
			_, err := b.Put(fmt.Appendf(nil, "%d", i), nil, 0)
			require.NoError(t, err)
		}
		require.NoError(t, b.seal())
		require.EqualValues(t, puts+1, b.writes.Count())
		require.NoError(t, e.commit(b.writes))
		e.publish(b.next)
		b.release()
		e.batch = nil
	}
}
