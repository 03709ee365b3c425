package raft

// committedConfiguration is the last configuration known to be committed.
func (c *Core) committedConfiguration() *ConfigurationEntry {
	n := len(c.configurations) - 1
	for n > 0 && c.configurations[n].ID.Index > c.commit {
		n--
	}
	return &c.configurations[n]
}

// tellRemoved tells a node that it is no member, if a committed configuration says so and none that is on its way says otherwise.
// Whoever was removed while it was away could not know, and would ask for votes for ever.
func (c *Core) tellRemoved(id NodeID) {
	committed := c.committedConfiguration()
	_, was := committed.Configuration.Member(id)
	_, is := c.inForce().Configuration.Member(id)
	if !was && !is && len(committed.Configuration.Members) > 0 {
		c.send(Message{Type: MsgRemoved, To: id, Last: committed.ID})
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

// hearRemoved: a committed configuration leaves this node out. It may have been added again since, and not have heard of that: then
// the leader speaks to it sooner or later, and all is as before. Until then it asks nobody for votes.
func (c *Core) hearRemoved(m *Message) {
	if m.Last.Index <= c.inForce().ID.Index {
		return // its own log knows better
	}
	c.removed = true
	c.becomeFollower(c.term, None, "removed from the group")
}
