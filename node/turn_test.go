package node

import (
	"encoding/binary"
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
	"github.com/ledgerkv/ledgerkv/statemachine"
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

// mute takes what is sent and brings nothing.
type mute struct{ transport.Transport }

func (mute) Start(transport.Hello, transport.Handler) error             { return nil }
func (mute) SetPeers(map[raft.NodeID]string)                            {}
func (mute) Send(raft.NodeID, transport.Class, []transport.Frame) error { return nil }
func (mute) Close() error                                               { return nil }

func newHandNode(t *testing.T, size int, g GroupOptions) *handNode {
	return openHandNode(t, size, g, false)
}

// openHandNode is newHandNode for a node that may be one that joins.
func openHandNode(t *testing.T, size int, g GroupOptions, join bool) *handNode {
	h := &handNode{t: t, disk: disk.New(1), clock: &handClock{}}
	var peers []Peer
	for _, id := range []NodeID{"n1", "n2", "n3"}[:size] {
		peers = append(peers, Peer{ID: id, Address: "memory:" + string(id)})
	}
	n, err := Open(Options{Dir: "data", ID: "n1", Peers: peers, Transport: mute{}, FS: h.disk, Clock: h.clock, Join: join,
		Owners: 1, Seed: 1, Manual: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { n.Close() })
	for i, p := range peers[1:] {
		require.NoError(t, receiver{n}.Admit(transport.Hello{Node: p.ID, Directory: [16]byte{byte(i + 2)}, Newcomer: !join}, false))
	}
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
		for _, l := range h.Loops() {
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
	in := inbound{message: m, records: records}
	for _, r := range records {
		in.bytes += len(r.Raw)
	}
	require.True(h.t, h.r.inbox.push(in))
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
	if h.opts.Peers[len(h.opts.Peers)-1].ID == h.opts.ID {
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

// appended is what a leader of a term sends to have entries of these kinds follow entry prev of the log, with what it has committed.
func (h *handNode) appended(term raft.Term, prev, commit raft.Index, kinds ...raft.Kind) (raft.Message, []ledger.Record) {
	h.t.Helper()
	at, err := h.r.ledger.BaseAt(prev)
	require.NoError(h.t, err)
	m := raft.Message{Type: raft.MsgAppend, From: "n3", Term: term, Prev: at.ID, Last: at.ID, Commit: commit}
	var records []ledger.Record
	for _, kind := range kinds {
		m.Last = raft.EntryID{Index: m.Last.Index + 1, Term: term}
		var body []byte
		switch kind {
		case raft.KindData:
			body = make([]byte, 4000)
		case raft.KindTrim:
			body = raft.AppendTrim(nil, 1<<40)
		case raft.KindConfig:
			body = raft.AppendConfiguration(nil, h.opts.members())
		}
		segment := raft.Position(h.r.opts.SegmentSize)
		if left := segment - at.Position%segment; left < raft.Position(raft.RecordSize(len(body))) {
			at.Position += left
		}
		raw := ledger.AppendRecord(nil, &ledger.Record{ID: m.Last, Kind: kind, Time: at.LogTime, Position: at.Position, PrevChecksum: at.Checksum,
			Body: body, BodyCRC: ledger.BodyChecksum(body)})
		record, n, err := ledger.DecodeRecord(raw)
		require.NoError(h.t, err)
		at.Position, at.Checksum = at.Position+raft.Position(n), record.Checksum
		records = append(records, record)
	}
	return m, records
}

func handLog() GroupOptions { return GroupOptions{ID: 1, Name: "log", SegmentSize: 1 << 16} }

func handStore() GroupOptions {
	return GroupOptions{ID: 1, Name: "kv", Factory: counters{}, SegmentSize: 1 << 16}
}

// counter is a machine in memory that counts entries.
type counter struct {
	n       uint64
	applied statemachine.Index
	closed  bool
	fails   bool // to restore
	begun   int  // images
	open    int  // images that are not closed
}

func (c *counter) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	c.n, c.applied = c.n+uint64(len(entries)), applied
	return nil
}
func (c *counter) Applied() statemachine.Index { return c.applied }
func (c *counter) Durable() statemachine.Index { return 0 }
func (c *counter) Flush() error                { return nil }
func (c *counter) Image() (statemachine.Image, error) {
	c.begun++
	c.open++
	return &counterImage{of: c, at: c.applied, chunk: binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(c.applied)), c.n)}, nil
}
func (c *counter) Restore(chunks statemachine.ChunkSource) error {
	if c.fails {
		return errors.New("the device is full")
	}
	b, err := chunks.Next()
	if err != nil {
		return err
	}
	c.applied, c.n = statemachine.Index(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
	for err == nil {
		_, err = chunks.Next() // ballast
	}
	if err == io.EOF {
		return nil
	}
	return err
}
func (c *counter) Close() error {
	c.closed = true
	return nil
}

type counterImage struct {
	of    *counter
	at    statemachine.Index
	chunk []byte
}

func (i *counterImage) Applied() statemachine.Index { return i.at }
func (i *counterImage) Close() error {
	i.of.open--
	return nil
}
func (i *counterImage) Next() (chunk []byte, err error) {
	if chunk, i.chunk = i.chunk, nil; chunk == nil {
		err = io.EOF
	}
	return chunk, err
}

// counters opens counters, and notes them when opened is set. Those of a later epoch than the first fail while broken says so.
type counters struct {
	opened *[]*counter
	broken *bool
}

func (f counters) Open(p statemachine.Place) (statemachine.Machine, error) {
	c := &counter{fails: f.broken != nil && *f.broken && p.Epoch > 1}
	if f.opened != nil {
		*f.opened = append(*f.opened, c)
	}
	return c, nil
}
func (counters) Drop(statemachine.Place) error           { return nil }
func (counters) Epochs(uint64, string) ([]uint64, error) { return nil, nil }

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

// What a leader appended in vain is known to be lost as soon as an entry of a later term is committed below it, even if no entry ever takes
// its place.
func TestOvertakenProposalsAreAnswered(t *testing.T) {
	for _, g := range []GroupOptions{handLog(), handStore()} {
		t.Run(g.Name, func(t *testing.T) {
			h := newHandNode(t, 3, g)
			h.lead()
			first, second, third := h.submit("2"), h.submit("3"), h.submit("4")
			h.settle()
			require.Equal(t, raft.Index(4), h.r.ledger.Last().Index)
			m, records := h.appended(2, 2, 2, raft.KindEmpty)
			h.say(m, records...)
			h.settle()
			out, known, err := first.Poll()
			require.True(t, known && err == nil, "the later leader has it")
			require.Equal(t, Index(2), out.Index)
			_, known, _ = second.Poll()
			require.False(t, known, "the later leader's entry is not committed yet")

			h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n3", Term: 2, Commit: 3})
			h.settle()
			for _, p := range []*Pending{second, third} {
				_, known, err = p.Poll()
				require.True(t, known)
				var notLeader *NotLeaderError
				require.ErrorAs(t, err, &notLeader)
				require.Equal(t, NodeID("n3"), notLeader.Leader)
			}
		})
	}
}

// Whose proposal was replaced is never sent away to the very node that it asked.
func TestAReplacedProposalIsNotSentToItself(t *testing.T) {
	for _, g := range []GroupOptions{handLog(), handStore()} {
		t.Run(g.Name, func(t *testing.T) {
			h := newHandNode(t, 3, g)
			h.lead()
			replaced, overtaken := h.submit("2"), h.submit("3")
			h.settle()
			m, records := h.appended(2, 1, 0, raft.KindEmpty)
			h.say(m, records...)
			h.settle()
			require.Equal(t, NodeID("n3"), h.r.roles.load().Leader)
			h.lead()
			for _, p := range []*Pending{replaced, overtaken} {
				_, known, err := p.Poll()
				require.True(t, known)
				var notLeader *NotLeaderError
				require.ErrorAs(t, err, &notLeader)
				require.Equal(t, raft.None, notLeader.Leader)
			}
		})
	}
}
