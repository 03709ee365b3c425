package raft

import (
	"math"
	"time"
)

// Forever is later than every reading of a clock.
const Forever Monotonic = math.MaxInt64

// Deadline says when Tick is due next: a Tick before it gives no output and changes nothing that is timed, so that the caller may leave it out. It may
// be past, and is where something has to be looked at in each Tick; it is Forever for a quiet core. Any other call may change it. Within
// an eighth of an ElectionTimeout there is one all the same, as long silence between Ticks counts as a pause.
//
// Who leaves Ticks out calls Tick before each other call, if time has passed: what happens counts from the latest Tick.
func (c *Core) Deadline() Monotonic {
	if !c.started || c.promise.fresh > 0 {
		return never
	}
	if c.silence.quiet {
		return Forever
	}
	at := c.now.Add(c.cfg.ElectionTimeout / 8)
	if c.role == Leader {
		return min(at, c.leaderDeadline())
	}
	at = min(at, c.deadline)
	for i := range c.forwards.rounds {
		round := &c.forwards.rounds[i]
		at = min(at, round.since.Add(c.cfg.ElectionTimeout), round.sentAt.Add(2*c.cfg.HeartbeatInterval))
	}
	return at
}

// leaderDeadline is the time of what tickLeader does, the rare of which it is asked for in each Tick.
func (c *Core) leaderDeadline() Monotonic {
	if c.rank > 0 || c.stalled() {
		return never
	}
	for _, p := range c.peers {
		if min(c.commit, p.match) > p.told {
			return never
		}
	}
	at := min(c.heartbeatDue, c.unlessPaused(c.lastQuorumContact(), c.cfg.ElectionTimeout+1))
	if c.commit < c.log.last && !c.alone() {
		at = min(at, c.unlessPaused(c.office.movedAt, c.office.patience))
	}
	if c.disk.owed > c.disk.synced {
		at = min(at, c.unlessPaused(c.disk.movedAt, c.cfg.StallTimeout))
	}
	if c.transferee.to != None {
		at = min(at, c.transferee.deadline)
	}
	if s := &c.silence; c.cfg.QuietAfter > 0 && !s.announced && c.settled() {
		at = min(at, s.idleSince.Add(c.cfg.QuietAfter))
	}
	return at
}

// unlessPaused is the end of a time that is not held against anyone after a pause.
func (c *Core) unlessPaused(since Monotonic, d time.Duration) Monotonic {
	return max(c.pardon, since.Add(d))
}
