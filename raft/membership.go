package raft

// ProposeConfiguration appends a configuration, which takes effect at once, before it is committed (Raft thesis §4.1). It must be
// adjacent to the one in force: at most one voter added or removed, or a joint configuration whose outgoing half is the voters in
// force, or, from a joint one, its incoming voters. It fails, having done nothing, with a *NotLeaderError, with
// ErrConfigurationPending until the configuration in force and an entry of the own term are committed, or with what is wrong with
// the configuration. The core keeps a copy.
func (c *Core) ProposeConfiguration(to Configuration) error {
	if err := c.mayPropose(); err != nil {
		return err
	}
	inForce := c.inForce()
	if c.commit < c.termStart || inForce.ID.Index > c.commit {
		return ErrConfigurationPending
	}
	if err := transition(inForce.Configuration, to); err != nil {
		return err
	}
	to = to.Clone()
	body := AppendConfiguration(nil, to)
	e := Entry{ID: EntryID{Index: c.log.last + 1, Term: c.term}, Kind: KindConfig, Size: RecordSize(len(body)), Body: body}
	c.appendEntries([]Entry{e}, []Configuration{to})
	c.advanceCommit()
	return nil
}

// inForce is the last configuration in the log, committed or not.
func (c *Core) inForce() *ConfigurationEntry { return &c.configurations[len(c.configurations)-1] }

// undoConfigurationsFrom returns to the configuration before those that were truncated.
func (c *Core) undoConfigurationsFrom(from Index) {
	n := len(c.configurations)
	for n > 1 && c.configurations[n-1].ID.Index >= from {
		n--
	}
	if n < len(c.configurations) {
		clear(c.configurations[n:])
		c.configurations = c.configurations[:n]
		c.configurationInForceChanged()
	}
}

// configurationInForceChanged works out who the members are. What is known of peers that stay is kept.
func (c *Core) configurationInForceChanged() {
	config := c.inForce().Configuration
	c.configurationChanged = true
	c.self, _ = config.Member(c.cfg.ID)
	c.rank = 0
	peers := make([]*peer, 0, len(config.Members))
	for _, m := range config.Members {
		if m.Voter && m.Priority > c.self.Priority {
			c.rank++
		}
		if m.ID == c.cfg.ID {
			continue
		}
		p := c.peer(m.ID)
		if p == nil {
			p = &peer{Member: m}
			if c.role == Leader {
				c.meet(p)
			}
		}
		p.Member = m
		peers = append(peers, p)
	}
	c.peers = peers
}
