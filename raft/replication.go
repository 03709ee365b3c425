package raft

import "slices"

// Propose appends a batch to the leader's log and assigns the entries' IDs in place; everything else in them is the caller's to
// set: Kind, Size, and Body, which goes out again in Output.Append. Configurations go through ChangeMembers. The batch is
// copied, bodies apart. It fails, having done nothing, with a *NotLeaderError (which names the target while leadership is being
// transferred), or with ErrBusy when MaxUncommittedBytes would be exceeded by an estimate; a batch is always accepted when
// nothing is uncommitted.
func (c *Core) Propose(batch []Entry) error {
	if err := c.mayPropose(); err != nil {
		return err
	}
	var bytes uint64
	for i := range batch {
		e := &batch[i]
		if e.Kind == KindConfig || e.Kind == 0 || e.Size < RecordHeaderSize {
			return &EntryError{Position: i, Kind: e.Kind, Size: e.Size}
		}
		bytes += uint64(e.Size)
	}
	if before := c.uncommitted(); before > 0 && before+bytes > c.cfg.MaxUncommittedBytes {
		return ErrBusy
	}
	for i := range batch {
		batch[i].ID = EntryID{Index: c.log.last + 1 + Index(i), Term: c.term}
	}
	c.appendEntries(batch, nil)
	return nil
}

func (c *Core) mayPropose() error {
	if c.role != Leader {
		return &NotLeaderError{Leader: c.leader}
	}
	if c.transferee.to != None {
		return &NotLeaderError{Leader: c.transferee.to}
	}
	return nil
}

// replicateTo sends a peer what it may be sent now.
func (c *Core) replicateTo(p *peer) {
	switch p.state {
	case Probe:
		if p.probing {
			return
		}
		if p.next <= c.log.base.Index {
			c.askForImage(p)
			return
		}
		prev := c.log.id(p.next - 1)
		p.probing = true
		c.sendAppend(p, prev, prev)
	case Replicate:
		for p.next <= c.log.last && !p.flight.full(&c.cfg) {
			if p.next <= c.log.base.Index {
				c.askForImage(p)
				return
			}
			prev := p.next - 1
			last := c.log.sizes.fit(prev, c.cfg.MaxAppendBytes)
			if len(p.flight.sent) == 0 {
				p.movedAt = c.now
			}
			p.flight.add(last, c.log.sizes.between(prev, last))
			p.next = last + 1
			c.sendAppend(p, c.log.id(prev), c.log.id(last))
		}
	}
}

func (c *Core) sendAppend(p *peer, prev, last EntryID) {
	commit := min(c.commit, last.Index)
	p.told = max(p.told, commit)
	c.send(Message{Type: MsgAppend, To: p.ID, Prev: prev, Last: last, Commit: commit})
}

// hearPeer takes an answer to an append or a heartbeat in the present term.
func (c *Core) hearPeer(m *Message) error {
	p := c.peer(m.From)
	if c.role != Leader || p == nil {
		return nil // of a term, or a configuration, that was ours
	}
	switch {
	case m.Type == MsgHeartbeatResp:
		return c.heartbeatAnswered(p, m)
	case m.Reject:
		p.heard = c.now
		c.appendRefused(p, m)
		return nil
	}
	return c.appendAccepted(p, m)
}

// appendAccepted: the peer holds the log up to m.Last, durably.
func (c *Core) appendAccepted(p *peer, m *Message) error {
	if m.Last.Index > c.log.last || m.Last.Index >= c.log.base.Index && !c.log.has(m.Last) {
		return protocolError(m, "it acknowledges %s, which is not in the log that ends with %s", m.Last, c.log.lastID())
	}
	p.heard = c.now
	if m.Last.Index > p.match {
		p.match, p.movedAt, p.patience = m.Last.Index, c.now, c.cfg.ElectionTimeout/2
		p.flight.arrived(p.match)
		p.next = max(p.next, p.match+1)
	}
	if p.state == Probe || p.state == Image && p.match >= c.log.base.Index {
		p.replicate()
	}
	c.advanceCommit()
	c.handOverTo(p)
	return nil
}

// appendRefused: the peer does not have m.Prev. It gave a hint of what it shares.
func (c *Core) appendRefused(p *peer, m *Message) {
	stale := m.Prev.Index <= p.match || p.state == Image || p.state == Probe && m.Prev.Index != p.next-1
	if stale || m.Prev.Index > c.log.last {
		return
	}
	p.probe(c.shared(p, m.Hint, m.Prev.Index-1)+1, false)
}

// shared is the last entry at or below both limit and hint of which, by the hint, the peer may hold the same one: its own log has
// nothing of a term up to hint's above it. Below the base the leader can't tell, and the answer is below the base.
func (c *Core) shared(p *peer, hint EntryID, limit Index) Index {
	i := min(hint.Index, limit)
	if i < c.log.base.Index {
		return max(i, p.match)
	}
	id, ok := c.log.atMost(i, hint.Term)
	if !ok {
		return max(min(i, max(c.log.base.Index, 1)-1), p.match)
	}
	return max(id.Index, p.match)
}

// heartbeatAnswered confirms rounds, and looks whether anything got lost on the way.
func (c *Core) heartbeatAnswered(p *peer, m *Message) error {
	if m.Round > c.round {
		return protocolError(m, "it answers round %d; the latest is %d", m.Round, c.round)
	}
	p.heard = c.now
	if m.Round > p.round {
		p.round = m.Round
		c.confirmReads()
	}
	if m.Lease > 0 {
		c.promised(p, m)
	}
	if m.Quiet {
		c.heardSilence(p, m)
	}
	if m.Last.Index != p.seen {
		p.seen, p.movedAt = m.Last.Index, c.now
	}
	switch {
	case p.state == Probe:
		p.probing = false
	case p.state == Replicate && len(p.flight.sent) > 0 && c.now.Sub(p.movedAt) >= p.patience:
		// Nothing moved for long: an append or its answer was lost. A probe without entries is cheap if it was not, and each
		// in vain makes the next one come later.
		p.movedAt, p.patience = c.now, min(2*p.patience, 16*c.cfg.ElectionTimeout)
		p.probe(c.shared(p, m.Last, c.log.last)+1, false)
	}
	c.handOverTo(p)
	return nil
}

// peer finds a member other than this node; nil when there is none of that id.
func (c *Core) peer(id NodeID) *peer {
	i, ok := slices.BinarySearchFunc(c.peers, id, func(p *peer, id NodeID) int {
		switch {
		case p.ID < id:
			return -1
		case p.ID > id:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return c.peers[i]
}
