package node

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// The vocabulary of the core, so that users of node need not import raft.
type (
	Index    = raft.Index
	Term     = raft.Term
	Position = raft.Position
	NodeID   = raft.NodeID
	GroupID  = raft.GroupID
	Role     = raft.Role
	// MemberChange is a wish for a group's membership (Group.ChangeMembers); raft.ChangeKind says which there are.
	MemberChange = raft.MemberChange
	// Configuration is a group's membership, ConfigurationEntry with the entry that carries it, which EntryID names.
	Configuration      = raft.Configuration
	ConfigurationEntry = raft.ConfigurationEntry
	Member             = raft.Member
	EntryID            = raft.EntryID
)

// The kinds of changes; see raft.ChangeKind.
const (
	AddLearner    = raft.AddLearner
	AddVoter      = raft.AddVoter
	RemoveMember  = raft.RemoveMember
	PromoteMember = raft.PromoteMember
	DemoteMember  = raft.DemoteMember
	SetAddress    = raft.SetAddress
	SetPriority   = raft.SetPriority
)

// Peer is an initial member of the cluster.
type Peer struct {
	ID NodeID
	// Address is where its peers reach it, host:port.
	Address string
}

// Options are a node's settings. Zero values mean the defaults.
type Options struct {
	// Dir is the node's directory; it is made if need be. Required.
	Dir string
	// ID names the node in its cluster, 1 to 64 bytes. Default "n1".
	ID NodeID
	// Cluster names the cluster; nodes of different clusters refuse each other. Default "ledgerkv".
	Cluster string
	// Peers are the initial members, this node among them. Empty: the node is alone and opens no port.
	Peers []Peer
	// Join: this directory, if it is new, is for a node that will be added to a running cluster (Invite, ChangeMembers). It takes part in nothing
	// until it is. Peers need not name any other node then. On a directory that is there already it has no effect.
	Join bool
	// Listen is the address for peers, host:port. Default: this node's address in Peers.
	Listen string
	// Transport connects the node to its peers. Default: TCP on Listen, or nothing when the node is alone.
	Transport transport.Transport
	// FS is the file system. Default: the operating system's.
	FS fs.FS
	// Clock is the time. Default: the system's.
	Clock Clock
	// Seed feeds the random sources (election timeouts). Default: random.
	Seed uint64
	// Owners is the number of owner loops, 1 to 64. Default: the number of processors.
	Owners int
	// TickInterval is the resolution of all timing. Default 10 ms.
	TickInterval time.Duration
	// ElectionTimeout and HeartbeatInterval are the core's. Defaults 500 ms and 75 ms.
	ElectionTimeout   time.Duration
	HeartbeatInterval time.Duration
	// QuietAfter is how long a group has nothing to do before it falls silent: it costs nothing any more until something happens, as the nodes
	// watch each other. At least HeartbeatInterval, the same on every node. Default 10 s; negative: never.
	QuietAfter time.Duration
	// ImageBytesPerSecond bounds what this node sends of images, over all peers. Default 64 MiB/s.
	ImageBytesPerSecond int64
	// ScrubBytesPerSecond is how fast the sealed segments of all groups are read again, one after the other, to find what the disk has lost.
	// Default 1 MiB/s; negative: never. Rounded up to a byte a tick.
	ScrubBytesPerSecond int64
	// ScrubInterval lies between the beginnings of two such passes, at least. Default 24 h; the first begins at the start.
	ScrubInterval time.Duration
	// Format is the highest entry format that this node takes itself to know: it tells its peers, and refuses a group's log in which a higher one is in
	// force. Default FormatVersion, and for anything but tests there is no reason for another: a lower one is an older program, a higher one, from the
	// peers' point of view, a newer one.
	Format uint32
	// Manual: no goroutine is started. A harness calls Loops' turns and Tick itself.
	Manual bool
	// Logger receives what an operator should know. Default: slog.Default().
	Logger *slog.Logger
	// Hooks observe.
	Hooks Hooks
}

// Hooks observe a node; they never decide. Each is called from the loop in which the event happens and must not block.
type Hooks struct {
	// RoleChanged: a replica's role, term, leader or readiness changed. Owner or applier loop.
	RoleChanged func(group GroupID, name string, s RoleState)
	// Failed: a replica has stopped. Any loop.
	Failed func(group GroupID, name string, err error)
	// Damaged: a sealed piece of a replica's log can't be read from the disk any more, as err says with path, offset and index. The replica goes on. Each
	// pass of the scrubber reports it again. Scrubber loop.
	Damaged func(group GroupID, name string, err error)
	// Flushed: the syncer made n batches durable with one flush that took d. Syncer loop.
	Flushed func(group GroupID, n int, d time.Duration)
	// Connected: a link of this node to a peer came up; there are several for each peer. Disconnected: one broke, in either direction.
	// The transport's goroutines.
	Connected    func(peer NodeID)
	Disconnected func(peer NodeID, err error)
	// Dropped: n messages to or from a peer were dropped, because there was no connection, it broke, or a queue was full. Link loops, and the
	// transport's goroutines.
	Dropped func(peer NodeID, n int)
	// Image: an image of the state at an index was made, sent or installed. In a log-only group only a base is sent and installed. Images and
	// owner loops.
	Image func(group GroupID, event ImageEvent, index Index)
}

// Clock is where a node takes the time from.
type Clock interface {
	// Monotonic never goes back.
	Monotonic() raft.Monotonic
	// Wall is the time of day in nanoseconds since the Unix epoch; it may jump.
	Wall() int64
}

type systemClock struct{ start time.Time }

func (c systemClock) Monotonic() raft.Monotonic { return raft.Monotonic(time.Since(c.start)) }
func (c systemClock) Wall() int64               { return time.Now().UnixNano() }

// GroupOptions are a group's settings. Zero values mean the defaults.
type GroupOptions struct {
	// ID and Name name the group within the cluster; both are required and the same on every node.
	ID   GroupID
	Name string
	// Factory opens the group's machine. nil: a log-only group.
	Factory statemachine.Factory
	// SegmentSize is S in docs/format.md, in bytes: a power of two from 64 KiB on, the same on every node, fixed when the group
	// is made. Default 64 MiB for a log-only group, 16 MiB for one with a machine.
	SegmentSize uint64
	// ImageEveryBytes and ImageEveryEntries: an image is made when the log has grown by this much since the last.
	// Defaults 256 MiB and 10,000,000. Only with a machine.
	ImageEveryBytes   uint64
	ImageEveryEntries uint64
	// KeepImages is how many images are kept on disk. Default 2.
	KeepImages int
	// KeepBytes is how much of the log stays behind the newest image (with a machine) so that a short absence needs no
	// image, or behind the log's end (log-only; 0 with KeepFor 0: nothing is ever removed). Default 64 MiB with a machine.
	KeepBytes uint64
	// KeepFor: entries younger than this stay, by the leader's clock. Log-only. 0: age does not count.
	KeepFor time.Duration
	// QueueBytes bounds the proposals that wait for the owner; past it they get ErrBusy. Default 16 MiB.
	QueueBytes int
	// TailBytes is how much of the log that is durable already stays in memory for readers and followers. Default 4 MiB.
	TailBytes int
	// AppendBytes is about how much of the log one message to a follower names, in bytes. Default 1 MiB, which is the most.
	AppendBytes uint64
	// InflightBytes bounds what is on its way to one follower and not acknowledged. Default 16 MiB, which is the most.
	InflightBytes uint64
	// UnappliedBytes bounds how far applying may fall behind committing; past it no proposal is taken. Default 64 MiB.
	UnappliedBytes uint64
	// UnsyncedBytes bounds what is appended and not yet flushed. Default 64 MiB.
	UnsyncedBytes uint64
	// Lease, when not 0, has the followers promise with each heartbeat to vote for nobody else for so long, so that the leader may serve
	// linearizable reads without a round (Group.LeaseRead). It must be the same on every node. More than HeartbeatInterval and a tenth of
	// itself, which clocks may drift apart, and at most ElectionTimeout. A restarted node votes for nobody for so long, and the loss of a
	// connection elects nobody faster. Default 0: off.
	Lease time.Duration
}

// setDefaults fills zero values in.
func (o *Options) setDefaults() {
	if o.ID == "" {
		o.ID = "n1"
	}
	if o.Cluster == "" {
		o.Cluster = "ledgerkv"
	}
	if o.FS == nil {
		o.FS = fs.OS
	}
	if o.Clock == nil {
		o.Clock = systemClock{time.Now()}
	}
	if o.Owners == 0 {
		o.Owners = min(runtime.GOMAXPROCS(0), 64)
	}
	if o.Format == 0 {
		o.Format = FormatVersion
	}
	if o.TickInterval == 0 {
		o.TickInterval = 10 * time.Millisecond
	}
	if o.ElectionTimeout == 0 {
		o.ElectionTimeout = 500 * time.Millisecond
	}
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = 75 * time.Millisecond
	}
	if o.QuietAfter == 0 {
		o.QuietAfter = max(10*time.Second, o.HeartbeatInterval)
	}
	if o.ImageBytesPerSecond == 0 {
		o.ImageBytesPerSecond = 64 << 20
	}
	if o.ScrubBytesPerSecond == 0 {
		o.ScrubBytesPerSecond = 1 << 20
	}
	if o.ScrubInterval == 0 {
		o.ScrubInterval = 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if len(o.Peers) == 0 {
		o.Peers = []Peer{{ID: o.ID, Address: o.Listen}}
	}
	if o.Listen == "" {
		for _, p := range o.Peers {
			if p.ID == o.ID {
				o.Listen = p.Address
			}
		}
	}
}

// Validate reports every fault at once. Zero values are valid.
func (o Options) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("node: "+format, args...)) }
	o.setDefaults()
	if o.Dir == "" {
		fault("Options.Dir is required")
	}
	if len(o.ID) > maxNodeIDBytes {
		fault("Options.ID has %d bytes, at most %d are possible", len(o.ID), maxNodeIDBytes)
	}
	if o.Owners < 1 || o.Owners > 64 {
		fault("Options.Owners is %d, expected 1 to 64", o.Owners)
	}
	if o.TickInterval < time.Millisecond || o.TickInterval > o.HeartbeatInterval {
		fault("Options.TickInterval is %s, expected 1ms to HeartbeatInterval (%s)", o.TickInterval, o.HeartbeatInterval)
	}
	if o.HeartbeatInterval*3 > o.ElectionTimeout {
		fault("Options.HeartbeatInterval is %s, expected at most a third of ElectionTimeout (%s)", o.HeartbeatInterval, o.ElectionTimeout)
	}
	if o.QuietAfter > 0 && o.QuietAfter < o.HeartbeatInterval {
		fault("Options.QuietAfter is %s, expected at least HeartbeatInterval (%s), or a negative time for never", o.QuietAfter, o.HeartbeatInterval)
	}
	if o.ImageBytesPerSecond < 1<<16 {
		fault("Options.ImageBytesPerSecond is %d, expected at least 65536", o.ImageBytesPerSecond)
	}
	if o.ScrubInterval < o.TickInterval {
		fault("Options.ScrubInterval is %s, expected at least TickInterval (%s)", o.ScrubInterval, o.TickInterval)
	}
	seen := map[NodeID]bool{}
	for _, p := range o.Peers {
		switch {
		case p.ID == "" || len(p.ID) > maxNodeIDBytes:
			fault("Options.Peers has the id %q, expected 1 to %d bytes", p.ID, maxNodeIDBytes)
		case seen[p.ID]:
			fault("Options.Peers names %s twice", p.ID)
		case p.Address == "" && len(o.Peers) > 1:
			fault("Options.Peers gives no address for %s", p.ID)
		}
		seen[p.ID] = true
	}
	if !seen[o.ID] {
		fault("Options.Peers does not name this node, %s", o.ID)
	}
	return errors.Join(faults...)
}

func (o *GroupOptions) setDefaults() {
	if o.SegmentSize == 0 {
		o.SegmentSize = 64 << 20
		if o.Factory != nil {
			o.SegmentSize = 16 << 20
		}
	}
	if o.ImageEveryBytes == 0 {
		o.ImageEveryBytes = 256 << 20
	}
	if o.ImageEveryEntries == 0 {
		o.ImageEveryEntries = 10_000_000
	}
	if o.KeepImages == 0 {
		o.KeepImages = 2
	}
	if o.KeepBytes == 0 && o.Factory != nil {
		o.KeepBytes = 64 << 20
	}
	if o.AppendBytes == 0 {
		o.AppendBytes = maxAppendBytes
	}
	if o.InflightBytes == 0 {
		o.InflightBytes = maxInflightBytes
	}
	if o.QueueBytes == 0 {
		o.QueueBytes = 16 << 20
	}
	if o.UnappliedBytes == 0 {
		o.UnappliedBytes = 64 << 20
	}
	if o.UnsyncedBytes == 0 {
		o.UnsyncedBytes = 64 << 20
	}
}

// Validate reports every fault at once.
func (o GroupOptions) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("node: "+format, args...)) }
	o.setDefaults()
	if o.ID == 0 {
		fault("GroupOptions.ID is 0, expected at least 1")
	}
	if o.Name == "" || len(o.Name) > maxNameBytes {
		fault("GroupOptions.Name has %d bytes, expected 1 to %d", len(o.Name), maxNameBytes)
	}
	if s := o.SegmentSize; s < 1<<16 || s&(s-1) != 0 {
		fault("GroupOptions.SegmentSize is %d, expected a power of two from 65536 on", s)
	}
	if o.Lease < 0 {
		fault("GroupOptions.Lease is %s, expected 0 or more", o.Lease)
	}
	if o.AppendBytes > maxAppendBytes {
		fault("GroupOptions.AppendBytes is %d, expected at most %d", o.AppendBytes, uint64(maxAppendBytes))
	}
	if o.InflightBytes > maxInflightBytes {
		fault("GroupOptions.InflightBytes is %d, expected at most %d", o.InflightBytes, uint64(maxInflightBytes))
	}
	if o.TailBytes < 0 {
		fault("GroupOptions.TailBytes is %d, expected 0 or more", o.TailBytes)
	}
	if o.KeepImages < 1 {
		fault("GroupOptions.KeepImages is %d, expected at least 1", o.KeepImages)
	}
	return errors.Join(faults...)
}

// members is the bootstrap configuration: every initial member votes.
func (o *Options) members() raft.Configuration {
	var c raft.Configuration
	for _, p := range o.Peers {
		c.Members = append(c.Members, raft.Member{ID: p.ID, Address: p.Address, Voter: true})
	}
	slices.SortFunc(c.Members, func(a, b raft.Member) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return c
}
