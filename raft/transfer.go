package raft

// transferee is to whom leadership is being transferred, until when.
type transferee struct {
	to       NodeID
	deadline Monotonic
	// asked: the target was told. Until this transfer is over no lease is asked for: whoever promised one for a later round would refuse the
	// target its vote.
	asked bool
	// round is the one at the beginning.
	round uint64
	// preferred: the leader chose the target for its priority.
	preferred bool
}

// Transfer begins to hand leadership to a voter: once it has every entry it is told to start an election (Raft thesis §3.10).
// Until it does or declines, and for at most one ElectionTimeout, proposals fail with a *NotLeaderError that names it; then the leader takes
// them again. A later call replaces an earlier one; a transfer to this node ends one. It fails with a *NotLeaderError or with
// ErrNotVoter.
func (c *Core) Transfer(to NodeID) error {
	if c.role != Leader {
		return &NotLeaderError{Leader: c.leader}
	}
	if to == c.cfg.ID {
		c.transferee = transferee{}
		return nil
	}
	p := c.peer(to)
	if p == nil || !p.Voter {
		return ErrNotVoter
	}
	c.beginTransfer(p)
	return nil
}

func (c *Core) beginTransfer(p *peer) {
	c.stir()
	c.transferee = transferee{to: p.ID, deadline: c.now.Add(c.cfg.ElectionTimeout), round: c.round}
	c.handOverTo(p)
}

// handOverTo tells the target of a transfer to start an election, once it has every entry. It is told again with each answer that
// it gives, as a message can be lost.
func (c *Core) handOverTo(p *peer) {
	if c.role == Leader && c.transferee.to == p.ID && p.match == c.log.last {
		c.dropLease()
		c.transferee.asked = true
		c.send(Message{Type: MsgTransfer, To: p.ID, Round: c.round})
	}
}

// transferDeclined: the target of a transfer won't lead now, so there is nothing to wait for. Word of an earlier transfer, which was given up, says
// nothing of this one.
func (c *Core) transferDeclined(m *Message) {
	if c.role == Leader && c.transferee.to == m.From && c.transferee.asked && m.Round >= c.transferee.round {
		c.transferFailed()
	}
}

// Resign gives up leadership at once, whatever is in flight. The voter that has most of the log, and was heard from within an
// ElectionTimeout, is told to start an election; without one the others time out. Pending reads fail. The reason appears in
// Status. It fails with a *NotLeaderError.
func (c *Core) Resign(reason string) error {
	if c.role != Leader {
		return &NotLeaderError{Leader: c.leader}
	}
	c.handOver("resigned: " + reason)
	return nil
}

// handOver steps down in favour of the best voter.
func (c *Core) handOver(why string) {
	c.stir()
	if heir := c.heir(); heir != nil {
		c.send(Message{Type: MsgTransfer, To: heir.ID, Round: c.round})
	}
	c.becomeFollower(c.term, None, why)
}

// heir is the voter that was heard from lately and has most of the log, at least everything committed; among equals the one with
// the highest priority, then the lowest id.
func (c *Core) heir() *peer {
	var best *peer
	for _, p := range c.peers {
		if !p.Voter || p.match < c.commit || c.now.Sub(p.heard) > c.cfg.ElectionTimeout {
			continue
		}
		if best == nil || p.match > best.match || p.match == best.match && p.Priority > best.Priority {
			best = p
		}
	}
	return best
}
