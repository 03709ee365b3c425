package raft

import (
	"math"
	"time"
)

// never is before every reading of a clock.
const never Monotonic = math.MinInt64

// promise is what this replica owes a leader that asked for a lease: to vote for nobody else.
type promise struct {
	// until is when it ends.
	until Monotonic
	// fresh is for how long it was given since the latest Tick. That Tick's time may be long past, for all that is known within Step:
	// it counts from the next one.
	fresh time.Duration
	// term and round are the leader's, of its latest heartbeat that was promised for.
	term  Term
	round uint64
	// rest is until when nobody is voted for after a start, whatever the request: nothing tells what an earlier run promised. It
	// counts from the first Tick; until then, resting is set.
	rest    Monotonic
	resting bool
}

func (p *promise) give(m *Message) {
	p.fresh = max(p.fresh, m.Lease)
	p.round = max(p.round, m.Round)
	if p.term != m.Term {
		p.term, p.round = m.Term, m.Round
	}
}

// settle counts what was promised from now.
func (p *promise) settle(now Monotonic) {
	if p.fresh > 0 {
		p.until, p.fresh = max(p.until, now.Add(p.fresh)), 0
	}
}

// begin begins the rest of one lease after a start.
func (p *promise) begin(now Monotonic, lease time.Duration) {
	p.until, p.rest, p.resting = now, now.Add(lease), false
}

// bound says whether a promise keeps this replica from taking part in an election. force and round are the request's: the leader
// itself asked for the election when it was in that round, and had given up its lease by then; a promise of a later round it could
// not know of.
func (c *Core) bound(term Term, force bool, round uint64) bool {
	p := &c.promise
	if p.resting || c.now < p.rest {
		return true
	}
	if force && term == p.term+1 && round >= p.round {
		return false
	}
	return p.fresh > 0 || c.now < p.until
}

// LeaseRead says at which index a linearizable read may be served that arrived by now, without a round: while a quorum has promised
// to vote for nobody else (Config.LeaseDuration; Raft thesis §6.4.1). now is the caller's clock, that of Tick, read after the read
// arrived; a process that was paused finds its lease gone. It is false on any other replica than the leader, without a lease, during
// a transfer, and before an entry of the leader's term is committed: use ReadIndex then.
func (c *Core) LeaseRead(now Monotonic) (Index, bool) {
	if c.role != Leader || c.transferee.to != None || c.commit < c.termStart || max(now, c.now) >= c.leaseUntil() {
		return 0, false
	}
	return c.commit, true
}

// LeaseUntil is until when LeaseRead serves reads if no further heartbeat is answered, by the clock of Tick; long past when it serves none.
// A caller may publish it with the commit index, and take it back before anything else of the output is sent that follows a call.
func (c *Core) LeaseUntil() Monotonic {
	if c.role != Leader || c.transferee.to != None || c.commit < c.termStart {
		return never
	}
	return c.leaseUntil()
}

// leaseUntil is when the leader's lease ends: it counts from when the heartbeats left that a quorum promised for, by the leader's own
// clock, and is shorter than any promise by what clocks may drift apart.
func (c *Core) leaseUntil() Monotonic {
	if c.cfg.LeaseDuration == 0 || c.role != Leader {
		return never
	}
	from := c.reachedAt(c.now, func(p *peer) Monotonic { return p.leaseFrom })
	return from.Add(c.cfg.LeaseDuration - c.cfg.ClockDrift)
}

// promised takes a promise. One for a round in which the lease was given up counts no more.
func (c *Core) promised(p *peer, m *Message) {
	if m.Lease >= c.cfg.LeaseDuration && m.Round > c.leaseAfter && m.SentAt <= c.now {
		p.leaseFrom = max(p.leaseFrom, m.SentAt)
	}
}

// dropLease gives the lease up before somebody else is asked to lead. What was promised up to this round does not count any more, not
// even should the transfer fail: the request may still be on its way, and is good until somebody promises for a later round.
func (c *Core) dropLease() {
	c.leaseAfter = c.round
	for _, p := range c.peers {
		p.leaseFrom = never
	}
}
