package raft_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// lead makes a core the leader of the next term by n2's votes.
func lead(t *testing.T, core *raft.Core, now raft.Monotonic) raft.Monotonic {
	t.Helper()
	term := core.Status().State.Term + 1
	for core.Status().Role != raft.PreCandidate {
		now = now.Add(10 * time.Millisecond)
		core.Tick(now)
	}
	carryOut(core)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgPreVoteResp, From: "n2", To: "n1", Term: term}, nil))
	carryOut(core)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgVoteResp, From: "n2", To: "n1", Term: term}, nil))
	require.Equal(t, raft.Leader, carryOut(core).Role)
	return now
}

// heartbeatsOnly lets time pass while n2 answers heartbeats and acknowledges nothing, until the leader gives up.
func heartbeatsOnly(t *testing.T, core *raft.Core, now raft.Monotonic) (lasted time.Duration, end raft.Monotonic) {
	t.Helper()
	start := now
	for core.Status().Role == raft.Leader {
		require.Less(t, now.Sub(start), time.Minute, "it leads for ever")
		now = now.Add(10 * time.Millisecond)
		core.Tick(now)
		for _, m := range carryOut(core).Send {
			if m.Type == raft.MsgHeartbeat && m.To == "n2" {
				answer := raft.Message{Type: raft.MsgHeartbeatResp, From: "n2", To: "n1", Term: m.Term, Round: m.Round, SentAt: m.SentAt}
				require.NoError(t, core.Step(answer, nil))
			}
		}
	}
	require.Equal(t, "nothing could be committed", core.Status().StepDown)
	return now.Sub(start), now
}

// TestPatienceDoubles: where nobody can commit, whoever leads gives up after a second, then after two, up to eight; one commit, and it
// is a second again.
func TestPatienceDoubles(t *testing.T) {
	core := newCore(t, three())
	now, lasted := raft.Monotonic(0), time.Duration(0)
	for _, want := range []time.Duration{1, 2, 4, 8, 8} {
		now = lead(t, core, now)
		lasted, now = heartbeatsOnly(t, core, now)
		require.Equal(t, want*time.Second, lasted)
	}
	now = lead(t, core, now)
	last := core.Status().Last
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgAppendResp, From: "n2", To: "n1", Term: last.Term, Last: last}, nil))
	require.NoError(t, core.Propose([]raft.Entry{{Kind: raft.KindData, Size: 64}}))
	lasted, _ = heartbeatsOnly(t, core, now)
	require.Equal(t, time.Second, lasted)
}
