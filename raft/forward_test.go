package raft_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// newFollower makes n2, in its second run, a follower of n1, leader of term 1.
func newFollower(t *testing.T) *raft.Core {
	t.Helper()
	core, err := raft.New(raft.Config{ID: "n2", Boot: 2}, raft.Restart{Base: raft.Base{Configuration: three()}})
	require.NoError(t, err)
	core.Tick(0)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgHeartbeat, From: "n1", To: "n2", Term: 1}, nil))
	carryOut(core)
	return core
}

// TestForwardedReadsAreNotMixedUp: an answer to what an earlier run asked, under the same number, is no answer, nor is one of
// somebody who does not lead (etcd#20418).
func TestForwardedReadsAreNotMixedUp(t *testing.T) {
	core := newFollower(t)
	id := raft.ReadID{Boot: 2, Counter: 7}
	require.NoError(t, core.ForwardRead(id))
	require.Equal(t, 1, core.Status().Reads)
	asked := carryOut(core).Send[0]
	require.Equal(t, raft.MsgReadIndex, asked.Type)
	require.EqualValues(t, 2, asked.Read.Boot, "the run is part of the name")
	answer := raft.Message{Type: raft.MsgReadIndexResp, From: "n1", To: "n2", Term: 1, Read: asked.Read, Commit: 5}

	stale := answer
	stale.Read.Boot--
	require.NoError(t, core.Step(stale, nil))
	stranger := answer
	stranger.From = "n3"
	require.NoError(t, core.Step(stranger, nil))
	require.Empty(t, carryOut(core).Reads)

	require.NoError(t, core.Step(answer, nil))
	require.NoError(t, core.Step(answer, nil))
	require.Equal(t, []raft.Read{{ID: id, Index: 5}}, carryOut(core).Reads)
	require.Zero(t, core.Status().Reads)
}

// TestForwardedReadsAreBounded: at the follower and at the leader.
func TestForwardedReadsAreBounded(t *testing.T) {
	const most = 1 << 16
	follower := newFollower(t)
	for i := range uint64(most) {
		require.NoError(t, follower.ForwardRead(raft.ReadID{Counter: i}))
	}
	require.ErrorIs(t, follower.ForwardRead(raft.ReadID{Counter: most}), raft.ErrBusy)

	leader := newLeader(t)
	ask := raft.Message{Type: raft.MsgReadIndex, From: "n2", To: "n1", Term: 1}
	for i := range uint64(most) {
		ask.Read.Counter = i + 1
		require.NoError(t, leader.Step(ask, nil))
	}
	require.NoError(t, leader.Step(ask, nil))
	require.ErrorIs(t, leader.ReadIndex(raft.ReadID{}), raft.ErrBusy)
	refused := carryOut(leader).Send[0]
	require.Equal(t, raft.MsgReadIndexResp, refused.Type)
	require.True(t, refused.Reject)
}
