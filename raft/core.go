package raft

import "time"

// Config holds a core's settings. Zero values mean the defaults.
type Config struct {
	// ID is the node this core runs on.
	ID NodeID
	// Seed feeds the core's only random source, the election timeouts.
	Seed uint64
	// Boot is a number that no earlier run of this replica used; it is part of every ReadID.
	Boot uint64
	// ElectionTimeout: a follower that hears nothing from a leader for between one and two of these asks for an election;
	// a leader that hears from no quorum for one steps down. Default 500 ms.
	ElectionTimeout time.Duration
	// HeartbeatInterval is the time between a leader's heartbeats. Default 75 ms; at most a third of ElectionTimeout.
	HeartbeatInterval time.Duration
	// MaxAppendBytes bounds the records named by one append. Default 1 MiB.
	MaxAppendBytes uint64
	// MaxInflightBytes and MaxInflightMessages bound what was sent to one peer and not yet acknowledged.
	// Defaults 16 MiB and 256.
	MaxInflightBytes    uint64
	MaxInflightMessages int
	// MaxUncommittedBytes bounds what a leader accepts ahead of its commit index; past it Propose returns ErrBusy.
	// Default 64 MiB.
	MaxUncommittedBytes uint64
	// LogOnly: the group has no machine, so a peer behind the base is reset to the base without an image. The core treats
	// both alike; it is told so that its outputs say which.
	LogOnly bool
}

// Output is what a core wants done. The caller owns everything in it.
type Output struct {
	// Seq rises with each output; it is what Synced refers to.
	Seq uint64
	// State is the hard state to persist; nil when it did not change.
	State *HardState
	// Truncate, when not 0: first remove the entries from this index on …
	Truncate Index
	// … then append these.
	Append []Entry
	// Send may leave at once: a leader's appends, heartbeats.
	Send []Message
	// SendSynced may leave only after this output and all before it are durable: vote requests, every vote and append
	// response.
	SendSynced []Message
	// Commit is the commit index. It never goes back.
	Commit Index
	// Reads may be served once their index is applied. ReadsFailed will not be: leadership was lost.
	Reads       []Read
	ReadsFailed []ReadID
	// Install, when not nil: replace the whole log by this image, then call Installed. Until then the core accepts no
	// entries.
	Install *ImageMeta
	Role    Role
	Leader  NodeID
	Term    Term
	// TermStart is the leader's first entry of its term: once it is applied, so is every entry of earlier leaders. 0 unless
	// Role is Leader.
	TermStart Index
	// Configuration is the one in force, with the entry that carries it. Changed says that it is not that of the
	// previous output.
	Configuration        ConfigurationEntry
	ConfigurationChanged bool
}
