package raft

// ChangeMembers makes one configuration of all the changes and appends it; it takes effect at once, before it is committed (Raft
// thesis §4.1). One vote more or less goes directly. Anything more goes through a joint configuration, which the leader, whichever
// it is by then, leaves by itself once it is committed. It gives the entry appended: the change is complete when a configuration
// that isn't joint, of that entry or a later one, is committed (Output.Configuration, Output.Commit), and may be lost if the entry
// is truncated.
//
// seen, unless nil, is an entry: the changes are made only if the configuration that was in force there still is (a
// *ConfigurationChangedError if not). An operator who names the ConfigurationEntry.ID that was on the screen can't have a request
// take effect twice.
//
// It fails, having done nothing, with a *NotLeaderError, ErrConfigurationPending, a *ConfigurationChangedError, a *ChangeError,
// ErrNoVoterLeft, ErrUnchanged when all is so already, or what Configuration.Validate says of the outcome. A leader that
// loses its vote steps down when that is committed. The core keeps nothing of changes.
func (c *Core) ChangeMembers(changes []MemberChange, seen *EntryID) (EntryID, error) {
	if err := c.MayReconfigure(); err != nil {
		return EntryID{}, err
	}
	inForce := c.inForce()
	if seen != nil && (seen.Index < inForce.ID.Index || seen.Index >= c.log.base.Index && !c.log.has(*seen)) {
		return EntryID{}, &ConfigurationChangedError{Seen: *seen, InForce: inForce.ID}
	}
	from, err := inForce.Configuration.named(changes)
	if err != nil {
		return EntryID{}, err
	}
	to, err := from.changed(changes)
	if err != nil {
		return EntryID{}, err
	}
	if to.Equal(inForce.Configuration) {
		return EntryID{}, ErrUnchanged
	}
	next := from.towards(to)
	if err := next.Validate(); err != nil {
		return EntryID{}, err // with those that leave it may be too large
	}
	return c.appendConfiguration(next), nil
}

// MayReconfigure says whether a configuration may be appended now: only once the one in force, and an entry of the own term, are
// committed (raft-dev, 10 July 2015), and none after a joint one but what leaves it. Otherwise the error is a *NotLeaderError, ErrConfigurationPending,
// or whatever Propose would give. Whoever decides something by who the members are asks it, too: a nil says that they can't be others than
// Configuration has.
func (c *Core) MayReconfigure() error {
	if err := c.mayPropose(); err != nil {
		return err
	}
	if inForce := c.inForce(); c.commit < c.termStart || inForce.ID.Index > c.commit || inForce.Configuration.Joint {
		return ErrConfigurationPending
	}
	return nil
}

// appendConfiguration puts a configuration into force.
func (c *Core) appendConfiguration(to Configuration) EntryID {
	c.assert(to.Validate() == nil && to.follows(c.inForce().Configuration), "law 7: quorums of adjacent configurations intersect")
	body := AppendConfiguration(nil, to)
	e := Entry{ID: EntryID{Index: c.log.last + 1, Term: c.term}, Kind: KindConfig, Size: RecordSize(len(body)), Body: body}
	c.appendEntries([]Entry{e}, []Configuration{to})
	c.advanceCommit()
	return e.ID
}

// reconfigure takes the steps that are a leader's own. It leaves a joint configuration once that is committed, never before
// (camunda#60086), and since what leaves it is in force from then on, there is never a second attempt in flight (etcd-io/raft
// bd3c759). And it promotes a learner that asked for it once that has caught up.
func (c *Core) reconfigure() {
	inForce := c.inForce().Configuration
	if c.commit < c.termStart || c.inForce().ID.Index > c.commit || c.transferee.to != None {
		return
	}
	if inForce.Joint {
		c.appendConfiguration(inForce.left())
		return
	}
	for _, p := range c.peers {
		if p.Promote && c.caughtUp(p) {
			to, err := inForce.changed([]MemberChange{{Kind: PromoteMember, ID: p.ID}})
			c.assert(err == nil, "a learner can be promoted")
			c.appendConfiguration(inForce.towards(to))
			return
		}
	}
}

// caughtUp says that a peer lacks no more of the log than one append may name, and answered within an ElectionTimeout.
func (c *Core) caughtUp(p *peer) bool {
	return p.state == Replicate && c.now.Sub(p.heard) <= c.cfg.ElectionTimeout && p.match >= c.log.base.Index &&
		c.log.sizes.between(p.match, c.log.last) <= c.cfg.MaxAppendBytes
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
	rank := c.rank
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
	if rank == 0 {
		for _, p := range peers {
			p.steadySince = c.now // nobody looked before
		}
	}
}
