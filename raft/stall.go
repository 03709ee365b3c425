package raft

import "time"

// disk is what the core sees of this replica's disk, by the time between outputs and their Synced.
type disk struct {
	// told: the caller says that it stalls.
	told bool
	// owed is the latest output with something to persist, synced the latest one that is durable.
	owed, synced uint64
	// movedAt is when something became durable last, or, if that was longer ago, when the first output since was taken.
	movedAt Monotonic
}

// office is how a leader fares, apart from its peers.
type office struct {
	// movedAt is when the commit index rose last, or, if that was longer ago, when the first entry since was appended.
	movedAt Monotonic
	// patience is how long it may stand still; it doubles from office to office while nothing is committed at all.
	patience time.Duration
	// since is when it began, or the last attempt to hand it to a preferred voter.
	since Monotonic
	// relieveAt is when a leader whose disk stalls, or has lost an entry, looks for a successor again.
	relieveAt Monotonic
}

// DiskStalled tells the core that this replica's disk does not keep up, or does again. A leader then hands leadership over to the
// voter that has most of the log, and a replica that is stalled takes no leadership from another's hands and asks for elections an
// ElectionTimeout later than it would. The core also sees for itself that nothing has become durable for a StallTimeout; it forgets
// what it saw when something does.
func (c *Core) DiskStalled(stalled bool) {
	if stalled != c.disk.told {
		c.disk.told = stalled
		c.stir()
	}
}

// stalled says whether the own disk does not keep up. A process that was paused is not judged by that.
func (c *Core) stalled() bool {
	return c.disk.told || c.disk.owed > c.disk.synced && c.now >= c.pardon && c.now.Sub(c.disk.movedAt) >= c.cfg.StallTimeout
}

// owes notes that the output just taken has something to persist.
func (d *disk) owes(seq uint64, now Monotonic) {
	if d.owed <= d.synced {
		d.movedAt = now
	}
	d.owed = seq
}

// paid notes that outputs became durable.
func (d *disk) paid(seq uint64, now Monotonic) {
	if seq > d.synced {
		d.synced, d.movedAt = seq, now
	}
}

// deadlocked says that nothing has been committed for too long although there is something to commit, while, maybe, heartbeats still
// pass. A sole voter has nobody to leave it to.
func (c *Core) deadlocked() bool {
	return c.commit < c.log.last && c.now >= c.pardon && c.now.Sub(c.office.movedAt) >= c.office.patience && !c.alone()
}

// giveUp steps down for want of commits, and leaves the next election to others.
func (c *Core) giveUp() {
	c.office.patience = min(2*c.office.patience, 8*c.cfg.CommitTimeout)
	c.handOver("nothing could be committed")
	c.deadline = c.deadline.Add(c.cfg.ElectionTimeout)
}

// Unreadable says that an entry which the peer needs next can't be read here: the disk has lost it. It does for one that leads no more, too. Another
// voter that is up to date may well have the entry, so leadership is handed to one, as by Transfer, and not again before that has had its time. Where
// nobody takes it, the peer is to be sent an image if there is one that ends at or above the entry; otherwise it is probed again, as after
// Unreachable, and the leader goes on with the others.
func (c *Core) Unreadable(to NodeID, image bool) {
	p := c.peer(to)
	if c.role != Leader || p == nil || p.state == Image {
		return
	}
	c.stir()
	p.probe(p.match+1, true)
	heir := c.heir()
	switch {
	case c.transferee.to != None:
	case heir != nil && heir != p && c.now >= c.office.relieveAt:
		c.office.relieveAt = c.now.Add(c.cfg.ElectionTimeout + c.cfg.StallTimeout)
		c.beginTransfer(heir)
	case image && !c.cfg.LogOnly:
		c.askForImage(p)
	}
}

// relieve hands leadership to a voter whose disk does better than the own one.
func (c *Core) relieve() {
	if c.transferee.to != None || c.now < c.office.relieveAt {
		return
	}
	heir := c.heir()
	if heir == nil || heir.match <= c.synced && c.synced < c.log.last {
		return
	}
	c.office.relieveAt = c.now.Add(c.cfg.ElectionTimeout + c.cfg.StallTimeout)
	c.beginTransfer(heir)
}
