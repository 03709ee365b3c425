package node

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// The owner may be about to say that the replica leads when another loop stops it.
func TestAStoppedReplicaLeadsNoMore(t *testing.T) {
	r := newRoles()
	cause := errors.New("the flush has failed")
	r.fail(cause)
	_, changed := r.publish(raft.Leader, 2, "n1", 5, 4)
	require.False(t, changed)
	_, changed = r.applied(5)
	require.False(t, changed)
	require.Equal(t, RoleState{Seq: 1, Role: raft.Follower, Err: cause}, r.load())
}

// The applier may make a leader ready between the owner's look at how far it is and the owner's publishing of that.
func TestReadinessIsNotTakenBack(t *testing.T) {
	r := newRoles()
	r.publish(raft.Leader, 2, "n1", 5, 3)
	require.False(t, r.load().Ready)
	r.applied(5)
	require.True(t, r.load().Ready)
	_, changed := r.publish(raft.Leader, 2, "n1", 5, 4)
	require.False(t, changed)
	s, _ := r.publish(raft.Leader, 4, "n1", 9, 8)
	require.False(t, s.Ready, "in a later term it has to become ready again")
}

func TestAwaitRoleEndsWithTheNode(t *testing.T) {
	h := newHandNode(t, 1, handLog())
	h.lead()
	g := &Group{h.r}
	require.NoError(t, h.Close())
	_, err := g.AwaitRole(context.Background(), g.Role().Seq)
	require.ErrorIs(t, err, ErrClosed)
}

// A follower that knew no leader when it was closed says that it is closed; to try again would be in vain.
func TestAClosedReplicaSaysSo(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	require.NoError(t, h.Close())
	g := &Group{h.r}
	_, err := g.Submit(nil, Checksum(nil))
	require.ErrorIs(t, err, ErrClosed)
	_, err = g.SubmitRead()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, g.WaitApplied(context.Background(), 1), ErrClosed)
}

// Who asks a replica's owner something gets an answer, though the replica stops before the owner gets round to it.
func TestQuestionsToAStoppingReplicaAreAnswered(t *testing.T) {
	h := newHandNode(t, 1, handLog())
	h.lead()
	answer := h.r.question(func(*replica) error { return nil })
	h.r.fail(errors.New("the flush has failed"))
	h.owners[0].loop.Turn()
	var failed *FailedError
	require.ErrorAs(t, <-answer, &failed)
}
