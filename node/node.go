package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// FormatVersion is the highest entry format that this program knows. Which one is in force a group's log says (docs/format.md, "Format entries").
const FormatVersion = ledger.FormatInitial

// Node is one process's part of a cluster: its loops and the groups they serve.
type Node struct {
	opts      Options
	boot      uint64
	seed      *rand.Rand // guarded by groupsMu
	transport transport.Transport
	lock      io.Closer
	// cluster and directory say whose files these are, as the node file does; fixed.
	cluster   [16]byte
	directory UUID

	owners      []*owner
	syncer      *syncer
	applier     *applier
	provisioner *provisioner
	images      *images
	scrubber    *scrubber
	peers       *peers
	// loops are those that every node has; the links' come and go.
	loops []*Loop

	// disk is what the ticks have seen of the syncer.
	disk diskWatch
	// running: the node is admitted and its groups take part.
	running atomic.Bool
	ticks   atomic.Uint64
	// waited is how many ticks passed before that.
	waited atomic.Uint64

	// joined: the directory was made to be added to a running cluster; fixed.
	joined bool
	met    *met

	// identityMu is held while the node file is written.
	identityMu sync.Mutex
	identity   *Identity
	linksUp    map[raft.NodeID]bool

	groupsMu sync.Mutex
	groups   atomic.Pointer[groupTable] // replaced as a whole under groupsMu
	closed   bool

	// woken is how many loops have been woken and have not turned since, for a harness.
	woken atomic.Int64
	// started: every loop has a goroutine. It is set before the first one runs.
	started bool
	stop    chan struct{}
	stopped sync.WaitGroup
}

// groupTable is an immutable view of a node's groups.
type groupTable struct {
	byID  map[raft.GroupID]*replica
	order []*replica // by id
	owned [][]*replica
}

// Open opens a node: its directory, its loops, its port. Groups are opened on it by OpenGroup. A node with a new directory takes part in
// nothing until every initial member has recognised it (docs/format.md, "Node file"). It fails, and changes nothing, when the directory
// is in use, belongs to another node or cluster, or is of a format that this program does not know.
func Open(opts Options) (*Node, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	if opts.Seed == 0 {
		opts.Seed = rand.Uint64()
	}
	if err := opts.FS.MkdirAll(opts.Dir); err != nil {
		return nil, fmt.Errorf("node: making %s: %w", opts.Dir, err)
	}
	lock, err := opts.FS.Lock(path.Join(opts.Dir, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("node: %s is in use by another process: %w", opts.Dir, err)
	}
	n, err := open(opts, lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return n, nil
}

func open(opts Options, lock io.Closer) (*Node, error) {
	rng := rand.New(rand.NewPCG(opts.Seed, 0))
	fresh := randomUUID
	if opts.Manual {
		fresh = func() (u UUID) {
			for i := range u {
				u[i] = byte(rng.Uint32())
			}
			return u
		}
	}
	id, err := loadIdentity(opts.FS, opts.Dir, ClusterID(opts.Cluster), opts.ID, opts.Join, fresh)
	if err != nil {
		return nil, err
	}
	n := &Node{opts: opts, boot: rng.Uint64(), seed: rng, lock: lock, cluster: id.Cluster, directory: id.Directory, identity: id, transport: opts.Transport, stop: make(chan struct{}),
		joined: id.Joined, met: newMet(id), linksUp: map[raft.NodeID]bool{}}
	n.groups.Store(&groupTable{owned: make([][]*replica, opts.Owners)})
	n.makeLoops()
	if err := n.connect(); err != nil {
		return nil, err
	}
	if id.Admitted || id.Joined || len(opts.Peers) == 1 {
		n.admit()
	} else {
		opts.Logger.Info("new directory: waiting to be recognised by every initial member", "members", len(opts.Peers)-1)
	}
	if !opts.Manual {
		n.start()
	}
	return n, nil
}

func (n *Node) makeLoops() {
	for i := range n.opts.Owners {
		n.owners = append(n.owners, newOwner(n, i))
		n.loops = append(n.loops, n.owners[i].loop)
	}
	n.syncer, n.applier, n.provisioner, n.images = newSyncer(n), newApplier(n), newProvisioner(n), newImages(n)
	n.scrubber = newScrubber(n)
	n.peers = newPeers(n)
	n.loops = append(n.loops, n.syncer.loop, n.applier.loop, n.provisioner.loop, n.images.loop, n.scrubber.loop, n.peers.loop)
}

// connect starts the transport, when the node has peers or an address.
func (n *Node) connect() error {
	if n.transport == nil && n.opts.Listen == "" {
		return nil
	}
	if n.transport == nil {
		t, err := transport.NewTCP(transport.TCPOptions{Address: n.opts.Listen, Logger: n.opts.Logger})
		if err != nil {
			return err
		}
		n.transport = t
	}
	n.peers.turn()
	hello := transport.Hello{
		Format:  transport.Range{Min: ledger.FormatInitial, Max: n.opts.Format},
		Cluster: n.cluster, ClusterName: n.opts.Cluster, Node: n.opts.ID, Directory: n.directory,
		Address: n.address(), Newcomer: !n.identity.Admitted && !n.joined && len(n.opts.Peers) > 1,
	}
	if err := n.transport.Start(hello, receiver{n}); err != nil {
		return errors.Join(err, n.transport.Close())
	}
	return nil
}

// address is where this node says that it is reached.
func (n *Node) address() string {
	for _, p := range n.opts.Peers {
		if p.ID == n.opts.ID && p.Address != "" {
			return p.Address
		}
	}
	return n.transport.Addr()
}

// start gives every loop a goroutine, and starts the ticker.
func (n *Node) start() {
	n.started = true
	for _, l := range n.Loops() {
		n.run(l, nil)
	}
	n.stopped.Add(1)
	go func() {
		defer n.stopped.Done()
		t := time.NewTicker(n.opts.TickInterval)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				n.Tick()
			case <-n.stop:
				return
			}
		}
	}()
}

// run gives a loop a goroutine, until the node is closed or quit is.
func (n *Node) run(l *Loop, quit <-chan struct{}) {
	n.stopped.Add(1)
	go func() {
		defer n.stopped.Done()
		l.run(n.stop, quit)
	}()
}

// admissionTicks is how often a node that is to be admitted tries again to record that it is.
const admissionTicks = 100

// Tick wakes every loop that has something to do by now. A running node does it itself; a harness calls it on a node opened with Options.Manual.
func (n *Node) Tick() {
	if !n.running.Load() {
		if n.waited.Add(1)%admissionTicks == 0 { // what is to be recorded may have met a full disk
			n.identityMu.Lock()
			n.becomeAdmitted()
			n.identityMu.Unlock()
		}
		return
	}
	now := n.opts.Clock.Monotonic()
	changed := n.disk.tick(n)
	for _, o := range n.owners {
		o.tick(now, changed)
	}
	n.images.tick(now)
	t := n.ticks.Add(1)
	n.scrubber.tick(t)
	if t%16 == 0 {
		n.provisioner.retry()
	}
	n.peers.beat(t)
	if t%restTicks == 0 && n.peers.restless.Load() {
		n.peers.loop.notify()
	}
}

// admit lets the node take part.
func (n *Node) admit() {
	n.running.Store(true)
	for _, l := range n.Loops() {
		l.notify()
	}
}

// Loops are the node's loops at the moment, for a harness that turns them itself: those of the links come and go with the peers.
func (n *Node) Loops() []*Loop {
	return append(slices.Clone(n.loops), n.peers.table.Load().loops...)
}

// Woken reports whether a loop may have been woken since its last turn; false is certain. For a harness, on a node opened with Options.Manual.
func (n *Node) Woken() bool { return n.woken.Load() > 0 }

// ID is the node's name, and Directory the UUID of its directory.
func (n *Node) ID() NodeID      { return n.opts.ID }
func (n *Node) Directory() UUID { return n.directory }

// Format is the highest entry format that the node knows.
func (n *Node) Format() uint32 { return n.opts.Format }

// Addr is where peers reach this node; empty when it is alone.
func (n *Node) Addr() string {
	if n.transport == nil {
		return ""
	}
	return n.transport.Addr()
}

// Admitted reports whether the node takes part. One with a new directory does once every initial member has recognised it.
func (n *Node) Admitted() bool { return n.running.Load() }

func (n *Node) replica(id raft.GroupID) *replica { return n.groups.Load().byID[id] }

func (n *Node) replicas() []*replica { return n.groups.Load().order }

func (n *Node) ownedBy(o *owner) []*replica {
	return n.groups.Load().owned[slices.Index(n.owners, o)]
}

// addReplica publishes an opened replica to the loops. groupsMu is held.
func (n *Node) addReplica(r *replica) {
	old := n.groups.Load()
	next := &groupTable{byID: map[raft.GroupID]*replica{r.opts.ID: r}, owned: make([][]*replica, len(n.owners))}
	for id, x := range old.byID {
		next.byID[id] = x
	}
	next.order = append(slices.Clone(old.order), r)
	slices.SortFunc(next.order, func(a, b *replica) int { return cmp.Compare(a.opts.ID, b.opts.ID) })
	for _, x := range next.order {
		i := slices.Index(n.owners, x.owner)
		next.owned[i] = append(next.owned[i], x)
	}
	n.groups.Store(next)
	n.peers.loop.notify()
}

// Group gives an open group by name, or nil.
func (n *Node) Group(name string) *Group {
	for _, r := range n.replicas() {
		if r.opts.Name == name {
			return &Group{r}
		}
	}
	return nil
}

// Groups gives the open groups, by id.
func (n *Node) Groups() []*Group {
	var all []*Group
	for _, r := range n.replicas() {
		all = append(all, &Group{r})
	}
	return all
}

// WaitAdmitted blocks until the node takes part, or ctx is done.
func (n *Node) WaitAdmitted(ctx context.Context) error {
	t := time.NewTicker(n.opts.TickInterval)
	defer t.Stop()
	for !n.running.Load() {
		select {
		case <-t.C:
		case <-n.stop:
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNotAdmitted, ctx.Err())
		}
	}
	return nil
}

// Close stops the node: callers that wait get ErrClosed (or ErrUncertain, where an entry has an index), what was appended is flushed, machines
// are made durable, and the directory is given back. It waits for every goroutine.
func (n *Node) Close() error {
	n.groupsMu.Lock()
	if n.closed {
		n.groupsMu.Unlock()
		return nil
	}
	n.closed = true
	n.groupsMu.Unlock()

	n.retire()
	var errs []error
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	close(n.stop)
	n.stopped.Wait()
	for _, r := range n.replicas() {
		r.release(ErrClosed)
		r.abandonReads()
	}
	n.syncer.turn()
	n.images.close()
	for _, r := range n.replicas() {
		if err := r.close(); err != nil {
			errs = append(errs, fmt.Errorf("node: closing group %q: %w", r.opts.Name, err))
		}
	}
	errs = append(errs, n.lock.Close())
	return errors.Join(errs...)
}
