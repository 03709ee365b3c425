package raft

const (
	// maxReads bounds the reads that wait.
	maxReads = 1 << 16
	// maxReadRounds bounds the rounds under way that reads wait for; later reads gather for the next.
	maxReadRounds = 4
)

// reads are those that a leader has not answered yet.
type reads struct {
	// waiting joins the next round.
	waiting []pendingRead
	// rounds are under way, oldest first.
	rounds []readRound
}

// readRound is a heartbeat round and the reads that arrived before it began. index is the commit index when it began.
type readRound struct {
	round uint64
	index Index
	reads []pendingRead
}

// pendingRead is a read of this node's own, or a round that a follower asked for.
type pendingRead struct {
	id   ReadID
	from NodeID
}

func (r *reads) idle() bool { return len(r.waiting) == 0 && len(r.rounds) == 0 }

func (r *reads) count() int {
	n := len(r.waiting)
	for _, round := range r.rounds {
		n += len(round.reads)
	}
	return n
}

// ReadIndex asks for an index at which a linearizable read may be served (Raft thesis §6.4): Output.Reads gives it once a quorum
// has answered a heartbeat round that began after this call, or Output.ReadsFailed the id if leadership is lost before. Reads
// that arrive together share a round. Before an entry of the leader's term is committed a read waits for that. It fails with a
// *NotLeaderError, or with ErrBusy when 65,536 reads wait.
// REQUIRES: id was never used before, by this process or another.
func (c *Core) ReadIndex(id ReadID) error {
	if c.role != Leader {
		return &NotLeaderError{Leader: c.leader}
	}
	if c.reads.count() >= maxReads {
		return ErrBusy
	}
	c.stir()
	c.reads.waiting = append(c.reads.waiting, pendingRead{id: id})
	return nil
}

// startWaitingReads begins a round for the reads that wait, unless enough are under way.
func (c *Core) startWaitingReads() {
	if len(c.reads.waiting) > 0 && c.commit >= c.termStart && len(c.reads.rounds) < maxReadRounds {
		c.beginRound()
	}
}

// beginRound sends a heartbeat to every peer. Reads that wait join it, if they may be served in this term already.
func (c *Core) beginRound() {
	c.round++
	c.heartbeatDue = c.now.Add(c.cfg.HeartbeatInterval)
	if r := &c.reads; len(r.waiting) > 0 && c.commit >= c.termStart {
		r.rounds = append(r.rounds, readRound{round: c.round, index: c.commit, reads: r.waiting})
		r.waiting = nil
	}
	for _, p := range c.peers {
		c.heartbeat(p)
	}
	c.confirmReads()
}

// heartbeat sends a heartbeat of the latest round. The commit index in it is never above what the peer is known to hold.
func (c *Core) heartbeat(p *peer) {
	commit := min(c.commit, p.match)
	p.told = max(p.told, commit)
	lease := c.cfg.LeaseDuration
	if c.transferee.asked {
		lease = 0
	}
	c.send(Message{Type: MsgHeartbeat, To: p.ID, Commit: commit, Round: c.round, SentAt: c.now, Lease: lease, Quiet: c.silence.announced})
}

// confirmReads serves the reads of every round that a quorum has answered. An answer to a later round is one to the earlier
// ones too: it was given after they began.
func (c *Core) confirmReads() {
	r := &c.reads
	if len(r.rounds) == 0 {
		return
	}
	confirmed := c.reached(c.round, func(p *peer) uint64 { return p.round })
	n := 0
	for n < len(r.rounds) && r.rounds[n].round <= confirmed {
		for _, read := range r.rounds[n].reads {
			if read.from == None {
				c.out.Reads = append(c.out.Reads, Read{ID: read.id, Index: r.rounds[n].index})
				continue
			}
			c.send(Message{Type: MsgReadIndexResp, To: read.from, Read: read.id, Commit: r.rounds[n].index})
		}
		n++
	}
	rest := copy(r.rounds, r.rounds[n:])
	clear(r.rounds[rest:])
	r.rounds = r.rounds[:rest]
}

// failReads gives up every read: who was leader can't say any more what is the latest.
func (c *Core) failReads() {
	for _, round := range append(c.reads.rounds, readRound{reads: c.reads.waiting}) {
		for _, read := range round.reads {
			if read.from == None {
				c.out.ReadsFailed = append(c.out.ReadsFailed, read.id)
				continue
			}
			c.send(Message{Type: MsgReadIndexResp, To: read.from, Read: read.id, Reject: true})
		}
	}
	c.reads = reads{}
}
