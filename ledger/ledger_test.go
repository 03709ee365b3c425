package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

func TestAppendFlushReopen(t *testing.T) {
	r := newRig(t)
	require.Equal(t, raft.EntryID{}, r.l.Last())
	require.Equal(t, uint64(1), r.l.EngineEpoch())
	r.append(1, 100, 200)
	require.NotZero(t, r.l.UnsyncedBytes())
	r.check()
	s := r.flush()
	require.Zero(t, r.l.UnsyncedBytes())
	require.Equal(t, 1, s.Flushes)
	tip := r.l.Tip()
	r.reopen()
	require.Equal(t, tip, r.l.Tip())
	r.check()
	r.append(2, 500, 900) // over several segments, with fillers
	r.flush()
	tip = r.l.Tip()
	require.Greater(t, len(r.l.idx.segs), 5)
	r.check()
	r.evict()
	r.check()
	r.provision()
	r.reopen()
	require.Equal(t, tip, r.l.Tip())
	r.check()
	restart := r.l.Restart()
	require.Equal(t, []raft.EntryID{{Index: 1, Term: 1}, {Index: 101, Term: 2}}, restart.Terms)
	require.Equal(t, tip.ID, restart.Last)
	require.Equal(t, testBoot, restart.Base.Configuration)
	require.NotEmpty(t, restart.Waypoints)
}

func TestHardState(t *testing.T) {
	r := newRig(t)
	for term := raft.Term(1); term < 10; term++ {
		hs := raft.HardState{Term: term, Vote: "n2"}
		r.write(&hs)
		s := r.flush()
		require.Equal(t, 1, s.Flushes)
		r.reopen()
		require.Equal(t, hs, r.l.Restart().State)
	}
}

func TestHardStateIsNotBelowTheLog(t *testing.T) {
	r := newRig(t)
	r.append(5, 1, 10)
	r.flush()
	r.reopen()
	require.Equal(t, raft.HardState{Term: 5}, r.l.Restart().State)
	r.reopen()
	require.Equal(t, raft.HardState{Term: 5}, r.l.Restart().State)
}
