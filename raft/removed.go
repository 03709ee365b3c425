package raft

// committedConfiguration is the last configuration known to be committed.
func (c *Core) committedConfiguration() *ConfigurationEntry {
	n := len(c.configurations) - 1
	for n > 0 && c.configurations[n].ID.Index > c.commit {
		n--
	}
	return &c.configurations[n]
}

// tellRemoved tells a node that it is no member, if the last committed entry leaves it so and no configuration that is on its way says
// otherwise. Whoever was removed while it was away could not know, and would ask for votes for ever.
func (c *Core) tellRemoved(id NodeID) {
	committed := c.committedConfiguration().Configuration
	_, was := committed.Member(id)
	_, is := c.inForce().Configuration.Member(id)
	if !was && !is && len(committed.Members) > 0 {
		c.send(Message{Type: MsgRemoved, To: id, Last: c.log.id(c.commit)})
	}
}

// tellThoseRemoved tells, when the configuration in force is committed, those that the one before it still had. It is told once; whoever
// does not hear it hears it when it asks for votes.
func (c *Core) tellThoseRemoved() {
	n := len(c.configurations)
	if n < 2 {
		return
	}
	for _, m := range c.configurations[n-2].Configuration.Members {
		if _, stays := c.inForce().Configuration.Member(m.ID); !stays && m.ID != c.cfg.ID {
			c.tellRemoved(m.ID)
		}
	}
}

// hearRemoved: as of the committed entry m.Last this node is no member. It may have been added again since, and not have heard of that: then
// the leader speaks to it sooner or later, and all is as before. Until then it asks nobody for votes.
//
// Its own log knows better if the configuration in force there is newer. Newer goes by term first: one of an earlier term than that
// of a committed entry, however far on, lies before that entry in every log that has both, and will be truncated in this one if it has not.
// Where it is older, nothing is lost by silence: either the log holds m.Last, and so says itself that this node is no member, or it lacks
// what is committed, and can't win.
func (c *Core) hearRemoved(m *Message) {
	if inForce := c.inForce().ID; m.Last.Less(inForce) || m.Last == inForce && c.self.ID != None {
		return
	}
	c.removed = true
	c.becomeFollower(c.term, None, "removed from the group")
}
