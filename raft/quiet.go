package raft

// silence is how far a group is on its way to falling silent (Config.QuietAfter). A leader with nothing to do says so in its heartbeats,
// until every peer has said that it expects no more of them; then it sends none. The followers' timers stop as soon as they answer so.
// Whatever happens then, at the leader or at a follower, stirs the group again.
type silence struct {
	// quiet: at the leader, no heartbeats are sent; at a follower, none is waited for.
	quiet bool
	// idleSince is when something happened last.
	idleSince Monotonic
	// announced: the leader's heartbeats say that no more will follow, from round on.
	announced bool
	round     uint64
}

// Wake ends the silence of a quiet group (Config.QuietAfter): a leader sends heartbeats again, a follower asks its leader for a sign
// of life and looks for another if there is none. It changes nothing in a group that is awake. Any other call that gives a replica
// something to do wakes it, too.
func (c *Core) Wake() {
	asleep := c.silence.quiet
	c.stir()
	if asleep && c.role == Follower && c.leader != None {
		c.send(Message{Type: MsgWake, To: c.leader})
	}
}

// callForLeader asks all voters for a leader's sign of life: who may not ask for votes would wait for ever for the leader of a group that fell silent
// while this replica was out of reach. One that was removed meanwhile is told so.
func (c *Core) callForLeader() {
	if c.removed || c.term == 0 {
		return
	}
	for _, p := range c.peers {
		if p.votes() {
			c.send(Message{Type: MsgWake, To: p.ID})
		}
	}
}

// answerWake: whom it concerns is awake by now. The caller's term does not spread by this, as a caller may be no member.
func (c *Core) answerWake(m *Message) {
	if m.Term < c.term {
		c.answerOldTerm(m)
	}
	c.tellRemoved(m.From)
}

// stir notes that something happens. Silence that is broken says nothing about anybody: everyone counts as heard from just now.
func (c *Core) stir() {
	s := &c.silence
	s.idleSince, s.announced = c.now, false
	if !s.quiet {
		return
	}
	s.quiet = false
	if c.role != Leader {
		c.heard, c.heardAt = c.leader != None, c.now
		c.waitForLeader()
		return
	}
	for _, p := range c.peers {
		p.heard = c.now
	}
	c.beginRound()
}

// stirs says whether a message is more than what keeps a silent group silent.
func stirs(m *Message) bool {
	return !(m.Type == MsgHeartbeat && m.Quiet) && m.Type != MsgHeartbeatResp
}

// announceSilence says in heartbeats to come whether there is anything left to do.
func (c *Core) announceSilence() {
	s := &c.silence
	idle := c.cfg.QuietAfter > 0 && c.now.Sub(s.idleSince) >= c.cfg.QuietAfter && c.settled()
	if idle && !s.announced {
		s.round = c.round + 1
		for _, p := range c.peers {
			p.quiet = false
		}
	}
	s.announced = idle
	c.fallSilent()
}

// settled says that everybody has everything and knows it, and that nothing is under way.
func (c *Core) settled() bool {
	if c.commit != c.log.last || !c.reads.idle() || c.transferee.to != None || c.rank > 0 || c.stalled() {
		return false
	}
	for _, p := range c.peers {
		if p.state != Replicate || p.match != c.log.last || p.told < c.commit || c.now.Sub(p.heard) > c.cfg.ElectionTimeout {
			return false
		}
	}
	return true
}

// heardSilence takes a peer's word that it expects no more heartbeats.
func (c *Core) heardSilence(p *peer, m *Message) {
	if c.silence.announced && m.Round >= c.silence.round {
		p.quiet = true
		c.fallSilent()
	}
}

// fallSilent sends no more heartbeats once nobody expects them.
func (c *Core) fallSilent() {
	for _, p := range c.peers {
		if !p.quiet {
			return
		}
	}
	c.silence.quiet = c.silence.announced
}

// followSilence decides whether a follower waits for its leader's heartbeats any longer after one that says that there will be none:
// not if it has all that the leader has.
func (c *Core) followSilence(m *Message) bool {
	c.silence.quiet = m.Quiet && c.cfg.QuietAfter > 0 && c.installing == nil && c.commit == m.Commit && c.log.last == m.Commit && c.forwards.idle()
	return c.silence.quiet
}
