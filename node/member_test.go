package node

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// change asks for a membership change as ChangeMembers does, without blocking.
func (h *handNode) change(changes ...MemberChange) (done chan changeOutcome, answer <-chan error) {
	done = make(chan changeOutcome, 1)
	answer = h.r.question(func(r *replica) error { return r.changeMembers(changes, nil, done) })
	h.owners[0].loop.Turn()
	return done, answer
}

// A change is over when a configuration that isn't joint is committed.
func TestAMembershipChangeIsAwaited(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	done, answer := h.change(MemberChange{Kind: raft.DemoteMember, ID: "n3"}, MemberChange{Kind: raft.RemoveMember, ID: "n2"})
	require.NoError(t, <-answer)
	h.settle()
	require.True(t, (&Group{h.r}).Members().Configuration.Joint)
	require.Empty(t, done)
	h.say(raft.Message{Type: raft.MsgAppendResp, From: "n2", Term: 1, Last: h.r.ledger.Last()})
	h.settle()
	out := <-done
	require.NoError(t, out.err)
	require.Equal(t, []raft.NodeID{"n1"}, out.entry.Configuration.Voters())
	require.Equal(t, out.entry, (&Group{h.r}).Members())

	again, answer := h.change(MemberChange{Kind: raft.RemoveMember, ID: "n2"})
	require.NoError(t, <-answer)
	require.Equal(t, changeOutcome{entry: out.entry}, <-again, "what is so already is no change")
	_, answer = h.change(MemberChange{Kind: raft.RemoveMember, ID: "n1"})
	require.ErrorIs(t, <-answer, raft.ErrNoVoterLeft)
}

// A change that another leader has replaced is known to be lost as soon as something else is committed in its place; until then
// nobody knows.
func TestALostMembershipChangeIsAnswered(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	done, answer := h.change(MemberChange{Kind: raft.DemoteMember, ID: "n3"})
	require.NoError(t, <-answer)
	m, records := h.appended(2, 1, 1, raft.KindEmpty)
	h.say(m, records...)
	h.settle()
	require.Empty(t, done)
	require.Len(t, (&Group{h.r}).Members().Configuration.Voters(), 3, "it is undone")
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n3", Term: 2, Commit: 2})
	h.settle()
	require.Equal(t, changeOutcome{err: &NotLeaderError{Leader: "n3"}}, <-done)
}

// What is under way when the replica stops, or when the caller has waited long enough, may yet be.
func TestAnOpenMembershipChangeIsUncertain(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	done, answer := h.change(MemberChange{Kind: raft.DemoteMember, ID: "n3"})
	require.NoError(t, <-answer)
	h.r.fail(errors.New("the flush has failed"))
	h.settle()
	require.ErrorIs(t, (<-done).err, ErrUncertain)

	h = newHandNode(t, 3, handLog())
	h.lead()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&Group{h.r}).ChangeMembers(ended, []MemberChange{{Kind: raft.DemoteMember, ID: "n3"}}, nil)
	require.ErrorIs(t, err, ErrUncertain)
	require.ErrorIs(t, err, context.Canceled)
}
