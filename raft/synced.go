package raft

import "fmt"

// syncPoint says that once the output seq is durable, so is the log up to last, as far as it is still the log.
type syncPoint struct {
	seq  uint64
	last Index
}

// Synced says that this output and all before it are durable. It goes by sequence and not by entry: append 11(t2), truncate,
// append 11(t3), truncate, append 11(t2) again, and a late flush of the first would look like the last.
// It panics for an output that was never given out.
func (c *Core) Synced(seq uint64) {
	c.assert(seq <= c.seq, "Synced names an output that was given out")
	c.disk.paid(seq, c.now)
	n := 0
	for n < len(c.unsynced) && c.unsynced[n].seq <= seq {
		c.synced = max(c.synced, c.unsynced[n].last)
		n++
	}
	c.unsynced = c.unsynced[:copy(c.unsynced, c.unsynced[n:])]
	if c.ownVote == voteOut && seq >= c.ownVoteSeq {
		c.ownVote = voteDurable
		c.countVotes()
	}
	if n > 0 && c.role == Leader {
		c.advanceCommit()
	}
}

// forgetSyncsFrom keeps a late Synced from counting entries that were replaced: what was appended before the truncation counts
// only up to it.
func (c *Core) forgetSyncsFrom(from Index) {
	c.synced = min(c.synced, from-1)
	for i := range c.unsynced {
		c.unsynced[i].last = min(c.unsynced[i].last, from-1)
	}
}

// Applied says that the machine has applied entries up to i. It never goes back, and never passes the commit index; otherwise it
// panics.
func (c *Core) Applied(i Index) {
	c.assert(i >= c.applied, "law 6: applied never goes back")
	c.assert(i <= c.commit, "law 2: only committed entries are applied")
	c.applied = i
}

// checkInvariants asserts what holds between any two calls. It costs a few comparisons an output.
func (c *Core) checkInvariants() {
	c.assert(c.log.base.Index <= c.commit && c.commit <= c.log.last, "base ≤ commit ≤ last")
	c.assert(c.synced <= c.log.last && c.synced >= c.log.base.Index, "base ≤ synced ≤ last")
	c.assert(c.applied <= c.commit, "applied ≤ commit")
	c.assert(c.commit >= c.said.commit && c.term >= c.said.term, "law 6: commit and term never go back")
	c.assert(c.log.lastTerm() <= c.term, "the term is at least the last entry's")
	c.assert(c.role != Leader || c.leader == c.cfg.ID, "law 1: a leader knows no other")
	c.assert(c.role == Leader || c.reads.idle(), "law 8: reads wait at a leader only")
	c.assert(!c.silence.quiet || c.leader != None, "nobody sleeps without a leader")
	c.assert(c.forwards.idle() || c.role == Follower && c.leader != None, "law 8: forwarded reads wait for the leader of the term only")
}

func (c *Core) broken(invariant string) {
	panic(fmt.Sprintf("raft: broken invariant: %s\n%+v\nunsynced %v, handed %d", invariant, c.Status(), c.unsynced, c.handed))
}
