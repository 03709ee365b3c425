package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

func TestTermAt(t *testing.T) {
	r := newRig(t)
	over(r)
	r.flush()
	for i, want := range map[raft.Index]raft.Term{0: 0, 1: 1, 100: 1, 101: 2, 102: 3, 300: 3} {
		got, err := r.l.TermAt(i)
		require.NoError(t, err)
		require.Equal(t, want, got, "entry %d", i)
	}
	_, err := r.l.TermAt(301)
	require.ErrorIs(t, err, ErrMismatch)
	b, _, err := r.l.Trim(250)
	require.NoError(t, err)
	got, err := r.l.TermAt(b.ID.Index)
	require.NoError(t, err)
	require.Equal(t, b.ID.Term, got)
	var compacted *CompactedError
	_, err = r.l.TermAt(b.ID.Index - 1)
	require.ErrorAs(t, err, &compacted)
}

func TestIndexAt(t *testing.T) {
	r := newRig(t)
	require.Equal(t, raft.Index(1), r.l.IndexAt(0))
	over(r)
	for i := raft.Index(1); i <= 300; i++ {
		rec, err := r.l.Record(i)
		require.NoError(t, err)
		got := r.l.IndexAt(rec.Position)
		require.LessOrEqual(t, got, i)
		from, err := r.l.Record(got)
		require.NoError(t, err)
		require.LessOrEqual(t, rec.Position-from.Position, raft.Position(waypointBytes+r.l.MaxRecordSize()))
	}
	require.LessOrEqual(t, r.l.IndexAt(1<<40), raft.Index(300))
}
