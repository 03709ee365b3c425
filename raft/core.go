package raft

import (
	"errors"
	"fmt"
)

const (
	// maxTerm and maxIndex bound what a message may name, so that adding to it can't overflow.
	maxTerm  = Term(1) << 62
	maxIndex = Index(1) << 62
)

// ownVote says how far the candidate's vote for itself has come. It counts once it is durable.
type ownVote uint8

const (
	noVote      ownVote = iota
	voteCast            // the output that holds it has not been taken yet
	voteOut             // it has been taken; see ownVoteSeq
	voteDurable         // it counts
)

// Core is one replica of one group. One goroutine at a time may use it; no method blocks.
type Core struct {
	cfg    Config
	random random
	// now is the latest Tick's; started says that there was one.
	now     Monotonic
	started bool

	// term and vote are the hard state.
	term         Term
	vote         NodeID
	stateChanged bool

	role   Role
	leader NodeID
	// termLeader is the leader that was seen in this term, even if contact with it was lost (law 1).
	termLeader NodeID
	// heard says that the leader was in contact at heardAt, and its connection has not broken since.
	heard   bool
	heardAt Monotonic
	// deadline is when a replica that is not leader asks for an election. Until pardon, silence is not held against anyone.
	deadline Monotonic
	pardon   Monotonic
	// askedAt is when votes or pre-votes were asked for last.
	askedAt Monotonic
	ownVote ownVote
	// ownVoteSeq is the output that carries the own vote.
	ownVoteSeq uint64

	// base is where the ledger begins; log.base is its ID.
	base            Base
	log             entryLog
	commit, applied Index
	// synced is the last entry known to be durable; unsynced says what outputs will add to it.
	synced   Index
	unsynced []syncPoint

	// configurations holds the one at or below the base, then those above it. The last is in force.
	configurations       []ConfigurationEntry
	configurationChanged bool
	// self and peers are the members in force; self is the zero Member when this node is none.
	self  Member
	peers []*peer
	// rank is how many voters have a higher priority.
	rank int

	promise promise
	silence silence
	// removed: a committed configuration leaves this node out, and no leader was heard of since.
	removed bool

	// The rest is the leader's: its first entry, when heartbeats are due, the latest round, reads, hand-over.
	termStart    Index
	heartbeatDue Monotonic
	round        uint64
	reads        reads
	forwards     forwards
	transferee   transferee
	stepDown     string
	office       office
	preference   preference
	// disk is how the own one does.
	disk disk
	// leaseAfter is the round in which the lease was given up last; promises count from later rounds only.
	leaseAfter uint64
	// scratch is reused by quorum arithmetic.
	scratch []uint64

	// installing is the base of the image being installed.
	installing *Base

	// out is the output in the making, seq the number of the last one taken, said what it stated, handed the last entry that
	// the caller's log has once it has carried out all outputs and out.Truncate.
	out    Output
	seq    uint64
	said   standing
	handed Index
}

// New makes a core that goes on from a durable state. It fails when cfg is invalid or the state contradicts itself; a state that
// does must not be used. The core keeps the configurations of at, and nothing else of it.
func New(cfg Config, at Restart) (*Core, error) {
	if err := errors.Join(cfg.Validate(), at.validate()); err != nil {
		return nil, err
	}
	c := &Core{
		cfg: cfg.withDefaults(), random: newRandom(cfg.Seed, cfg.Boot, cfg.ID), term: at.State.Term, vote: at.State.Vote,
		commit: at.Commit, applied: at.Base.ID.Index, synced: at.Last.Index, handed: at.Last.Index,
		base: at.Base, log: entryLog{base: at.Base.ID, last: at.Last.Index, runs: append([]EntryID(nil), at.Terms...)},
	}
	c.promise.resting = c.cfg.LeaseDuration > 0
	c.office.patience, c.preference.delay = c.cfg.CommitTimeout, c.cfg.PreferenceDelay
	c.log.sizes.seed(at.Base, at.Last.Index, at.Waypoints)
	c.configurations = append(c.configurations, ConfigurationEntry{ID: at.Base.ID, Configuration: at.Base.Configuration})
	c.configurations = append(c.configurations, at.Configurations...)
	c.configurationInForceChanged()
	c.said = c.standing()
	return c, nil
}

// validate reports everything that contradicts itself.
func (at *Restart) validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("raft: restart state: "+format, args...))
		}
	}
	base := at.Base.ID
	fault(at.State.Term < at.Last.Term, "the term %d is below the last entry %s; expected at least its term", at.State.Term, at.Last)
	fault(at.State.Term > maxTerm || at.Last.Index > maxIndex, "term %d or last entry %s is out of range", at.State.Term, at.Last)
	fault(at.State.Term == 0 && at.State.Vote != None, "there is a vote for %q in no term", string(at.State.Vote))
	fault(base.Index == 0 != (base.Term == 0), "the base is %s; expected both numbers or none to be 0", base)
	fault(at.Commit < base.Index || at.Commit > at.Last.Index, "the commit index %d is outside [base %s, last %s]", at.Commit, base, at.Last)
	fault(at.Last.Index < base.Index || at.Last.Index == base.Index && at.Last != base, "the last entry %s is before the base %s", at.Last, base)
	prev := base
	for i, run := range at.Terms {
		first := i == 0 && (run.Index != base.Index+1 || run.Term < max(base.Term, 1))
		fault(first || i > 0 && (run.Index <= prev.Index || run.Term <= prev.Term), "the run of entries that begins with %s can't follow %s", run, prev)
		prev = run
	}
	fault(prev.Term != at.Last.Term || prev.Index > at.Last.Index, "the last entry %s is not in the last run of entries, which begins with %s", at.Last, prev)
	fault(at.Last.Index > base.Index && len(at.Terms) == 0, "no run of entries between the base %s and the last entry %s", base, at.Last)
	if len(errs) == 0 {
		errs = append(errs, at.validateTables()...)
	}
	return errors.Join(errs...)
}

// validateTables checks waypoints and configurations. REQUIRES: the rest is sound.
func (at *Restart) validateTables() (errs []error) {
	log := entryLog{base: at.Base.ID, last: at.Last.Index, runs: at.Terms}
	if err := encodable(at.Base.Configuration); err != nil {
		errs = append(errs, err)
	}
	prev := at.Base.ID.Index
	for _, e := range at.Configurations {
		if err := e.Configuration.Validate(); err != nil {
			errs = append(errs, err)
		}
		if e.ID.Index <= prev || !log.has(e.ID) {
			errs = append(errs, fmt.Errorf("raft: restart state: the configuration at %s is not in the log or out of order", e.ID))
		}
		prev = e.ID.Index
	}
	for i := 1; i < len(at.Waypoints); i++ {
		if w, next := at.Waypoints[i-1], at.Waypoints[i]; next.Index <= w.Index || next.End <= w.End {
			errs = append(errs, fmt.Errorf("raft: restart state: waypoint %+v follows %+v; expected both numbers to ascend", next, w))
		}
	}
	return errs
}

// Step takes a message from a peer. entries describes the entries (Prev, Last] of a MsgAppend and is nil for any other; it is
// copied, bodies apart. A message that a correct peer would not send is ignored and gives a *ProtocolError, or one that wraps
// ErrMalformed for a configuration that can't be decoded; whatever the message, Step does not panic. Time, in Step, is the
// latest Tick's.
func (c *Core) Step(m Message, entries []Entry) error {
	if err := c.checkMessage(&m, entries); err != nil {
		return err
	}
	switch {
	case m.Type == MsgPreVote:
		c.Wake() // who asks may be no member any more, and not have asked the leader, which others would miss now
	case stirs(&m):
		c.stir()
	}
	switch {
	case m.Type == MsgPreVote:
		c.answerPreVote(&m)
		return nil
	case m.Type == MsgRemoved:
		c.hearRemoved(&m)
		return nil
	case m.Type == MsgWake:
		c.answerWake(&m)
		return nil
	case m.Type == MsgPreVoteResp && !m.Reject:
		c.countPreVote(&m)
		return nil
	case m.Term < c.term:
		c.answerOldTerm(&m)
		return nil
	case m.Term > c.term && !c.enterTerm(&m):
		return nil
	}
	switch m.Type {
	case MsgPreVoteResp, MsgVoteResp:
		c.countVote(&m)
	case MsgVote:
		c.answerVote(&m)
	case MsgAppendResp, MsgHeartbeatResp:
		return c.hearPeer(&m)
	case MsgReadIndex:
		c.answerReadIndex(&m)
	case MsgReadIndexResp:
		c.roundAnswered(&m)
	case MsgTransfer:
		if m.Reject {
			c.transferDeclined(&m)
			return nil
		}
		return c.hearLeader(&m, entries)
	default:
		return c.hearLeader(&m, entries)
	}
	return nil
}

// checkMessage refuses what can be seen to be wrong without looking at the log.
func (c *Core) checkMessage(m *Message, entries []Entry) error {
	switch {
	case m.Type < MsgPreVote || m.Type > LastMessageType:
		return protocolError(m, "the type is not known")
	case m.To != c.cfg.ID || m.From == c.cfg.ID || m.From.Validate() != nil:
		return protocolError(m, "it goes to %q; expected %q, from another node", string(m.To), string(c.cfg.ID))
	case m.Term == 0 && !(m.Reject && (m.Type == MsgPreVoteResp || m.Type == MsgVoteResp)) || m.Term > maxTerm || max(m.Prev.Term, m.Last.Term, m.Hint.Term) > m.Term:
		return protocolError(m, "it names a term above its own term %d, or that is out of range", m.Term)
	case max(m.Prev.Index, m.Last.Index, m.Hint.Index, m.Commit) > maxIndex:
		return protocolError(m, "an index is out of range")
	case m.Type != MsgAppend && len(entries) > 0:
		return protocolError(m, "it has %d entries; only an append carries any", len(entries))
	case m.Type == MsgImage && m.Image == nil:
		return protocolError(m, "it describes no image")
	}
	return nil
}

// enterTerm looks at a message of a higher term. It says whether the message is to be looked at any further, in that term.
func (c *Core) enterTerm(m *Message) bool {
	if m.Type == MsgVote && (!m.Force && c.inOffice() || c.bound(m.Term, m.Force, m.Round)) {
		// A leader was heard of a moment ago, or has a promise: no need for another (Raft thesis §4.2.3). If the candidate's term is to stay,
		// it spreads by the answer to the leader's next message.
		c.send(Message{Type: MsgVoteResp, To: m.From, Reject: true})
		return false
	}
	c.stir() // whatever the message: nobody sleeps without a leader
	c.becomeFollower(m.Term, None, "a higher term")
	return true
}

// answerOldTerm tells whoever lives in a lower term of the present one. Without it a node that came back with a higher term, and
// a leader that it can't vote for or hear, would never get together (openraft#1796).
func (c *Core) answerOldTerm(m *Message) {
	switch m.Type {
	case MsgVote:
		c.send(Message{Type: MsgVoteResp, To: m.From, Reject: true})
	case MsgHeartbeat:
		c.send(Message{Type: MsgHeartbeatResp, To: m.From, Reject: true})
	case MsgReadIndex:
		c.send(Message{Type: MsgReadIndexResp, To: m.From, Read: m.Read, Reject: true})
	case MsgAppend, MsgImage, MsgTransfer, MsgWake:
		c.send(Message{Type: MsgAppendResp, To: m.From, Reject: true})
	}
}

// becomeFollower enters a term, or stays in it, without being its leader or a candidate.
func (c *Core) becomeFollower(term Term, leader NodeID, why string) {
	c.assert(term >= c.term, "law 6: the term never goes back")
	if term > c.term {
		c.term, c.vote, c.termLeader, c.stateChanged = term, None, None, true
	}
	if leader != c.leader || c.termLeader == None {
		c.failForwards()
	}
	if c.role == Leader {
		c.leaveOffice(why)
	}
	if c.role != Follower || leader != None {
		c.role = Follower
		c.waitForLeader()
	}
	c.leader, c.heard, c.heardAt, c.ownVote = leader, leader != None, c.now, noVote
	if leader != None {
		c.termLeader, c.removed = leader, false
	}
}

// leaveOffice drops what only a leader has.
func (c *Core) leaveOffice(why string) {
	c.stepDown = why
	c.failReads()
	c.transferee = transferee{}
	for _, p := range c.peers {
		p.flight = flight{}
	}
}
