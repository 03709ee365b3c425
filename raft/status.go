package raft

// Status is a core's state for people to look at. It shares nothing with the core.
type Status struct {
	ID     NodeID
	Role   Role
	Leader NodeID
	State  HardState
	Base   EntryID
	Last   EntryID
	// Synced is the last entry of this replica known to be durable.
	Synced  Index
	Commit  Index
	Applied Index
	// TermStart is the first entry of the leader's term; 0 unless Role is Leader.
	TermStart Index
	// Uncommitted is the estimated number of bytes above the commit index.
	Uncommitted   uint64
	Configuration ConfigurationEntry
	// Transfer is to whom leadership is being transferred, or None.
	Transfer NodeID
	// Installing is the base of the image being installed; zero when none is.
	Installing EntryID
	// Reads is the number of reads that wait for a round, here or at the leader.
	Reads int
	// StepDown says why this replica last gave up leadership; empty if it never did.
	StepDown string
	// Stalled: the replica's disk does not keep up, as it was told by DiskStalled or saw for itself.
	Stalled bool
	// Quiet and Removed are as in Output.
	Quiet, Removed bool
	// LeaseUntil is until when, by the clock of Tick, LeaseRead serves reads if no further heartbeat is answered; long past without
	// a lease.
	LeaseUntil Monotonic
	// Peers has what a leader knows of each other member, sorted by id; nil unless Role is Leader.
	Peers []PeerStatus
}

// PeerStatus is what a leader knows of a peer.
type PeerStatus struct {
	ID    NodeID
	State ProgressState
	// Match is the last entry known to be durable at the peer, Next the first one not sent to it.
	Match, Next Index
	// InflightMessages and InflightBytes were sent and not acknowledged.
	InflightMessages int
	InflightBytes    uint64
	// Heard is when the peer last answered, by the clock of Tick.
	Heard Monotonic
}

// Configuration is the one in force, with the entry that carries it. Nobody changes its members.
func (c *Core) Configuration() ConfigurationEntry { return *c.inForce() }

// Status describes the core.
func (c *Core) Status() Status {
	s := Status{
		ID: c.cfg.ID, Role: c.publicRole(), Leader: c.leader, State: HardState{Term: c.term, Vote: c.vote},
		Base: c.log.base, Last: c.log.lastID(), Synced: c.synced, Commit: c.commit, Applied: c.applied,
		Uncommitted: c.uncommitted(), Configuration: *c.inForce(), Transfer: c.transferee.to, Reads: c.reads.count() + c.forwards.count(), StepDown: c.stepDown, Stalled: c.stalled(), Quiet: c.silence.quiet, Removed: c.removed, LeaseUntil: c.leaseUntil(),
	}
	s.Configuration.Configuration = s.Configuration.Configuration.Clone()
	if c.installing != nil {
		s.Installing = c.installing.ID
	}
	if c.role != Leader {
		return s
	}
	s.TermStart = c.termStart
	s.Peers = make([]PeerStatus, 0, len(c.peers))
	for _, p := range c.peers {
		s.Peers = append(s.Peers, PeerStatus{ID: p.ID, State: p.state, Match: p.match, Next: p.next,
			InflightMessages: len(p.flight.sent), InflightBytes: p.flight.bytes, Heard: p.heard})
	}
	return s
}
