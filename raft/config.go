package raft

import (
	"errors"
	"fmt"
	"time"
)

// Defaults of Config. docs/safety.md ("Times") says why.
const (
	DefaultElectionTimeout     = 500 * time.Millisecond
	DefaultHeartbeatInterval   = 75 * time.Millisecond
	DefaultMaxAppendBytes      = 1 << 20
	DefaultMaxInflightBytes    = 16 << 20
	DefaultMaxInflightMessages = 256
	DefaultMaxUncommittedBytes = 64 << 20
	DefaultStallTimeout        = 500 * time.Millisecond
	DefaultCommitTimeout       = time.Second
	DefaultPreferenceDelay     = 5 * time.Second
)

// Config holds a core's settings. Zero values mean the defaults.
type Config struct {
	// ID is the node this core runs on.
	ID NodeID
	// Seed feeds the core's only random source, the election timeouts.
	Seed uint64
	// Boot is a number that no earlier run of this replica used; it is part of every ReadID, and varies the election
	// timeouts from run to run.
	Boot uint64
	// ElectionTimeout: a follower that hears nothing from a leader for between one and two of these asks for an election;
	// a leader that hears from no quorum for one steps down. Default 500 ms.
	ElectionTimeout time.Duration
	// HeartbeatInterval is the time between a leader's heartbeats. Default 75 ms; at most a third of ElectionTimeout.
	HeartbeatInterval time.Duration
	// MaxAppendBytes bounds the records named by one append. Default 1 MiB. It is an estimate (docs/safety.md, "Sizes"),
	// and an append names at least one entry.
	MaxAppendBytes uint64
	// MaxInflightBytes and MaxInflightMessages bound what was sent to one peer and not yet acknowledged.
	// Defaults 16 MiB and 256.
	MaxInflightBytes    uint64
	MaxInflightMessages int
	// MaxUncommittedBytes bounds what a leader accepts ahead of its commit index; past it Propose returns ErrBusy.
	// Default 64 MiB.
	MaxUncommittedBytes uint64
	// LogOnly: the group has no machine, so a peer behind the base is reset to the base without an image. The core treats
	// both alike; it is told so that its outputs say which: only then does a MsgImage leaving it describe the base.
	LogOnly bool
	// StallTimeout: a leader whose own disk has made nothing durable for so long, with something outstanding, hands leadership to
	// the voter that has most of the log. Default 500 ms.
	StallTimeout time.Duration
	// CommitTimeout: a leader that has committed nothing for so long, with something uncommitted, steps down, and leaves the next
	// election to others. At least ElectionTimeout; default 1 s, or twice the ElectionTimeout if that is more.
	// Where a quorum needs longer to take and flush MaxAppendBytes, over a slow line say, set it above that.
	CommitTimeout time.Duration
	// PreferenceDelay: a leader hands over to a voter of higher priority that has been in contact and caught up for so long, and
	// not before it has been leader for so long itself. It doubles each time that does not last. Default 5 s.
	PreferenceDelay time.Duration
	// LeaseDuration, when not 0, allows LeaseRead: followers promise with each heartbeat to vote for nobody else for so long. At
	// most ElectionTimeout; minus ClockDrift more than HeartbeatInterval. It must be the same on every node of the group. It may be
	// lowered or turned off on a node only if the node is down for the old LeaseDuration meanwhile.
	LeaseDuration time.Duration
	// ClockDrift is by how much the monotonic clocks of two nodes may come apart during one LeaseDuration. Default a tenth of it.
	ClockDrift time.Duration
	// QuietAfter, when not 0, lets an idle group fall silent: a leader with nothing to do for so long, whose peers all have
	// everything, sends no more heartbeats, and its followers stop waiting for them. Whoever turns it on watches the nodes itself:
	// docs/safety.md, "Quiet groups". At least HeartbeatInterval.
	QuietAfter time.Duration
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	orDefault(&c.ElectionTimeout, DefaultElectionTimeout)
	orDefault(&c.HeartbeatInterval, DefaultHeartbeatInterval)
	orDefault(&c.MaxAppendBytes, DefaultMaxAppendBytes)
	orDefault(&c.MaxInflightBytes, DefaultMaxInflightBytes)
	orDefault(&c.MaxInflightMessages, DefaultMaxInflightMessages)
	orDefault(&c.MaxUncommittedBytes, DefaultMaxUncommittedBytes)
	orDefault(&c.StallTimeout, DefaultStallTimeout)
	orDefault(&c.CommitTimeout, max(DefaultCommitTimeout, 2*c.ElectionTimeout))
	orDefault(&c.PreferenceDelay, DefaultPreferenceDelay)
	orDefault(&c.ClockDrift, c.LeaseDuration/10)
	return c
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate reports every fault at once. Zero values are no faults, but for ID.
func (c Config) Validate() error {
	var errs []error
	if err := c.ID.Validate(); err != nil {
		errs = append(errs, err)
	}
	d := c.withDefaults()
	if min(d.StallTimeout, d.CommitTimeout, d.PreferenceDelay, d.LeaseDuration, d.ClockDrift, d.QuietAfter) < 0 ||
		d.ElectionTimeout < 0 || d.HeartbeatInterval < 0 || d.MaxInflightMessages < 0 {
		errs = append(errs, errors.New("raft: a time or number is negative; use 0 for the default"))
	}
	if d.HeartbeatInterval > d.ElectionTimeout/3 {
		errs = append(errs, fmt.Errorf("raft: HeartbeatInterval is %s, expected at most a third of ElectionTimeout %s",
			d.HeartbeatInterval, d.ElectionTimeout))
	}
	if d.CommitTimeout < d.ElectionTimeout {
		errs = append(errs, fmt.Errorf("raft: CommitTimeout is %s, expected at least ElectionTimeout %s", d.CommitTimeout, d.ElectionTimeout))
	}
	if d.LeaseDuration > d.ElectionTimeout || d.LeaseDuration > 0 && d.LeaseDuration-d.ClockDrift <= d.HeartbeatInterval {
		errs = append(errs, fmt.Errorf("raft: LeaseDuration is %s, expected at most ElectionTimeout %s and, less ClockDrift %s, more than HeartbeatInterval %s",
			d.LeaseDuration, d.ElectionTimeout, d.ClockDrift, d.HeartbeatInterval))
	}
	if d.QuietAfter > 0 && d.QuietAfter < d.HeartbeatInterval {
		errs = append(errs, fmt.Errorf("raft: QuietAfter is %s, expected at least HeartbeatInterval %s", d.QuietAfter, d.HeartbeatInterval))
	}
	return errors.Join(errs...)
}
