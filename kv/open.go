package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/ledgerkv/ledgerkv/node"
)

// Peer is an initial member of the cluster; see node.Peer.
type Peer = node.Peer

// NodeID names a node within its cluster: 1 to 64 bytes of UTF-8.
type NodeID = node.NodeID

// The group that Open opens: every node of a cluster has to call it the same.
const (
	groupID   = 1
	groupName = "kv"
)

// Options are the settings of a store that is opened with a node of its own. Zero values mean the defaults.
type Options struct {
	// Dir is the node's directory; it is made if need be. Required.
	Dir string
	// Node names this node in its cluster. Default "n1".
	Node NodeID
	// Cluster names the cluster; nodes of different clusters refuse each other. Default "ledgerkv".
	Cluster string
	// Peers are the initial members, this node among them, the same on every node. Empty: the node is alone and opens no port.
	Peers []Peer
	// Join: the directory, if it is new, is for a node that will be added to a running cluster (Store.ChangeMembers on its leader). Until
	// then calls wait. Peers may be empty; Listen is required.
	Join bool
	// Listen is the address for peers, host:port. Default: this node's address in Peers.
	Listen string
	// Engine is what the state is kept in: BTree (the default) or Pebble. Nodes of one cluster may differ.
	Engine EngineKind
	// CacheBytes is the memory that Pebble may use for what it has read. Default 32 MiB; at least 1 MiB.
	CacheBytes int64
	// Lease, when not 0, lets the leader serve reads of level Lease without a round; the same on every node. See node.GroupOptions.Lease.
	Lease time.Duration
	// Logger gets what an operator should know. Default: slog.Default().
	Logger *slog.Logger
}

// Validate reports every fault at once. Zero values are valid, but for Dir.
func (o Options) Validate() error {
	o.setDefaults()
	faults := []error{o.node().Validate(), o.Engine.Validate()}
	if o.CacheBytes != 0 && o.CacheBytes < 1<<20 {
		faults = append(faults, fmt.Errorf("kv: Options.CacheBytes is %d, expected at least %d", o.CacheBytes, 1<<20))
	}
	return errors.Join(faults...)
}

func (o *Options) setDefaults() {
	if o.Engine == "" {
		o.Engine = BTree
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

func (o *Options) node() node.Options {
	return node.Options{Dir: o.Dir, ID: o.Node, Cluster: o.Cluster, Peers: o.Peers, Join: o.Join, Listen: o.Listen, Logger: o.Logger}
}

// Open opens a node with one key-value group and gives this node's replica of it. It blocks while the log is recovered. Closing the
// store closes the node.
//
// A node of a new cluster takes part once every initial member has been started; until then, and while no leader is known, calls
// wait. It fails, and changes nothing, when the directory is in use, belongs to another node or cluster, or is damaged.
func Open(opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	engines := EngineOptions{Dir: filepath.Join(opts.Dir, "engines"), CacheBytes: opts.CacheBytes, Logger: opts.Logger}
	factory, err := NewFactory(opts.Engine, engines)
	if err != nil {
		return nil, err
	}
	n, err := node.Open(opts.node())
	if err != nil {
		return nil, err
	}
	release := func() error { return errors.Join(n.Close(), factory.Close()) }
	group, err := n.OpenGroup(node.GroupOptions{ID: groupID, Name: groupName, Factory: factory, Lease: opts.Lease})
	if err != nil {
		return nil, errors.Join(err, release())
	}
	return &Store{replica: groupReplica{group}, group: group, node: n, release: release}, nil
}

// Attach gives the store of a group that was opened on a node with a Factory. Closing the store does nothing; the node is its
// owner's to close.
func Attach(group *node.Group) (*Store, error) {
	if _, ok := group.Machine().(*Machine); !ok {
		return nil, fmt.Errorf("kv: group %q is no key-value group: expected a machine made by a Factory of this package, found %T", group.Name(), group.Machine())
	}
	return &Store{replica: groupReplica{group}, group: group}, nil
}

// Group is the group that the store is kept in, for its roles and its log.
func (s *Store) Group() *node.Group { return s.group }

// Status is the state of a store's replica.
type Status struct {
	// Status is the replica's in its group.
	node.Status
	// Revision is the newest one that the replica has applied, and Compacted the oldest that can be read.
	Revision, Compacted Revision
}

// Status gives the state of this replica, which need not be the leader. It fails with ErrClosed or ctx's error.
func (s *Store) Status(ctx context.Context) (Status, error) {
	group, err := s.group.Status(ctx)
	if err != nil {
		return Status{}, err
	}
	m := s.replica.machine()
	return Status{Status: group, Revision: m.Revision(), Compacted: m.Compacted()}, nil
}

// Transfer hands leadership to another node and blocks until it has it; see node.Group.Transfer for its errors.
func (s *Store) Transfer(ctx context.Context, to NodeID) error { return s.group.Transfer(ctx, to) }
