package rafttest

import (
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Core is what a replica runs: a *raft.Core, or something that answers like one, such as another implementation behind a
// translation (raft/rafttest/interop). Each method does what raft.Core's method of that name does. One goroutine uses it.
type Core interface {
	// Tick tells the time.
	Tick(now raft.Monotonic)
	// Step takes a message from a peer; an error says that a correct peer would not have sent it.
	Step(m raft.Message, entries []raft.Entry) error
	// Propose appends entries to the leader's log.
	Propose(batch []raft.Entry) error
	// ChangeMembers asks the leader for another membership.
	ChangeMembers(changes []raft.MemberChange, seen *raft.EntryID) (raft.EntryID, error)
	// ReadIndex asks a leader for an index at which a read may be served, ForwardRead any member.
	ReadIndex(id raft.ReadID) error
	ForwardRead(id raft.ReadID) error
	// LeaseRead gives an index at which a read may be served now, if the lease allows that.
	LeaseRead(now raft.Monotonic) (raft.Index, bool)
	// Transfer begins to hand leadership to a voter.
	Transfer(to raft.NodeID) error
	// Resign gives up leadership.
	Resign(reason string) error
	// Wake ends the silence of a quiet group.
	Wake()
	// DiskStalled says whether the replica's own disk is too slow for a leader's.
	DiskStalled(stalled bool)
	// Unreadable says that the replica's disk has lost an entry that a peer needs, and whether there is an image instead.
	Unreadable(to raft.NodeID, image bool)
	// Unreachable says that the connection to a peer broke.
	Unreachable(id raft.NodeID)
	// ImageSent says that an image has reached a peer, or that none will.
	ImageSent(to raft.NodeID, id raft.EntryID, ok bool)
	// Installed answers the Install of an output.
	Installed(b raft.Base, ok bool)
	// Compacted says that the log begins at b now.
	Compacted(b raft.Base)
	// Synced says that an output and all before it are durable.
	Synced(seq uint64)
	// Applied says that entries up to i have been applied.
	Applied(i raft.Index)
	// HasOutput says whether Output has anything to do or to say.
	HasOutput() bool
	// Output takes what is to be done.
	Output() raft.Output
	// Status describes the core.
	Status() raft.Status
}

// tick is the distance between two Ticks.
const tick = 10 * time.Millisecond

// start makes a Core from what a disk holds, as Schedule.Start has it.
type start func(cfg raft.Config, at raft.Restart, entries []raft.Entry) (Core, error)

// startOurs makes a *raft.Core, which needs no entries.
func startOurs(cfg raft.Config, at raft.Restart, _ []raft.Entry) (Core, error) {
	core, err := raft.New(cfg, at)
	if err != nil {
		return nil, err // not a nil *raft.Core in a Core that is not nil
	}
	return core, nil
}

// Schedule is a random run: what the seed does not decide.
type Schedule struct {
	// Seed decides everything else.
	Seed uint64
	// Steps is the length of the run before everything is mended.
	Steps int
	// Static: the membership does not change, logs are not compacted, so that there are no images either, and there are no leases.
	Static bool
	// Start makes a replica's core from its durable state; entries are those of its log, which the core must not change. It is
	// called again after each crash. Default: raft.New.
	Start func(cfg raft.Config, at raft.Restart, entries []raft.Entry) (Core, error)
	// Observe, when not nil, is told of each output that a replica has written and that was found lawful. committed names the
	// entries between the commit index before and o.Commit, as far as the replica has them.
	Observe func(id raft.NodeID, o *raft.Output, committed []raft.EntryID)
}
