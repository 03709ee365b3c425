package raft

import (
	"time"

	"github.com/ledgerkv/ledgerkv/raft/quorum"
)

// maxRank bounds how far a low priority delays an election.
const maxRank = 5

// Tick tells the time: about every 10 ms, or once Deadline has come, and whenever the caller likes; a quiet core needs none. now must have been
// read after every earlier call returned: promises to a leader count from it. A time before an earlier one is ignored. Everything timed
// happens in Tick.
func (c *Core) Tick(now Monotonic) {
	if !c.started {
		c.start(now)
	}
	if now < c.now {
		return
	}
	c.noticePause(now)
	c.now = now
	c.promise.settle(now)
	switch {
	case c.silence.quiet:
	case c.role == Leader:
		c.tickLeader()
	case now >= c.deadline:
		c.loseLeader()
	default:
		c.tickForwards()
	}
}

// start sets the clock; until then it stood at 0.
func (c *Core) start(now Monotonic) {
	c.started, c.now, c.pardon, c.heardAt, c.heartbeatDue = true, now, now, now, now
	for _, p := range c.peers {
		p.heard, p.movedAt = now, now
	}
	c.promise.begin(now, c.cfg.LeaseDuration)
	if c.deadline = now; !c.alone() {
		c.waitForLeader()
	}
}

// noticePause: a core that was not run can't tell the others' silence from its own absence. After a long gap between ticks it
// listens for two heartbeats before it judges; ticks that are always that far apart are not pardoned twice in a row.
func (c *Core) noticePause(now Monotonic) {
	if now.Sub(c.now) <= c.cfg.ElectionTimeout/4 || c.now < c.pardon {
		return
	}
	c.pardon = now.Add(2 * c.cfg.HeartbeatInterval)
	if !c.alone() {
		c.deadline = max(c.deadline, c.pardon.Add(c.random.upTo(c.cfg.ElectionTimeout/4)))
	}
}

// wait sets the deadline to between least and least+spread from now, later for a low priority or a disk that stalls.
func (c *Core) wait(least, spread time.Duration) {
	delay := c.cfg.ElectionTimeout / 10 * time.Duration(min(c.rank, maxRank))
	if c.stalled() {
		delay += c.cfg.ElectionTimeout
	}
	c.deadline = c.now.Add(least + c.random.upTo(spread) + delay)
}

func (c *Core) waitForLeader() { c.wait(c.cfg.ElectionTimeout, c.cfg.ElectionTimeout) }

// waitForVotes is shorter: there is no leader to be disturbed, and a split vote should not double the time without one.
func (c *Core) waitForVotes() { c.wait(c.cfg.ElectionTimeout/2, c.cfg.ElectionTimeout/2) }

// alone says that this node is the only voter.
func (c *Core) alone() bool {
	if !c.self.votes() {
		return false
	}
	for _, p := range c.peers {
		if p.votes() {
			return false
		}
	}
	return true
}

// inOffice says whether a leader is known to have been in office less than an ElectionTimeout ago.
func (c *Core) inOffice() bool {
	return c.role == Leader || c.heard && c.now.Sub(c.heardAt) < c.cfg.ElectionTimeout
}

// Unreachable says that the connection to a peer broke. A leader goes back to probing it. A follower no longer counts its leader
// as heard from, and asks for an election between a tenth and three tenths of an ElectionTimeout later unless a message of the
// leader arrives meanwhile; not so in a group with leases, where nobody could be elected yet.
func (c *Core) Unreachable(id NodeID) {
	if c.leader == id || c.role == Leader && c.peer(id) != nil {
		c.stir()
	}
	switch {
	case c.role == Leader:
		if p := c.peer(id); p != nil {
			p.probe(p.match+1, true)
		}
	case c.role == Follower && c.leader == id && c.heard && c.cfg.LeaseDuration == 0:
		c.heard = false
		before := c.deadline
		c.wait(c.cfg.ElectionTimeout/10, c.cfg.ElectionTimeout/5)
		c.deadline = min(c.deadline, before)
	}
}

// loseLeader: the deadline passed.
func (c *Core) loseLeader() {
	c.failForwards()
	c.leader, c.heard = None, false
	if !c.mayCampaign() {
		c.callForLeader()
		c.waitForLeader()
		return
	}
	if c.bound(c.term+1, false, 0) {
		c.deadline = max(c.promise.until, c.promise.rest)
		return
	}
	c.role, c.ownVote = PreCandidate, noVote
	c.askForVotes(Message{Type: MsgPreVote, Term: c.term + 1})
}

// mayCampaign: voters may, and whoever ceases to be one by a configuration not known to be committed. Its log may be what keeps
// every other candidate from winning, so that without it nobody could commit that configuration (Raft thesis §4.2.2). It counts
// votes by its latest configuration like anyone, and steps down once that is committed.
func (c *Core) mayCampaign() bool {
	if c.installing != nil || c.term >= maxTerm || c.removed {
		return false
	}
	if n := len(c.configurations); n > 1 && c.inForce().ID.Index > c.commit && c.configurations[n-2].Configuration.IsVoter(c.cfg.ID) {
		return true
	}
	return c.self.votes()
}

// campaign enters the next term and asks for votes in it. force: the leader asked for it, in that round.
func (c *Core) campaign(force bool, round uint64) {
	c.failForwards()
	c.term++
	c.vote, c.termLeader, c.stateChanged = c.cfg.ID, None, true
	c.role, c.leader, c.heard, c.ownVote = Candidate, None, false, voteCast
	c.askForVotes(Message{Type: MsgVote, Force: force, Round: round})
}

func (c *Core) askForVotes(m Message) {
	c.askedAt = c.now
	c.waitForVotes()
	m.Last = c.log.lastID()
	for _, p := range c.peers {
		p.vote = unanswered
		if p.votes() {
			m.To = p.ID
			c.send(m)
		}
	}
	c.countVotes()
}

// wouldGrant is the election restriction (Raft thesis §3.6.1), one vote a term, and no breach of a promise; a repeated request gets the same answer.
func (c *Core) wouldGrant(m *Message) bool {
	free := m.Term > c.term || c.vote == m.From || c.vote == None && c.termLeader == None
	return free && c.role != Leader && !m.Last.Less(c.log.lastID()) && !c.bound(m.Term, m.Force, m.Round)
}

// goesFirst breaks ties: of two replicas with equal logs that asked for pre-votes at the same time, the one with the higher id
// stands back for a moment. Otherwise both could win theirs, and split the vote.
func (c *Core) goesFirst(m *Message) bool {
	return c.role == PreCandidate && c.now.Sub(c.askedAt) < c.cfg.ElectionTimeout/10 &&
		m.Term == c.term+1 && m.Last == c.log.lastID() && c.cfg.ID < m.From
}

// answerPreVote changes nothing here, whatever the answer: to grant one is no contact with a leader (hashicorp/raft#609).
func (c *Core) answerPreVote(m *Message) {
	if m.Term >= c.term && c.wouldGrant(m) && !c.inOffice() && !c.goesFirst(m) {
		c.send(Message{Type: MsgPreVoteResp, To: m.From, Term: m.Term})
		return
	}
	c.send(Message{Type: MsgPreVoteResp, To: m.From, Reject: true})
	c.tellRemoved(m.From)
}

func (c *Core) answerVote(m *Message) {
	if !c.wouldGrant(m) {
		c.send(Message{Type: MsgVoteResp, To: m.From, Reject: true})
		return
	}
	if c.role != Follower {
		c.becomeFollower(m.Term, None, "")
	}
	if c.vote != m.From {
		c.vote, c.stateChanged = m.From, true
	}
	c.waitForLeader()
	c.send(Message{Type: MsgVoteResp, To: m.From})
}

// countPreVote takes a granted pre-vote; its term is the one asked for.
func (c *Core) countPreVote(m *Message) {
	if p := c.peer(m.From); p != nil && c.role == PreCandidate && m.Term == c.term+1 {
		p.vote = granted
		c.countVotes()
	}
}

// countVote takes a vote, or a refused pre-vote, in the present term.
func (c *Core) countVote(m *Message) {
	p := c.peer(m.From)
	asked := m.Type == MsgVoteResp && c.role == Candidate || m.Type == MsgPreVoteResp && c.role == PreCandidate
	if p == nil || !asked {
		return
	}
	if p.vote = granted; m.Reject {
		p.vote = refused
	}
	c.countVotes()
}

// countVotes sees whether the election under way is decided.
func (c *Core) countVotes() {
	outcome := c.outcome(Member.incoming)
	if c.inForce().Configuration.Joint {
		outcome = quorum.Both(outcome, c.outcome(Member.outgoing))
	}
	switch {
	case outcome == quorum.Lost:
		// Whoever refused knows better; wait for what comes of it.
		c.role, c.ownVote = Follower, noVote
	case outcome == quorum.Won && c.role == PreCandidate:
		c.campaign(false, 0)
	case outcome == quorum.Won && c.role == Candidate:
		c.becomeLeader()
	}
}

func (m Member) incoming() bool { return m.Voter }
func (m Member) outgoing() bool { return m.WasVoter }

// outcome counts the votes of one half. The own one counts once it is durable; a pre-vote needs not be.
func (c *Core) outcome(in func(Member) bool) quorum.Outcome {
	var t quorum.Tally
	if in(c.self) {
		t.Voters++
		if c.role == PreCandidate || c.ownVote == voteDurable {
			t.Granted++
		}
	}
	for _, p := range c.peers {
		if !in(p.Member) {
			continue
		}
		t.Voters++
		switch p.vote {
		case granted:
			t.Granted++
		case refused:
			t.Refused++
		}
	}
	return t.Outcome()
}
