package raft

import "time"

// maxPreference is how often the wait before a hand-over to a preferred voter doubles.
const maxPreference = 64

// preference is what a replica remembers of leadership that it gave to a preferred voter, from one office to the next.
type preference struct {
	// delay is how long to be in office before the next attempt; it doubles when an attempt fails or does not last.
	delay time.Duration
	// at is when leadership was given away last; given says that it ever was.
	at    Monotonic
	given bool
}

// tookOffice learns whether what was given away came back soon: then whoever is preferred is not fit for it, and left alone for
// longer each time, so that leadership does not swing between the two.
func (p *preference) tookOffice(now Monotonic, least time.Duration) {
	switch {
	case p.given && now.Sub(p.at) < 4*p.delay:
		p.failed(least)
	default:
		p.delay = least
	}
	p.given = false
}

// failed doubles the delay.
func (p *preference) failed(least time.Duration) { p.delay = min(2*p.delay, maxPreference*least) }

// steady says that a peer is in contact and caught up, and that nothing sent to it stands still.
func (c *Core) steady(p *peer) bool {
	return c.caughtUp(p) && (len(p.flight.sent) == 0 || c.now.Sub(p.movedAt) < c.cfg.ElectionTimeout/2)
}

// prefer hands leadership to a voter of higher priority that has been steady for a PreferenceDelay, the highest first. Nothing is
// lost by it: the transfer waits until that voter has every entry.
func (c *Core) prefer() {
	var best *peer
	for _, p := range c.peers {
		if !c.steady(p) {
			p.steadySince = c.now
		}
		if p.Voter && p.Priority > c.self.Priority && c.now.Sub(p.steadySince) >= c.cfg.PreferenceDelay && (best == nil || p.Priority > best.Priority) {
			best = p
		}
	}
	if best == nil || c.transferee.to != None || c.now.Sub(c.office.since) < c.preference.delay {
		return
	}
	c.preference.at, c.preference.given = c.now, true
	c.office.since = c.now
	c.beginTransfer(best)
	c.transferee.preferred = true
}

// transferFailed: the target of a transfer did not take over in time.
func (c *Core) transferFailed() {
	if c.transferee.preferred {
		c.preference.failed(c.cfg.PreferenceDelay)
		c.preference.given = false
	}
	c.transferee = transferee{}
}
