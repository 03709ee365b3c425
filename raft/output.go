package raft

// Output is what a core wants done. The caller owns everything in it.
type Output struct {
	// Seq rises by one with each output; it is what Synced refers to.
	Seq uint64
	// State is the hard state to persist; nil when it did not change.
	State *HardState
	// Truncate, when not 0: first remove the entries from this index on …
	Truncate Index
	// … then append these.
	Append []Entry
	// Send may leave at once: a leader's appends, heartbeats and their answers.
	Send []Message
	// SendSynced may leave only after this output and all before it are durable: vote requests, every vote and append
	// response.
	SendSynced []Message
	// Commit is the commit index. It never goes back.
	Commit Index
	// Reads may be served once their index is applied. ReadsFailed will not be: leadership was lost.
	Reads       []Read
	ReadsFailed []ReadID
	// Install, when not nil: replace the whole log by this image, after what else this output asks for, then call Installed.
	// Until then the core accepts no entries.
	Install *ImageMeta
	Role    Role
	Leader  NodeID
	Term    Term
	// TermStart is the leader's first entry of its term: once it is applied, so is every entry of earlier leaders. 0 unless
	// Role is Leader.
	TermStart Index
	// Quiet: the group has fallen silent, see Config.QuietAfter. Whoever takes such an output of a follower while it holds the Leader's
	// node for dead calls Unreachable at once.
	Quiet bool
	// Removed: a committed configuration leaves this node out, and no leader has been heard of since that was learned.
	Removed bool
	// Configuration is the one in force, with the entry that carries it, or, where that is not in the log any more, with an
	// entry at or below the base. Changed says that it is not that of the previous output. Nobody changes its members.
	Configuration        ConfigurationEntry
	ConfigurationChanged bool
}

// standing is what every output states; an output is due when it changes.
type standing struct {
	commit    Index
	role      Role
	leader    NodeID
	term      Term
	termStart Index
	quiet     bool
	removed   bool
}

func (c *Core) standing() standing {
	s := standing{commit: c.commit, role: c.publicRole(), leader: c.leader, term: c.term, quiet: c.silence.quiet, removed: c.removed}
	if c.role == Leader {
		s.termStart = c.termStart
	}
	return s
}

// publicRole tells learners (and nodes that are no members) from followers.
func (c *Core) publicRole() Role {
	if c.role == Follower && !c.self.votes() {
		return Learner
	}
	return c.role
}

// HasOutput says whether Output has anything to do or to say.
func (c *Core) HasOutput() bool {
	c.prepare()
	o := &c.out
	return c.stateChanged || c.configurationChanged || o.Truncate != 0 || len(o.Append) > 0 || len(o.Send) > 0 ||
		len(o.SendSynced) > 0 || len(o.Reads) > 0 || len(o.ReadsFailed) > 0 || o.Install != nil || c.standing() != c.said
}

// Output takes everything that came about since the last call. The caller must carry out every output, in order, and call Synced
// once what it persists is durable.
func (c *Core) Output() Output {
	c.prepare()
	c.checkInvariants()
	o := c.out
	c.out = Output{}
	c.seq++
	o.Seq = c.seq
	if c.stateChanged {
		o.State = &HardState{Term: c.term, Vote: c.vote}
	}
	if o.State != nil || o.Truncate != 0 || len(o.Append) > 0 {
		c.disk.owes(c.seq, c.now)
	}
	if o.Truncate != 0 || len(o.Append) > 0 {
		c.unsynced = append(c.unsynced, syncPoint{seq: c.seq, last: c.log.last})
	}
	if c.ownVote == voteCast {
		c.ownVote, c.ownVoteSeq = voteOut, c.seq
	}
	c.said = c.standing()
	o.Commit, o.Role, o.Leader, o.Term, o.TermStart = c.said.commit, c.said.role, c.said.leader, c.said.term, c.said.termStart
	o.Quiet, o.Removed = c.said.quiet, c.said.removed
	o.Configuration, o.ConfigurationChanged = *c.inForce(), c.configurationChanged
	c.stateChanged, c.configurationChanged = false, false
	c.handed = c.log.last
	return o
}

// prepare makes what is left until an output is taken, so that it is made once for everything that happened since the last:
// a leader's configurations, appends and read rounds, and what a follower asks its leader for.
func (c *Core) prepare() {
	if c.role != Leader {
		c.forwardWaitingReads()
		return
	}
	c.reconfigure()
	c.startWaitingReads()
	for _, p := range c.peers {
		c.replicateTo(p)
	}
}

// send puts a message into the list it belongs to (law 5): whatever asks for a vote, gives one or acknowledges entries must
// not overtake the durability of what it says.
func (c *Core) send(m Message) {
	m.From = c.cfg.ID
	if m.Term == 0 {
		m.Term = c.term
	}
	switch m.Type {
	case MsgPreVote, MsgPreVoteResp, MsgVote, MsgVoteResp, MsgAppendResp:
		c.out.SendSynced = append(c.out.SendSynced, m)
	default:
		if c.out.Send == nil {
			c.out.Send = make([]Message, 0, 2*len(c.peers)+1)
		}
		c.out.Send = append(c.out.Send, m)
	}
}

// appendEntries appends to the log and to the output; configurations take effect at once.
// REQUIRES: the entries follow the log's last one, and configs holds the decoded bodies of the KindConfig ones.
func (c *Core) appendEntries(entries []Entry, configs []Configuration) {
	c.stir()
	if c.commit == c.log.last {
		c.office.movedAt = c.now
	}
	for i := range entries {
		e := &entries[i]
		c.assert(e.ID.Index == c.log.last+1 && e.ID.Term >= c.log.lastTerm() && e.ID.Term <= c.term, "the log grows by its next entry, in ascending terms")
		c.log.append(e.ID, e.Size)
		if e.Kind == KindConfig {
			c.configurations = append(c.configurations, ConfigurationEntry{ID: e.ID, Configuration: configs[0]})
			configs = configs[1:]
			c.configurationInForceChanged()
		}
	}
	c.out.Append = append(c.out.Append, entries...)
}

// truncate removes the entries [from, …) because they conflict with the leader's.
func (c *Core) truncate(from Index) {
	c.assert(from > c.commit, "law 2: a committed entry is never removed")
	c.log.truncate(from)
	kept := 0
	for kept < len(c.out.Append) && c.out.Append[kept].ID.Index < from {
		kept++
	}
	clear(c.out.Append[kept:])
	c.out.Append = c.out.Append[:kept]
	if from <= c.handed {
		c.out.Truncate, c.handed = from, from-1
	}
	c.forgetSyncsFrom(from)
	c.undoConfigurationsFrom(from)
}

// assert panics with the core's state when an invariant is broken.
func (c *Core) assert(holds bool, invariant string) {
	if !holds {
		c.broken(invariant)
	}
}
