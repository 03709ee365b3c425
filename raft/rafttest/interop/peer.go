package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	stdlog "log"

	"go.etcd.io/raft/v3"
	etcd "go.etcd.io/raft/v3/raftpb"

	ours "github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/raft/rafttest"
)

// peer is an etcd/raft node that answers like a Core of ours. It uses asynchronous storage writes: what must wait for durability comes as
// the responses of a storage append, which is our SendSynced and Synced.
type peer struct {
	// Core is nil. It stands for the methods that a static schedule does not call: images and changes of members.
	rafttest.Core

	names  names
	id     ours.NodeID
	config ours.ConfigurationEntry
	node   *raft.RawNode
	log    *log

	started bool
	clock   ours.Monotonic
	// out is the output in the making and handed the last entry that the caller's log has; seq, said and stated are the latest
	// output's number, commit index and so on, and hard state.
	out    ours.Output
	handed ours.Index
	seq    uint64
	said   standing
	stated ours.HardState
	// own are messages to the node itself that wait for the output being made, waiting those of outputs that were taken.
	own     []*etcd.Message
	waiting []storageAppend
	// applying are entries that the node has handed out to be applied, not known to be applied yet.
	applying         []*etcd.Message
	applied, toApply ours.Index
}

// storageAppend holds what the node is to be told once an output is durable.
type storageAppend struct {
	seq       uint64
	responses []*etcd.Message
}

type standing struct {
	commit ours.Index
	term   ours.Term
	role   ours.Role
	leader ours.NodeID
}

// The distance between ticks, and with it how many make our times.
const tick = ours.DefaultHeartbeatInterval / 5

// newPeer starts an etcd/raft node from our durable state, with settings that mean what ours mean.
func newPeer(cfg ours.Config, at ours.Restart, entries []ours.Entry) (*peer, error) {
	n := namesOf(at.Base.Configuration)
	l, err := newLog(&at, entries, n)
	if err != nil {
		return nil, err
	}
	node, err := raft.NewRawNode(&raft.Config{
		ID: n.number(cfg.ID), ElectionTick: int(ours.DefaultElectionTimeout / tick), HeartbeatTick: int(ours.DefaultHeartbeatInterval / tick),
		Storage: l, AsyncStorageWrites: true, MaxSizePerMsg: cfg.MaxAppendBytes, MaxCommittedSizePerReady: 1 << 20,
		MaxInflightMsgs: cfg.MaxInflightMessages, CheckQuorum: true, PreVote: true, DisableProposalForwarding: true,
		Logger: &raft.DefaultLogger{Logger: stdlog.New(io.Discard, "", 0)},
	})
	if err != nil {
		return nil, err
	}
	p := &peer{names: n, id: cfg.ID, config: ours.ConfigurationEntry{Configuration: at.Base.Configuration}, node: node, log: l,
		handed: l.last().Index, stated: at.State}
	p.said = p.standing()
	return p, nil
}

// Tick passes on as many ticks as fit into the time that went by. The first call sets the clock.
func (p *peer) Tick(now ours.Monotonic) {
	if !p.started {
		p.started, p.clock = true, now
	}
	for ; p.clock.Add(tick) <= now; p.clock = p.clock.Add(tick) {
		p.node.Tick()
		p.absorb()
	}
}

// Step takes a message of either kind of peer. What theirs has no use for is lost, as messages are.
func (p *peer) Step(m ours.Message, entries []ours.Entry) error {
	switch {
	case m.Type == ours.MsgReadIndex && p.standing().role != ours.Leader: // they would send it on, under the name of who asked
		return nil
	case m.Type == ours.MsgWake: // a learner, or who takes an image, looks for a leader; theirs is never silent
		return nil
	case (m.Type == ours.MsgReadIndexResp || m.Type == ours.MsgTransfer) && m.Reject: // they know no refusal
		return nil
	}
	t, err := p.names.toTheirs(&m, entries)
	if err != nil {
		return err
	}
	defer p.absorb()
	return p.node.Step(t)
}

// Propose appends a batch to the leader's log. The IDs that it gets are not told.
func (p *peer) Propose(batch []ours.Entry) error {
	t := entriesToTheirs(batch)
	for _, e := range t {
		e.Index, e.Term = nil, nil
	}
	defer p.absorb()
	err := p.node.Step(&etcd.Message{Type: etcd.MsgProp.Enum(), From: new(p.names.number(p.id)), Entries: t})
	if errors.Is(err, raft.ErrProposalDropped) {
		return &ours.NotLeaderError{Leader: p.said.leader}
	}
	return err
}

// ReadIndex is for leaders, as ours is.
func (p *peer) ReadIndex(id ours.ReadID) error {
	if err := p.mustLead(); err != nil {
		return err
	}
	return p.ForwardRead(id)
}

// ForwardRead is for any member that knows a leader.
func (p *peer) ForwardRead(id ours.ReadID) error {
	if p.standing().leader == ours.None {
		return &ours.NotLeaderError{}
	}
	p.node.ReadIndex(readContext(id))
	p.absorb()
	return nil
}

// LeaseRead is not in their protocol in a form that ours would trust: their leases are not asked for and not promised.
func (p *peer) LeaseRead(ours.Monotonic) (ours.Index, bool) { return 0, false }

// Wake has nobody to wake: their groups don't fall silent, and ours must not here.
func (p *peer) Wake() {}

// Unreadable has nobody to tell: their leaders read what they have sent from memory.
func (p *peer) Unreadable(ours.NodeID, bool) {}

// DiskStalled has nobody to tell: their leaders don't look at their disks.
func (p *peer) DiskStalled(bool) {}

// Transfer begins to hand leadership over.
func (p *peer) Transfer(to ours.NodeID) error {
	if err := p.mustLead(); err != nil {
		return err
	}
	if m, _ := p.config.Configuration.Member(to); !m.Voter {
		return ours.ErrNotVoter
	}
	p.node.TransferLeader(p.names.number(to))
	p.absorb()
	return nil
}

// Resign is not in their protocol.
func (p *peer) Resign(string) error { return errors.ErrUnsupported }

func (p *peer) mustLead() error {
	if s := p.standing(); s.role != ours.Leader {
		return &ours.NotLeaderError{Leader: s.leader}
	}
	return nil
}

// Unreachable passes on that the connection broke.
func (p *peer) Unreachable(id ours.NodeID) {
	if id != p.id {
		p.node.ReportUnreachable(p.names.number(id))
		p.absorb()
	}
}

// Synced tells the node what it asked to be told once the outputs up to seq are durable.
func (p *peer) Synced(seq uint64) {
	for len(p.waiting) > 0 && p.waiting[0].seq <= seq {
		responses := p.waiting[0].responses
		p.waiting = p.waiting[1:]
		for _, m := range responses {
			p.tell(m)
		}
	}
}

// Applied answers the storage applies up to i.
func (p *peer) Applied(i ours.Index) {
	p.applied = i
	p.answerApplies()
}

func (p *peer) answerApplies() {
	for len(p.applying) > 0 {
		m := p.applying[0]
		if idOf(m.GetEntries()[len(m.GetEntries())-1]).Index > p.applied {
			return
		}
		p.applying = p.applying[1:]
		for _, r := range m.GetResponses() {
			p.tell(r)
		}
	}
}

// tell gives the node a message from its own storage or from itself.
func (p *peer) tell(m *etcd.Message) {
	if err := p.node.Step(m); err != nil {
		panic(fmt.Sprintf("interop: %s refuses its own %s: %v", p.id, m.GetType(), err))
	}
	p.absorb()
}

// absorb moves what the node wants done into the output in the making. It is called after everything that the node is told, so that
// messages are translated while the log still is what it was when they were made.
func (p *peer) absorb() {
	for p.node.HasReady() {
		rd := p.node.Ready()
		for _, m := range rd.Messages {
			if m.GetType() == etcd.MsgStorageAppend {
				p.write(m.GetEntries())
			}
		}
		for _, r := range rd.ReadStates {
			p.out.Reads = append(p.out.Reads, ours.Read{ID: readOf(r.RequestCtx), Index: ours.Index(r.Index)})
		}
		for _, m := range rd.Messages {
			p.dispatch(m)
		}
	}
	p.answerApplies()
}

// write orders entries written, in the place of whatever is there and behind it.
func (p *peer) write(entries []*etcd.Entry) {
	if len(entries) == 0 {
		return
	}
	first := idOf(entries[0]).Index
	o := &p.out
	for len(o.Append) > 0 && o.Append[len(o.Append)-1].ID.Index >= first {
		o.Append = o.Append[:len(o.Append)-1]
	}
	if first <= p.handed {
		o.Truncate, p.handed = first, first-1
	}
	o.Append = append(o.Append, entriesToOurs(entries)...)
	if err := p.log.write(entries); err != nil {
		panic(fmt.Sprintf("interop: %s: %v", p.id, err))
	}
}

// dispatch puts a message where it belongs.
func (p *peer) dispatch(m *etcd.Message) {
	switch m.GetType() {
	case etcd.MsgStorageAppend:
		for _, r := range m.GetResponses() {
			if r.GetTo() == p.names.number(p.id) {
				p.own = append(p.own, r)
			} else {
				p.out.SendSynced = append(p.out.SendSynced, p.translate(r))
			}
		}
	case etcd.MsgStorageApply:
		p.checkApply(m.GetEntries())
		p.applying = append(p.applying, m)
	case etcd.MsgPreVote, etcd.MsgVote:
		p.out.SendSynced = append(p.out.SendSynced, p.translate(m))
	default:
		p.out.Send = append(p.out.Send, p.translate(m))
	}
}

func (p *peer) translate(m *etcd.Message) ours.Message {
	t, err := p.names.toOurs(m, p.log)
	if err != nil {
		panic(err)
	}
	if t.Type == ours.MsgReadIndex {
		t.Term = p.standing().term
	}
	return t
}

// checkApply demands that what the node hands out to be applied is its log from where it stopped. The machines of the harness apply
// the log.
func (p *peer) checkApply(entries []*etcd.Entry) {
	for _, e := range entries {
		p.toApply++
		held, err := p.log.Entries(uint64(p.toApply), uint64(p.toApply)+1, 1)
		if err != nil || idOf(held[0]) != idOf(e) || idOf(e).Index != p.toApply || !bytes.Equal(held[0].GetData(), e.GetData()) {
			panic(fmt.Sprintf("law 4: %s hands out %s to be applied; its log has %v (%v) at %d", p.id, idOf(e), held, err, p.toApply))
		}
	}
}

func (p *peer) standing() standing {
	b := p.node.BasicStatus()
	s := standing{commit: ours.Index(b.HardState.GetCommit()), term: ours.Term(b.HardState.GetTerm()), leader: p.names.id(b.Lead)}
	switch b.RaftState {
	case raft.StateLeader:
		s.role = ours.Leader
	case raft.StateCandidate:
		s.role = ours.Candidate
	case raft.StatePreCandidate:
		s.role = ours.PreCandidate
	case raft.StateFollower:
		if s.role = ours.Follower; !p.config.Configuration.IsVoter(p.id) {
			s.role = ours.Learner
		}
	}
	return s
}

func (p *peer) hardState() ours.HardState {
	b := p.node.BasicStatus()
	return ours.HardState{Term: ours.Term(b.HardState.GetTerm()), Vote: p.names.id(b.HardState.GetVote())}
}

// HasOutput says whether there is anything to do or to say.
func (p *peer) HasOutput() bool {
	o := &p.out
	return len(o.Append)+len(o.Send)+len(o.SendSynced)+len(o.Reads)+len(p.own) > 0 || p.standing() != p.said || p.hardState() != p.stated
}

// Output takes what came about since the last call.
func (p *peer) Output() ours.Output {
	o := p.out
	p.out = ours.Output{}
	p.seq++
	p.said, p.handed = p.standing(), p.log.last().Index
	o.Seq, o.Commit, o.Role, o.Leader, o.Term, o.Configuration = p.seq, p.said.commit, p.said.role, p.said.leader, p.said.term, p.config
	if h := p.hardState(); h != p.stated {
		o.State, p.stated = &h, h
	}
	if len(p.own) > 0 {
		p.waiting, p.own = append(p.waiting, storageAppend{p.seq, p.own}), nil
	}
	return o
}

// Status describes the node, as far as the harness asks.
func (p *peer) Status() ours.Status {
	s := p.standing()
	st := ours.Status{ID: p.id, Role: s.role, Leader: s.leader, State: p.hardState(), Last: p.log.last(), Commit: s.commit, Applied: p.applied,
		Configuration: p.config, Uncommitted: uint64(p.log.last().Index - s.commit)}
	if s.role != ours.Leader {
		return st
	}
	st.TermStart = st.Last.Index + 1
	for i := st.Last.Index; i > 0 && p.log.id(i).Term == s.term; i-- {
		st.TermStart = i
	}
	return st
}
