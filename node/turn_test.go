package node

import (
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// handClock is time that a test moves. wall is called for each batch that is appended: in the middle of an owner's turn.
type handClock struct {
	now  time.Duration
	wall func()
}

func (c *handClock) Monotonic() raft.Monotonic { return raft.Monotonic(c.now) }

func (c *handClock) Wall() int64 {
	if f := c.wall; f != nil {
		c.wall = nil
		f()
	}
	return int64(c.now)
}

// handNode is a node whose loops a test turns by hand, among peers that are not there: the test says what they send.
type handNode struct {
	*Node
	t     *testing.T
	disk  *disk.Disk
	clock *handClock
	r     *replica
}

func newHandNode(t *testing.T, size int, g GroupOptions) *handNode {
	h := &handNode{t: t, disk: disk.New(1), clock: &handClock{}}
	var peers []Peer
	for _, id := range []NodeID{"n1", "n2", "n3"}[:size] {
		peers = append(peers, Peer{ID: id, Address: "memory:" + string(id)})
	}
	n, err := Open(Options{Dir: "data", ID: "n1", Peers: peers, Transport: transport.NewManualNetwork(1).Transport("n1"), FS: h.disk, Clock: h.clock,
		Owners: 1, Seed: 1, Manual: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { n.Close() })
	group, err := n.OpenGroup(g)
	require.NoError(t, err)
	n.admit()
	h.Node, h.r = n, group.r
	return h
}

// tick lets a tick pass and the owner see it.
func (h *handNode) tick() {
	h.clock.now += h.opts.TickInterval
	h.Tick()
	h.owners[0].loop.Turn()
}

// settle turns every loop until none has anything to do.
func (h *handNode) settle() {
	for busy := true; busy; {
		busy = false
		for _, l := range h.loops {
			if l.Ready() {
				l.Turn()
				busy = true
			}
		}
	}
}

// say puts a peer's message into the inbox.
func (h *handNode) say(m raft.Message, records ...ledger.Record) {
	m.To = "n1"
	require.True(h.t, h.r.inbox.push(inbound{message: m, records: records}))
	h.owners[0].work.add(h.r)
}

// campaign makes the node a candidate in the next term, with its own vote durable.
func (h *handNode) campaign() {
	for h.r.roles.load().Role != raft.PreCandidate {
		h.tick()
	}
	h.say(raft.Message{Type: raft.MsgPreVoteResp, From: "n2", Term: h.r.roles.load().Term + 1})
	h.settle()
	require.Equal(h.t, raft.Candidate, h.r.roles.load().Role)
}

// lead makes the node leader, with the entry of its term committed.
func (h *handNode) lead() {
	if len(h.peers) == 0 {
		for !h.r.roles.load().Ready {
			h.tick()
			h.settle()
		}
		return
	}
	h.campaign()
	h.say(raft.Message{Type: raft.MsgVoteResp, From: "n2", Term: h.r.roles.load().Term})
	h.settle()
	h.say(raft.Message{Type: raft.MsgAppendResp, From: "n2", Term: h.r.roles.load().Term, Last: h.r.ledger.Last()})
	h.settle()
	require.True(h.t, h.r.roles.load().Ready)
}

func (h *handNode) submit(body string) *Pending {
	h.t.Helper()
	p, err := (&Group{h.r}).Submit([]byte(body), Checksum([]byte(body)))
	require.NoError(h.t, err)
	return p
}

func handLog() GroupOptions { return GroupOptions{ID: 1, Name: "log", SegmentSize: 1 << 16} }

// A node that was stopped for a while finds in its inbox the vote that makes it leader and, behind it, what the leader of a later
// term has sent meanwhile, which doesn't fit its log.
func TestElectedAndDeposedInOneTurn(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.campaign()
	h.say(raft.Message{Type: raft.MsgVoteResp, From: "n2", Term: 1})
	record := ledger.Record{ID: raft.EntryID{Index: 21, Term: 2}, Kind: raft.KindData, Body: []byte("x")}
	h.say(raft.Message{Type: raft.MsgAppend, From: "n3", Term: 2, Prev: raft.EntryID{Index: 20, Term: 2}, Last: record.ID}, record)
	h.settle()
	s := h.r.roles.load()
	require.NoError(t, s.Err)
	require.Equal(t, RoleState{Seq: s.Seq, Term: 2, Leader: "n3"}, s)
	require.Equal(t, raft.EntryID{Index: 1, Term: 1}, h.r.ledger.Last(), "the entry of the term that was won")
}

// A replica that stops while its owner holds proposals answers them all the same.
func TestProposalsInHandAreAnswered(t *testing.T) {
	h := newHandNode(t, 1, handLog())
	h.lead()
	p := h.submit("x")
	batch := h.r.proposals.take(1 << 20)
	require.Equal(t, []*Pending{p}, batch)
	h.r.fail(errors.New("the flush has failed"))
	h.r.propose(batch)
	_, known, err := p.Poll()
	require.True(t, known)
	var failed *FailedError
	require.ErrorAs(t, err, &failed)
}
