package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
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

// TestOnRealFiles takes a ledger through its life on the operating system's files.
func TestOnRealFiles(t *testing.T) {
	o := testOptions(fs.OS)
	o.Dir = t.TempDir() + "/" + testDir
	require.NoError(t, Create(o, testBoot))
	l, err := Open(o)
	require.NoError(t, err)
	r := &rig{t: t, opts: o, l: l}
	for round := range raft.Term(6) {
		r.append(2*round+1, 50, 2000)
		r.flush()
		require.NoError(t, r.l.Truncate(r.l.Last().Index-20))
		r.append(2*round+2, 30, 900)
		r.write(&raft.HardState{Term: 2*round + 2, Vote: "n1"})
		r.flush()
		r.provision()
		_, _, err := r.l.Trim(r.l.Last().Index - 30)
		require.NoError(t, err)
		r.provision()
		r.check()
		r.evict()
		r.check()
		tip := r.l.Tip()
		require.NoError(t, r.l.Close())
		r.open()
		require.Equal(t, tip, r.l.Tip())
		require.Equal(t, raft.HardState{Term: 2*round + 2, Vote: "n1"}, r.l.Restart().State)
		r.check()
	}
	require.Greater(t, r.l.Base().ID.Index, raft.Index(100))
}
