package raft

import "github.com/ledgerkv/ledgerkv/raft/quorum"

// reached is the largest value that a quorum has reached; self is this node's, should it vote.
func (c *Core) reached(self uint64, of func(*peer) uint64) uint64 {
	v := c.reachedIn(Member.incoming, self, of)
	if c.inForce().Configuration.Joint {
		v = min(v, c.reachedIn(Member.outgoing, self, of))
	}
	return v
}

// reachedAt is the latest time that a quorum has reached.
func (c *Core) reachedAt(self Monotonic, of func(*peer) Monotonic) Monotonic {
	const sign = 1 << 63 // keeps the order of readings before the origin
	return Monotonic(c.reached(uint64(self)^sign, func(p *peer) uint64 { return uint64(of(p)) ^ sign }) ^ sign)
}

func (c *Core) reachedIn(in func(Member) bool, self uint64, of func(*peer) uint64) uint64 {
	values := c.scratch[:0]
	if in(c.self) {
		values = append(values, self)
	}
	for _, p := range c.peers {
		if in(p.Member) {
			values = append(values, of(p))
		}
	}
	c.scratch = values
	return quorum.Reached(values)
}

// advanceCommit commits what a quorum holds durably, once that includes an entry of the own term (Raft thesis §3.6.2). The leader
// counts itself by what it has synced, and may be outvoted: a quorum of others commits before its own disk has.
func (c *Core) advanceCommit() {
	held := Index(c.reached(uint64(c.synced), func(p *peer) uint64 { return uint64(p.match) }))
	if held < c.termStart || held <= c.commit {
		return
	}
	before := c.commit
	c.setCommit(held)
	if id := c.inForce().ID; id.Index > before && id.Index <= c.commit {
		c.tellThoseRemoved()
	}
	c.office.movedAt, c.office.patience = c.now, c.cfg.CommitTimeout
	if !c.self.Voter && !c.inForce().Configuration.Joint && c.inForce().ID.Index <= c.commit {
		c.handOver("removed from the voters")
		c.removed = c.self.ID == None
	}
}

// followCommit takes over what the leader says is committed. upTo is the last entry known to be the leader's.
func (c *Core) followCommit(leaders, upTo Index) {
	if i := min(leaders, upTo); i > c.commit {
		c.setCommit(i)
	}
}

func (c *Core) setCommit(i Index) {
	c.assert(i > c.commit && i <= c.log.last, "law 6: commit rises, within the log")
	c.commit = i
}

// uncommitted estimates the bytes above the commit index. It is worked out anew each time, so that nothing can leak from it
// (etcd-io/raft a370b6f).
func (c *Core) uncommitted() uint64 { return c.log.sizes.between(c.commit, c.log.last) }
