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
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	orDefault(&c.ElectionTimeout, DefaultElectionTimeout)
	orDefault(&c.HeartbeatInterval, DefaultHeartbeatInterval)
	orDefault(&c.MaxAppendBytes, DefaultMaxAppendBytes)
	orDefault(&c.MaxInflightBytes, DefaultMaxInflightBytes)
	orDefault(&c.MaxInflightMessages, DefaultMaxInflightMessages)
	orDefault(&c.MaxUncommittedBytes, DefaultMaxUncommittedBytes)
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
	if d.ElectionTimeout < 0 || d.HeartbeatInterval < 0 || d.MaxInflightMessages < 0 {
		errs = append(errs, errors.New("raft: a time or number is negative; use 0 for the default"))
	}
	if d.HeartbeatInterval > d.ElectionTimeout/3 {
		errs = append(errs, fmt.Errorf("raft: HeartbeatInterval is %s, expected at most a third of ElectionTimeout %s",
			d.HeartbeatInterval, d.ElectionTimeout))
	}
	return errors.Join(errs...)
}
