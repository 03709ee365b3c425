package raft

// forwards are the reads of a follower that wait for its leader.
type forwards struct {
	// waiting joins the next round.
	waiting []ReadID
	// rounds are under way, oldest first.
	rounds []forwardRound
	// counter numbers the rounds of this run; a number is never used again (etcd#20418).
	counter uint64
}

// forwardRound is a read round that the leader was asked for.
type forwardRound struct {
	id ReadID
	// since is when it was asked for first, sentAt when last, under a name of its own each time.
	since, sentAt Monotonic
	ids           []ReadID
}

func (f *forwards) idle() bool { return len(f.waiting) == 0 && len(f.rounds) == 0 }

func (f *forwards) count() int {
	n := len(f.waiting)
	for _, round := range f.rounds {
		n += len(round.ids)
	}
	return n
}

// ForwardRead asks for an index at which a linearizable read may be served on this replica, be it leader, follower or learner. A
// leader does as in ReadIndex; any other member has a read round made by the leader, one for all reads that arrive together.
// Output.Reads gives the index: serve the read here once it is applied. Output.ReadsFailed gives the id when the leader changes or
// does not answer a round within an ElectionTimeout. It fails with a *NotLeaderError when no leader is known or this node is not a
// member, or with ErrBusy when 65,536 reads wait.
// REQUIRES: id was never used before, by this process or another.
func (c *Core) ForwardRead(id ReadID) error {
	switch {
	case c.role == Leader:
		return c.ReadIndex(id)
	case c.leader == None || c.self.ID == None:
		return &NotLeaderError{Leader: c.leader}
	case c.forwards.count() >= maxReads:
		return ErrBusy
	}
	c.stir()
	c.forwards.waiting = append(c.forwards.waiting, id)
	return nil
}

// forwardWaitingReads asks the leader for a round for the reads that wait, unless enough are under way.
func (c *Core) forwardWaitingReads() {
	f := &c.forwards
	if len(f.waiting) == 0 || len(f.rounds) >= maxReadRounds {
		return
	}
	f.rounds = append(f.rounds, forwardRound{since: c.now, ids: f.waiting})
	f.waiting = nil
	c.askForRound(&f.rounds[len(f.rounds)-1])
}

// askForRound asks the leader for a round, or asks again under another name.
func (c *Core) askForRound(round *forwardRound) {
	c.forwards.counter++
	round.id, round.sentAt = ReadID{Boot: c.cfg.Boot, Counter: c.forwards.counter}, c.now
	c.send(Message{Type: MsgReadIndex, To: c.leader, Read: round.id})
}

// tickForwards asks again for what the leader has not answered, and gives up what it has not answered for long.
func (c *Core) tickForwards() {
	f := &c.forwards
	for len(f.rounds) > 0 && c.now.Sub(f.rounds[0].since) >= c.cfg.ElectionTimeout {
		c.endForward(0)
	}
	for i := range f.rounds {
		if c.now.Sub(f.rounds[i].sentAt) >= 2*c.cfg.HeartbeatInterval {
			c.askForRound(&f.rounds[i])
		}
	}
}

// endForward takes a round off, and gives up its reads unless they have been answered.
func (c *Core) endForward(i int) {
	f := &c.forwards
	c.out.ReadsFailed = append(c.out.ReadsFailed, f.rounds[i].ids...)
	last := len(f.rounds) - 1
	copy(f.rounds[i:], f.rounds[i+1:])
	f.rounds[last] = forwardRound{}
	f.rounds = f.rounds[:last]
}

// failForwards gives up every read that waits for a leader: it is none any more, or another.
func (c *Core) failForwards() {
	for len(c.forwards.rounds) > 0 {
		c.endForward(0)
	}
	c.out.ReadsFailed = append(c.out.ReadsFailed, c.forwards.waiting...)
	c.forwards.waiting = nil
}

// answerReadIndex has a read round made for a member. Who is no leader, and who asks for what is not a member, is told so at once.
func (c *Core) answerReadIndex(m *Message) {
	if c.role != Leader || c.peer(m.From) == nil || c.reads.count() >= maxReads {
		c.send(Message{Type: MsgReadIndexResp, To: m.From, Read: m.Read, Reject: true})
		return
	}
	c.reads.waiting = append(c.reads.waiting, pendingRead{id: m.Read, from: m.From})
}

// roundAnswered takes the leader's answer. One that was asked for by another name, by an earlier run of this replica say, is none.
func (c *Core) roundAnswered(m *Message) {
	for i, round := range c.forwards.rounds {
		if round.id != m.Read || m.From != c.leader {
			continue
		}
		if !m.Reject {
			for _, id := range round.ids {
				c.out.Reads = append(c.out.Reads, Read{ID: id, Index: m.Commit})
			}
			c.forwards.rounds[i].ids = nil
		}
		c.endForward(i)
		return
	}
}
