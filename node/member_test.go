package node

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// change asks for a membership change, and lets the owner take it in.
func (h *handNode) change(changes ...MemberChange) *PendingChange {
	p, err := (&Group{h.r}).SubmitChange(changes, nil)
	require.NoError(h.t, err)
	h.owners[0].loop.Turn()
	return p
}

// open says that nothing is known of a change.
func (p *PendingChange) open() bool { return len(p.done) == 0 }

// A change is over when a configuration that isn't joint is committed.
func TestAMembershipChangeIsAwaited(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	p := h.change(MemberChange{Kind: raft.DemoteMember, ID: "n3"}, MemberChange{Kind: raft.RemoveMember, ID: "n2"})
	h.settle()
	joint := (&Group{h.r}).Members().Configuration
	require.True(t, joint.Joint)
	for _, m := range joint.Members {
		known, _ := h.met.directory(m.ID)
		require.Equal(t, known, UUID(m.Directory), "%s is named, though it leaves", m.ID)
	}
	require.True(t, p.open())
	h.say(raft.Message{Type: raft.MsgAppendResp, From: "n2", Term: 1, Last: h.r.ledger.Last()})
	h.settle()
	entry, known, err := p.Poll()
	require.True(t, known && err == nil, "%v", err)
	require.Equal(t, []raft.NodeID{"n1"}, entry.Configuration.Voters())
	require.Equal(t, entry, (&Group{h.r}).Members())

	p = h.change(MemberChange{Kind: raft.RemoveMember, ID: "n2"})
	again, known, err := p.Poll()
	require.True(t, known && err == nil)
	require.Equal(t, entry, again, "what is so already is no change")
	_, _, err = h.change(MemberChange{Kind: raft.RemoveMember, ID: "n1"}).Poll()
	require.ErrorIs(t, err, raft.ErrNoVoterLeft)
}

// A change that another leader has replaced is known to be lost as soon as something else is committed in its place; until then
// nobody knows.
func TestALostMembershipChangeIsAnswered(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	p := h.change(MemberChange{Kind: raft.DemoteMember, ID: "n3"})
	m, records := h.appended(2, 1, 1, raft.KindEmpty)
	h.say(m, records...)
	h.settle()
	require.True(t, p.open())
	require.Len(t, (&Group{h.r}).Members().Configuration.Voters(), 3, "it is undone")
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n3", Term: 2, Commit: 2})
	h.settle()
	_, known, err := p.Poll()
	require.True(t, known)
	require.Equal(t, &NotLeaderError{Leader: "n3"}, err)
}

// What is under way when the replica stops, or when the caller has waited long enough, may yet be.
func TestAnOpenMembershipChangeIsUncertain(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	p := h.change(MemberChange{Kind: raft.DemoteMember, ID: "n3"})
	h.r.fail(errors.New("the flush has failed"))
	h.settle()
	_, _, err := p.Poll()
	require.ErrorIs(t, err, ErrUncertain)

	h = newHandNode(t, 3, handLog())
	h.lead()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = (&Group{h.r}).ChangeMembers(ended, []MemberChange{{Kind: raft.DemoteMember, ID: "n3"}}, nil)
	require.ErrorIs(t, err, ErrUncertain)
	require.ErrorIs(t, err, context.Canceled)
}

// A node that was removed while its proposals wait is told nothing more, and tells them that nobody knows.
func TestProposalsOfARemovedNodeAreUncertain(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	p := h.submit("x")
	h.settle()
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n3", Term: 2})
	h.settle()
	_, known, _ := p.Poll()
	require.False(t, known, "another leader may still commit it")
	h.say(raft.Message{Type: raft.MsgRemoved, From: "n3", Term: 2, Last: raft.EntryID{Index: 9, Term: 2}})
	h.settle()
	_, known, err := p.Poll()
	require.True(t, known)
	require.ErrorIs(t, err, ErrUncertain)
}

// What comes in the name of a member from another directory than the configuration names is not taken for the member's.
func TestAnotherDirectoryIsNotBelieved(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	v := receiver{h.Node}
	require.NoError(t, v.Admit(transport.Hello{Node: "n4", Directory: [16]byte{4}, Format: transport.Range{Min: 1, Max: 1}}, false), "a node that may know more than this one")
	h.lead()
	p := h.change(MemberChange{Kind: raft.AddLearner, ID: "n4", Directory: [16]byte{5}})
	_, known, err := p.Poll()
	var refused *raft.ChangeError
	require.True(t, known)
	require.ErrorAs(t, err, &refused)
	require.Zero(t, refused.Position)
	require.Contains(t, refused.Reason, "choose a new id")

	// Another leader, who has not met it, adds it with the other directory.
	config := (&Group{h.r}).Members().Configuration.Clone()
	config.Members = append(config.Members, raft.Member{ID: "n4", Voter: true, Directory: [16]byte{5}})
	h.r.configuration.Store(&raft.ConfigurationEntry{Configuration: config})
	h.r.distrust()
	require.False(t, h.r.believable(&raft.Message{From: "n4"}))
	require.True(t, h.r.believable(&raft.Message{From: "n2"}))
	require.ErrorContains(t, v.Admit(transport.Hello{Node: "n4", Directory: [16]byte{4}}, false), "choose a new id")
	require.ErrorContains(t, v.Admit(transport.Hello{Node: "n4", Directory: [16]byte{5}}, false), "choose a new id")
}

// Who takes itself for a first member of a cluster in which it is not is refused, whatever it is called.
func TestANewcomerIsRefused(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	err := receiver{h.Node}.Admit(transport.Hello{Node: "n9", Directory: [16]byte{9}, Newcomer: true}, false)
	require.ErrorContains(t, err, "started to join")
	require.ErrorContains(t, receiver{h.Node}.Admit(transport.Hello{Node: "n2", Directory: [16]byte{9}, Newcomer: true}, false), "choose a new id")
}

// Until the members are changed for the first time a node is where the options say, and from then on where the configuration does.
func TestWhereAMemberIsReached(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	require.Equal(t, "memory:n2", h.addressOf(raft.Member{ID: "n2", Address: "elsewhere"}))
	require.Equal(t, "elsewhere", h.addressOf(raft.Member{ID: "n2", Address: "elsewhere", Directory: [16]byte{2}}))
	require.Equal(t, "elsewhere", h.addressOf(raft.Member{ID: "n4", Address: "elsewhere"}))
}

// The first change keeps the nodes where they are, though the cluster began elsewhere.
func TestTheFirstChangeSaysWhereTheNodesAre(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	h.opts.Peers[1].Address = "moved"
	h.change(MemberChange{Kind: raft.DemoteMember, ID: "n3"})
	m, _ := (&Group{h.r}).Members().Configuration.Member("n2")
	require.Equal(t, "moved", m.Address)
}
