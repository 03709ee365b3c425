package load

import (
	"context"
	"errors"
	"slices"
)

// ErrUnsupported: the cluster has no such operation. The workload is left out for the system, and the report says so.
var ErrUnsupported = errors.New("load: the system has no such operation")

// System is a store that can be measured. Its methods are called from one goroutine.
type System interface {
	// Info describes the system: what is measured, and as what it was set up. It starts nothing.
	Info() Info
	// Start starts a cluster in an empty directory and blocks until it takes operations. ctx bounds the start alone. It fails with ErrUnsupported when there
	// is no such shape.
	Start(ctx context.Context, setup Setup) (Cluster, error)
}

// Info says what a system is and how it was set up, for the reader of a report.
type Info struct {
	// Name is what it is chosen by and called in reports: short, lower case, unique.
	Name string `json:"name"`
	// Family is the store that systems are variants of, empty when it is the name: the best of other families is what the first system of a run is held against.
	Family string `json:"family,omitempty"`
	// Variant: a quick run leaves it out unless it is named.
	Variant bool `json:"variant,omitempty"`
	// Version is of the store itself.
	Version string `json:"version,omitempty"`
	// Flushes says in a few words what is on which disks when a write is acknowledged: "a quorum, fdatasync".
	Flushes string `json:"flushes"`
	// Durable: every acknowledged write was flushed, on a quorum where there are several nodes. Others are shown apart.
	Durable bool `json:"durable"`
	// Counts says how flushes are counted: "calls of fdatasync, in our file layer". Empty: they are not.
	Counts string `json:"counts,omitempty"`
	// Settings are what was set other than by default, and why, a line each.
	Settings []string `json:"settings,omitempty"`
	// Shapes and Kinds are what it can do. Groups: it takes more groups than one (Setup.Groups).
	Shapes []Shape `json:"shapes"`
	Kinds  []Kind  `json:"kinds"`
	Groups bool    `json:"groups,omitempty"`
	// Operable: its clusters are Operators.
	Operable bool `json:"operable,omitempty"`
}

// Kin is the family, or the name where there is none.
func (i Info) Kin() string {
	if i.Family != "" {
		return i.Family
	}
	return i.Name
}

// Can tells whether the system has a shape and all the kinds of operations.
func (i Info) Can(shape Shape, kinds ...Kind) bool {
	if !slices.Contains(i.Shapes, shape) {
		return false
	}
	for _, k := range kinds {
		if !slices.Contains(i.Kinds, k) {
			return false
		}
	}
	return true
}

// Setup is what a cluster is started as.
type Setup struct {
	Shape Shape `json:"shape"`
	// Dir is an empty directory on the device that is measured. The cluster keeps all its data below it.
	Dir string `json:"dir"`
	// Groups is how many groups (shards) share the work, at least 1.
	Groups int `json:"groups"`
	// Log: the workload appends to and reads logs; otherwise it puts and gets keys. A system may need other groups for the one than for the other.
	Log bool `json:"log,omitempty"`
	// Lease: the workload reads with GetLease.
	Lease bool `json:"lease,omitempty"`
	// SmallLog: keep so little log and image so often that a replica that was away for some megabytes needs an image.
	SmallLog bool `json:"small_log,omitempty"`
}

// Shape is how many nodes there are, in which processes, and how they are called.
type Shape string

// The shapes. A process that is not named "processes" is the one that measures, so that its processor time and memory are those of the nodes and the
// callers together.
const (
	// ThreeNodes are three nodes in this process, connected by TCP over loopback, called as a library.
	ThreeNodes Shape = "three-nodes"
	// ThreeNodesRemote are the same, called over TCP by a client.
	ThreeNodesRemote Shape = "three-nodes-remote"
	// ThreeProcesses are three nodes in three processes: the leader is in this one and called as a library.
	ThreeProcesses Shape = "three-processes"
	// ThreeProcessesRemote are three nodes in three processes of their own, called over TCP by a client in this one.
	ThreeProcessesRemote Shape = "three-processes-remote"
	// OneNode is one node in this process, called as a library; OneNodeRemote is called over TCP.
	OneNode       Shape = "one-node"
	OneNodeRemote Shape = "one-node-remote"
	// Running is a cluster that runs already, somewhere; only the caller's process is measured.
	Running Shape = "running"
)

// Shapes are all of them, in the order of reports.
var Shapes = []Shape{ThreeNodes, ThreeNodesRemote, ThreeProcesses, ThreeProcessesRemote, OneNode, OneNodeRemote, Running}

// Title is the shape as a phrase for readers.
func (s Shape) Title() string {
	switch s {
	case ThreeNodes:
		return "three nodes in one process, embedded"
	case ThreeNodesRemote:
		return "three nodes in one process, remote client"
	case ThreeProcesses:
		return "three processes, embedded in the leader"
	case ThreeProcessesRemote:
		return "three processes, remote client"
	case OneNode:
		return "one node, embedded"
	case OneNodeRemote:
		return "one node, remote client"
	case Running:
		return "a running cluster"
	}
	return string(s)
}

// Kind says what an operation does.
type Kind string

// The kinds of operations. In brackets is what of an Op they use, beside Worker and Group.
const (
	// Put sets a key durably. [Key, Value]
	Put Kind = "put"
	// Get reads a key linearizably; that it is not there is no error. [Key]
	Get Kind = "get"
	// GetLease reads a key linearizably as long as clocks run at about the same speed. [Key]
	GetLease Kind = "get-lease"
	// GetLocal reads what some replica has, old or not. [Key]
	GetLocal Kind = "get-local"
	// Range reads the first Limit keys and values from Key on, linearizably. [Key, Limit]
	Range Kind = "range"
	// Txn sets all Keys to Value in one atomic step. [Keys, Value]
	Txn Kind = "txn"
	// ReadModifyWrite is a Get and then a Put of the same key. No system implements it: Run does it in two calls. [Key, Value]
	ReadModifyWrite Kind = "read-modify-write"
	// Append appends Value to a log durably. [Value]
	Append Kind = "append"
	// LogRead reads up to Limit bytes of entries' bodies from the entry with number Index on, in order and verified as far as the system does it; the first
	// entry has number 0, and one of its Done.Items is one entry. [Index, Limit]
	LogRead Kind = "log-read"
	// LogGet reads the entry with number Index. [Index]
	LogGet Kind = "log-get"
	// Tail appends Value durably and waits until a reader at the end of the log, on a follower where there is one, has got it. [Value]
	Tail Kind = "tail"
)

// Op is an operation.
type Op struct {
	Kind Kind
	// Worker is the number of the caller, from 0; a caller does one operation at a time. A system may choose a connection by it.
	Worker int
	// Group is the group it goes to, from 0.
	Group int
	Key   []byte
	Keys  [][]byte
	Value []byte
	Index uint64
	Limit int
}

// Done is what an operation has done.
type Done struct {
	// Items is the number of keys or entries, Bytes that of their values and bodies.
	Items int
	Bytes int
}

// Cluster is a store that runs.
type Cluster interface {
	// Do does an operation and blocks until it is done as its Kind demands, or ctx is. It is called from many goroutines. It keeps nothing of op once it has
	// returned. An error counts as an operation that failed; ErrUnsupported ends the workload.
	Do(ctx context.Context, op *Op) (Done, error)
	// Close ends all of it and waits for it.
	Close() error
}

// FlushCounter is a Cluster that counts its flushes: calls of fsync, fdatasync and the like, over all its nodes, since it was started.
type FlushCounter interface {
	// Flushes may be called from any goroutine.
	Flushes() uint64
}

// Processes is a Cluster with processes beside this one, whose processor time, writes and memory count as well.
type Processes interface {
	// PIDs names those that run at the moment. It may be called from any goroutine.
	PIDs() []int
}

// Fault is what may befall a node.
type Fault string

// The faults.
const (
	// Kill ends the node's process at once, like kill -9: its connections break.
	Kill Fault = "kill"
	// Freeze stops the node's process without ending it, like kill -STOP: its connections stay.
	Freeze Fault = "freeze"
	// StallDisk makes every flush and write of the node wait.
	StallDisk Fault = "stall-disk"
)

// Operator is a Cluster whose nodes can be operated, one by one. Nodes are numbered from 0. Its methods are called from one goroutine, while Do goes on in others.
type Operator interface {
	// Leader is the node that leads (group 0) at the moment, as far as the cluster knows.
	Leader(ctx context.Context) (int, error)
	// Stop closes a node cleanly and waits for it.
	Stop(ctx context.Context, node int) error
	// Start opens a node that was stopped or killed, on the directory that it left, and blocks until the node itself is up, recovered from its own disk. Where a
	// single node is all there is, that includes serving.
	Start(ctx context.Context, node int) error
	// CaughtUp blocks until a node has applied everything that was committed when it was called.
	CaughtUp(ctx context.Context, node int) error
	// Break lets a fault befall a node; Mend ends it, for Kill as Start does. It fails with ErrUnsupported where a node can't be broken so, such as killed in a
	// process that it shares.
	Break(ctx context.Context, node int, fault Fault) error
	Mend(ctx context.Context, node int) error
}
