package raft_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// fallSilent lets a leader of term 1, whose peers have everything, announce silence, and answers for both peers until it is quiet.
func fallSilent(t *testing.T, core *raft.Core, now raft.Monotonic) {
	t.Helper()
	for end := now + 2*second; now < end; now += 10 * millisecond {
		core.Tick(now)
		for _, m := range carryOut(core).Send {
			answer := raft.Message{From: m.To, To: "n1", Term: 1, Last: m.Last}
			switch m.Type {
			case raft.MsgHeartbeat:
				answer.Type, answer.Round, answer.SentAt, answer.Quiet = raft.MsgHeartbeatResp, m.Round, m.SentAt, m.Quiet
				answer.Last = core.Status().Last
			case raft.MsgAppend:
				answer.Type = raft.MsgAppendResp
			}
			require.NoError(t, core.Step(answer, nil))
		}
	}
	require.True(t, core.Status().Quiet)
}

// TestSilenceNeedsFreshWord: that a peer expects no more heartbeats counts if it was said after the latest announcement. An answer
// of an earlier silence, late, is none.
func TestSilenceNeedsFreshWord(t *testing.T) {
	core, err := raft.New(raft.Config{ID: "n1", QuietAfter: 300 * time.Millisecond}, raft.Restart{Base: raft.Base{Configuration: three()}})
	require.NoError(t, err)
	core.Tick(0)
	now := lead(t, core, 0)
	acknowledge(t, core, 1)
	fallSilent(t, core, now)
	core.Wake()
	answers := map[raft.NodeID]raft.Message{}
	now += 2 * second
	for end := now + 2*second; answers["n2"].Round == 0; now += 10 * millisecond {
		require.Less(t, now, end, "no silence is announced")
		core.Tick(now)
		for _, m := range carryOut(core).Send {
			require.Equal(t, raft.MsgHeartbeat, m.Type)
			answer := raft.Message{Type: raft.MsgHeartbeatResp, From: m.To, To: "n1", Term: 1, Round: m.Round, Last: core.Status().Last}
			require.NoError(t, core.Step(answer, nil), "awake still")
			if answer.Quiet = true; m.Quiet {
				answers[m.To] = answer
			}
		}
	}
	late := answers["n3"]
	late.Round -= 2
	require.NoError(t, core.Step(answers["n2"], nil))
	require.NoError(t, core.Step(late, nil))
	require.False(t, core.Status().Quiet)
	require.NoError(t, core.Step(answers["n3"], nil))
	require.True(t, core.Status().Quiet)
}

// TestIdleCoreIsSmall: a quiet leader of three nodes, after a thousand entries, is held in less than 4 KiB; a follower in less still.
func TestIdleCoreIsSmall(t *testing.T) {
	const count = 300
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	batch := make([]raft.Entry, 10)
	for i := range batch {
		batch[i] = raft.Entry{Kind: raft.KindData, Size: 128}
	}
	cores := make([]*raft.Core, 0, count)
	before := held()
	for range count {
		core, err := raft.New(raft.Config{ID: "n1", QuietAfter: 300 * time.Millisecond}, raft.Restart{Base: raft.Base{Configuration: three()}})
		require.NoError(t, err)
		core.Tick(0)
		now := lead(t, core, 0)
		acknowledge(t, core, 1)
		for range 100 {
			require.NoError(t, core.Propose(batch))
			carryOut(core)
			acknowledge(t, core, core.Status().Last.Index)
		}
		fallSilent(t, core, now)
		cores = append(cores, core)
	}
	each := (held() - before) / count
	t.Logf("%d bytes each", each)
	require.Less(t, each, uint64(4<<10))
	runtime.KeepAlive(cores)
}

// TestLateHeartbeatPutsNobodyToSleep: of an earlier silence, after something has happened since.
func TestLateHeartbeatPutsNobodyToSleep(t *testing.T) {
	core, err := raft.New(raft.Config{ID: "n1", QuietAfter: time.Second}, raft.Restart{Base: raft.Base{Configuration: three()}})
	require.NoError(t, err)
	core.Tick(0)
	require.NoError(t, appendTo(core, 1, raft.EntryID{}, 0, 1))
	silence := raft.Message{Type: raft.MsgHeartbeat, From: "n2", To: "n1", Term: 1, Round: 9, Commit: 1, Quiet: true}
	require.NoError(t, core.Step(silence, nil))
	require.True(t, core.Status().Quiet)
	require.NoError(t, appendTo(core, 1, raft.EntryID{Index: 1, Term: 1}, 1, 1))
	require.False(t, core.Status().Quiet)
	require.NoError(t, core.Step(silence, nil))
	require.False(t, core.Status().Quiet, "it has more than the leader had then")
	silence.Commit = 2
	require.NoError(t, core.Step(silence, nil))
	require.True(t, core.Status().Quiet)
}

// TestNobodySleepsWithoutALeader: a leader that sleeps hears of a higher term by the answer to a heartbeat that was late, as one peer has tried to be
// elected meanwhile, in vain. It is awake from then on, and looks for another leader if none turns up.
func TestNobodySleepsWithoutALeader(t *testing.T) {
	core, err := raft.New(raft.Config{ID: "n1", QuietAfter: 300 * time.Millisecond}, raft.Restart{Base: raft.Base{Configuration: three()}})
	require.NoError(t, err)
	core.Tick(0)
	now := lead(t, core, 0)
	acknowledge(t, core, 1)
	fallSilent(t, core, now)
	now += 2 * second
	core.Tick(now)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgHeartbeatResp, From: "n2", To: "n1", Term: 2, Reject: true}, nil))
	o := carryOut(core)
	require.Equal(t, raft.Follower, o.Role)
	require.False(t, o.Quiet)
	for end := now + 4*second; core.Status().Role != raft.PreCandidate; now += 10 * millisecond {
		require.Less(t, now, end, "it sleeps")
		core.Tick(now)
		carryOut(core)
	}
}
