package node

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// A follower has its leader make the round, and serves the read itself once it has applied what the leader names.
func TestAFollowerReads(t *testing.T) {
	h := newHandNode(t, 3, handStore())
	s := &tape{}
	h.transport = s
	_, err := (&Group{h.r}).SubmitRead()
	require.Equal(t, &NotLeaderError{}, err, "nobody leads")
	m, records := h.appended(1, 0, 0, raft.KindEmpty, raft.KindData)
	h.say(m, records...)
	h.settle()
	first, err := (&Group{h.r}).SubmitRead()
	require.NoError(t, err)
	second, err := (&Group{h.r}).SubmitRead()
	require.NoError(t, err)
	h.settle()
	asked := s.sent[len(s.sent)-1]
	require.Equal(t, raft.MsgReadIndex, asked.Type, "one for both")
	h.say(raft.Message{Type: raft.MsgReadIndexResp, From: "n3", Term: 1, Read: asked.Read, Commit: 2})
	h.settle()
	_, known, _ := first.Poll()
	require.False(t, known, "entry 2 is not applied yet")
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n3", Term: 1, Commit: 2})
	h.settle()
	for _, p := range []*Pending{first, second} {
		out, known, err := p.Poll()
		require.True(t, known && err == nil)
		require.Equal(t, Index(2), out.Index)
	}

	third, err := (&Group{h.r}).SubmitRead()
	require.NoError(t, err)
	h.settle()
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n2", Term: 2})
	h.settle()
	_, known, err = third.Poll()
	require.True(t, known)
	require.Equal(t, &NotLeaderError{Leader: "n2"}, err, "whom it asked leads no more")
}

// answer gives the answers of n2 to the heartbeats that the node has sent.
func (s *tape) answer(h *handNode) {
	for _, m := range s.sent {
		if m.Type == raft.MsgHeartbeat && m.To == "n2" {
			h.say(raft.Message{Type: raft.MsgHeartbeatResp, From: "n2", Term: m.Term, Round: m.Round, SentAt: m.SentAt, Lease: m.Lease, Last: h.r.ledger.Last()})
		}
	}
	s.sent = nil
	h.settle()
}

func leased(t *testing.T) (*handNode, *tape, *Group) {
	g := handStore()
	g.Lease = 300 * time.Millisecond
	h := newHandNode(t, 3, g)
	s := &tape{}
	h.transport = s
	for range int(g.Lease/h.opts.TickInterval) + 1 { // what an earlier run promised is over
		h.tick()
	}
	h.lead()
	s.sent = nil
	for len(s.sent) == 0 {
		h.tick()
		h.settle()
	}
	return h, s, &Group{h.r}
}

// A leader with a lease reads without asking anybody, for as long as the lease goes by the clock at the time of the read.
func TestLeaseRead(t *testing.T) {
	h, s, g := leased(t)
	_, ok := g.LeaseRead()
	require.False(t, ok, "nobody has promised anything")
	s.answer(h)
	index, ok := g.LeaseRead()
	require.True(t, ok)
	require.Equal(t, g.Committed(), index)
	h.clock.now += 400 * time.Millisecond // the process stands still: no loop has a turn
	_, ok = g.LeaseRead()
	require.False(t, ok, "who was paused finds the lease gone")
	for len(s.sent) == 0 {
		h.tick()
		h.settle()
	}
	s.answer(h)
	_, ok = g.LeaseRead()
	require.True(t, ok)
	h.r.fail(errDiverged)
	_, ok = g.LeaseRead()
	require.False(t, ok)
}

// watched is a transport that looks at each message before it leaves.
type watched struct {
	tape
	see func(to raft.NodeID)
}

func (w *watched) Send(to raft.NodeID, c transport.Class, frames []transport.Frame) error {
	w.see(to)
	return w.tape.Send(to, c, frames)
}

// The lease is gone before the message is on its way that lets another node lead.
func TestALeaseEndsBeforeATransferBegins(t *testing.T) {
	h, s, g := leased(t)
	s.answer(h)
	_, ok := g.LeaseRead()
	require.True(t, ok)
	w := &watched{}
	w.see = func(raft.NodeID) {
		_, ok := g.LeaseRead()
		require.False(t, ok)
	}
	h.transport = w
	require.NoError(t, g.StartTransfer("n2"))
	h.settle()
	require.Equal(t, []raft.NodeID{"n2"}, w.transfers())
	_, ok = g.LeaseRead()
	require.False(t, ok)
}

// A read that may be a little old uses the round of an earlier one, if that began within its bounds.
func TestFresh(t *testing.T) {
	h := newHandNode(t, 3, handStore())
	s := &tape{}
	h.transport = s
	h.lead()
	g := &Group{h.r}
	began := h.clock.now
	p, err := g.SubmitRead()
	require.NoError(t, err)
	h.settle()
	h.clock.now += 20 * time.Millisecond
	s.answer(h)
	_, known, err := p.Poll()
	require.True(t, known && err == nil)
	require.Equal(t, &confirmedRound{raft.Monotonic(began), 1}, h.r.lastRound.Load(), "it counts from when it began")
	index, err := g.Fresh(t.Context(), 20*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, Index(1), index)
	require.Empty(t, s.sent)

	h.clock.now++
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = g.Fresh(ended, 20*time.Millisecond)
	require.ErrorIs(t, err, context.Canceled, "it is too old by now: another round is asked for")
	h.settle()
	require.NotEmpty(t, s.sent)
}
