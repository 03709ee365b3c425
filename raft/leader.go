package raft

// becomeLeader opens the term with an entry of its own: older entries commit with it (Raft thesis §3.6.2, §6.4).
func (c *Core) becomeLeader() {
	c.assert(c.log.last >= c.commit, "law 3: a leader has every committed entry")
	c.assert(c.termLeader == None, "law 1: at most one leader per term")
	c.role, c.leader, c.termLeader, c.ownVote = Leader, c.cfg.ID, c.cfg.ID, noVote
	for _, p := range c.peers {
		c.meet(p)
	}
	c.termStart, c.round, c.leaseAfter, c.office.movedAt = c.log.last+1, 0, 0, c.now
	c.office.since = c.now
	c.stir()
	c.preference.tookOffice(c.now, c.cfg.PreferenceDelay)
	c.appendEntries([]Entry{{ID: EntryID{Index: c.termStart, Term: c.term}, Kind: KindEmpty, Size: RecordSize(0)}}, nil)
	c.beginRound()
}

// meet starts the leader's bookkeeping of a peer.
func (c *Core) meet(p *peer) {
	*p = peer{Member: p.Member, heard: c.now, movedAt: c.now, steadySince: c.now, leaseFrom: never, patience: c.cfg.ElectionTimeout / 2}
	p.probe(c.log.last+1, false)
}

// tickLeader does what a leader does in time.
func (c *Core) tickLeader() {
	if c.now >= c.pardon && c.now.Sub(c.lastQuorumContact()) > c.cfg.ElectionTimeout {
		c.becomeFollower(c.term, None, "no contact with a quorum")
		return
	}
	if c.deadlocked() {
		c.giveUp()
		return
	}
	if c.stalled() {
		c.relieve()
	}
	if c.transferee.to != None && c.now >= c.transferee.deadline {
		c.transferFailed()
	}
	if c.rank > 0 && !c.stalled() {
		c.prefer()
	}
	if c.announceSilence(); c.silence.quiet {
		return
	}
	if c.now >= c.heartbeatDue {
		c.beginRound()
		return
	}
	for _, p := range c.peers {
		if min(c.commit, p.match) > p.told {
			c.heartbeat(p)
		}
	}
}

// lastQuorumContact is when a quorum had answered last.
func (c *Core) lastQuorumContact() Monotonic {
	return c.reachedAt(c.now, func(p *peer) Monotonic { return p.heard })
}
