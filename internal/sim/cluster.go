package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Options are a cluster's settings.
type Options struct {
	// Seed decides everything that is left open: the order of turns and frames, election timeouts, what a power cut leaves.
	Seed uint64
	// Nodes is the number of nodes; default 3.
	Nodes int
	// Groups are opened on every node; Factory is filled in by Machines.
	Groups []node.GroupOptions
	// Machines gives a node's machines for a group; nil, or a nil result, for a log-only group. It is asked once for each node and group, so
	// that what it returns can outlive the node's crashes, as a disk does. crashed is called at each power cut.
	Machines func(server int, group raft.GroupID) (factory statemachine.Factory, crashed func(random *rand.Rand))
	// FS stands between a node and its disk, for a test that wants the disk to lie. Default: nothing does.
	FS func(*disk.Disk) fs.FS
	// Logger receives what the nodes log. Default: nothing is kept.
	Logger *slog.Logger
	// Clock gives a server's clock. Default: the cluster's virtual time for all.
	Clock func(server int) node.Clock
	// TickInterval, ElectionTimeout, HeartbeatInterval and QuietAfter are the nodes'; zero values are their defaults.
	TickInterval, ElectionTimeout, HeartbeatInterval, QuietAfter time.Duration
	// Hooks observe a server's node, beside what the cluster looks at itself.
	Hooks func(*Server) node.Hooks
	// Sent is told of each message of the control class that leaves a node.
	Sent func(from *Server, to raft.NodeID, group raft.GroupID, m *raft.Message)
}

// Cluster is a set of nodes on one goroutine.
type Cluster struct {
	opts     Options
	random   *rand.Rand
	clock    clock
	nextTick time.Duration
	network  *transport.ManualNetwork
	servers  []*Server
	// votes holds every vote that has left a node, and violation the first law seen broken.
	votes     map[ballot]vote
	leaders   map[ballot]raft.NodeID
	violation error
	// Steps counts what has happened: turns, frames, ticks.
	Steps int
	// stalled is the server whose disk does not answer at the moment: its syncer has no turn.
	stalled *Server
	// heartbeats counts those that were sent.
	heartbeats int
	// cutTogether: when one server loses power, all do.
	cutTogether bool
}

// Server is a machine with a disk, on which a node runs or does not.
type Server struct {
	cluster   *Cluster
	number    int
	id        raft.NodeID
	disk      *disk.Disk
	node      *node.Node // nil while it is down
	transport transport.Transport
	machines  map[raft.GroupID]machines
	boots     uint64
	// joins: the node is not one of those with which the cluster begins.
	joins bool
	// format is the highest entry format that the server's program knows; 0: the node's own default.
	format uint32
	// Err is why the node could not be started again, other than by a power cut during the start.
	Err error
}

type machines struct {
	factory statemachine.Factory
	crashed func(*rand.Rand)
}

const (
	// tick is the time between two ticks of every node, and stepTime what anything that happens takes: nothing can go on for ever in
	// between.
	tick     = 10 * time.Millisecond
	stepTime = 10 * time.Microsecond
)

// NewCluster makes a cluster; nothing runs yet.
func NewCluster(opts Options) *Cluster {
	if opts.Nodes == 0 {
		opts.Nodes = 3
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.FS == nil {
		opts.FS = func(d *disk.Disk) fs.FS { return d }
	}
	if opts.Hooks == nil {
		opts.Hooks = func(*Server) node.Hooks { return node.Hooks{} }
	}
	if opts.Sent == nil {
		opts.Sent = func(*Server, raft.NodeID, raft.GroupID, *raft.Message) {}
	}
	c := &Cluster{opts: opts, random: rand.New(rand.NewPCG(opts.Seed, 1)), network: transport.NewManualNetwork(opts.Seed),
		votes: map[ballot]vote{}, leaders: map[ballot]raft.NodeID{}}
	if opts.Clock == nil {
		c.opts.Clock = func(int) node.Clock { return &c.clock }
	}
	for range opts.Nodes {
		c.add(false)
	}
	return c
}

func (c *Cluster) add(joins bool) *Server {
	i := len(c.servers)
	s := &Server{cluster: c, number: i, id: raft.NodeID(fmt.Sprintf("n%d", i+1)), joins: joins, disk: disk.New(c.opts.Seed*1000 + uint64(i))}
	s.newMachines()
	c.servers = append(c.servers, s)
	return s
}

func (s *Server) newMachines() {
	s.machines = map[raft.GroupID]machines{}
	for _, g := range s.cluster.opts.Groups {
		if s.cluster.opts.Machines != nil {
			f, crashed := s.cluster.opts.Machines(s.number, g.ID)
			s.machines[g.ID] = machines{f, crashed}
		}
	}
}

// Add makes another server, for a node that is to be added to the cluster. It is down.
func (c *Cluster) Add() *Server { return c.add(true) }

// Address is where the server is reached.
func (s *Server) Address() string { return "memory:" + string(s.ID()) }

// Wipe replaces the server's disk by an empty one. The node is down until Start, and joins then as a new one.
func (s *Server) Wipe() {
	s.down()
	s.Empty()
}

// Servers are the cluster's machines.
func (c *Cluster) Servers() []*Server { return c.servers }

// Network is what connects them.
func (c *Cluster) Network() *transport.ManualNetwork { return c.network }

// Now is the virtual time since the run began.
func (c *Cluster) Now() time.Duration { return c.clock.now }

// ID is the server's node id, n1 and so on.
func (s *Server) ID() raft.NodeID { return s.id }

// Node is the running node, or nil.
func (s *Server) Node() *node.Node { return s.node }

// Disk is the server's disk. It is another one after each power cut.
func (s *Server) Disk() *disk.Disk { return s.disk }

// Start starts a node on the server. A power cut during the start leaves it down, without an error.
func (s *Server) Start() error {
	c := s.cluster
	s.boots++
	var peers []node.Peer
	for _, x := range c.servers {
		if x == s || !x.joins && !s.joins {
			peers = append(peers, node.Peer{ID: x.ID(), Address: x.Address()})
		}
	}
	t := &observer{c.network.Transport(s.ID()), s}
	hooks := c.opts.Hooks(s)
	announce := hooks.RoleChanged
	hooks.RoleChanged = func(group node.GroupID, name string, r node.RoleState) {
		s.roleChanged(group, name, r)
		if announce != nil {
			announce(group, name, r)
		}
	}
	n, err := node.Open(node.Options{
		Dir: "data", ID: s.ID(), Peers: peers, Transport: t, FS: c.opts.FS(s.disk), Clock: c.opts.Clock(s.number), Owners: 1, Manual: true, Join: s.joins,
		Logger: c.opts.Logger.With("node", s.ID()), Hooks: hooks, Format: s.format,
		Seed:         c.opts.Seed*1_000_003 + uint64(s.number)*1009 + s.boots,
		TickInterval: c.opts.TickInterval, ElectionTimeout: c.opts.ElectionTimeout, HeartbeatInterval: c.opts.HeartbeatInterval, QuietAfter: c.opts.QuietAfter,
	})
	if err == nil {
		err = s.openGroups(n)
	}
	if err == nil {
		s.node, s.transport = n, t
		return nil
	}
	err = errors.Join(err, ignoreCrash(t.Close()))
	if s.disk.Crashed() {
		s.PowerCut()
		return nil
	}
	s.Err = fmt.Errorf("sim: starting %s: %w", s.ID(), err)
	return s.Err
}

func ignoreCrash(err error) error {
	if errors.Is(err, disk.ErrCrashed) || errors.Is(err, transport.ErrClosed) {
		return nil
	}
	return err
}

// roleChanged checks that a term has one leader.
func (s *Server) roleChanged(group node.GroupID, _ string, r node.RoleState) {
	c := s.cluster
	if r.Role != raft.Leader {
		return
	}
	b := ballot{group: group, term: r.Term}
	if before, known := c.leaders[b]; known && before != s.ID() {
		c.violate(fmt.Errorf("law 1: %s and %s both lead group %d in term %d", before, s.ID(), group, r.Term))
	}
	c.leaders[b] = s.ID()
}

func (s *Server) openGroups(n *node.Node) error {
	for _, g := range s.cluster.opts.Groups {
		g.Factory = s.machines[g.ID].factory
		if _, err := n.OpenGroup(g); err != nil {
			return err
		}
	}
	return nil
}

// PowerCut takes the server's power: what was not synced survives in part, as the disk's rules have it. The node is down until Start.
func (s *Server) PowerCut() {
	s.down()
	cut := s.cluster.random.Uint64()
	s.disk = s.disk.Crash(disk.Cut{Seed: cut, Garbage: cut%4 == 0})
	s.crashMachines(cut)
}

// Kill ends the server's process and leaves it its power: what it wrote is still there, synced or not.
func (s *Server) Kill() {
	s.down()
	s.disk = s.disk.KillProcess()
	s.crashMachines(s.cluster.random.Uint64())
}

// Empty gives the server a new disk, with nothing on it. The node is down.
func (s *Server) Empty() {
	s.disk = disk.New(s.cluster.random.Uint64())
	s.newMachines()
}

// crashMachines takes the machines back to what an engine on the disk would have kept.
func (s *Server) crashMachines(seed uint64) {
	for _, g := range s.cluster.opts.Groups {
		if f := s.machines[g.ID].crashed; f != nil {
			f(rand.New(rand.NewPCG(seed, uint64(g.ID))))
		}
	}
}

// down forgets the node without asking it: it has no goroutine, so nothing of it runs on.
func (s *Server) down() {
	s.disk.Halt()
	s.node = nil
	if s.transport != nil {
		s.transport.Close() // its node is gone; there is nobody to tell
		s.transport = nil
	}
}

// Step makes one thing happen, drawn from the seed: a loop that was woken turns, or a frame arrives; when there is neither, or it is time for
// it, the nodes' clocks tick. A server whose disk has met its end loses power.
func (c *Cluster) Step() {
	c.Steps++
	c.clock.now += stepTime
	ready := c.ready()
	frames := c.network.Pending()
	switch {
	case len(ready)+frames == 0 || c.clock.now >= c.nextTick:
		c.pass()
	case frames > 0 && c.random.IntN(len(ready)+min(frames, 4)) >= len(ready):
		c.network.Step()
	default:
		ready[c.random.IntN(len(ready))].Turn()
	}
	c.collapse()
}

func (c *Cluster) ready() []*node.Loop {
	var ready []*node.Loop
	for _, s := range c.servers {
		if s.node == nil {
			continue
		}
		for _, l := range s.node.Loops() {
			if l.Ready() && !(s == c.stalled && l.Name() == "syncer") {
				ready = append(ready, l)
			}
		}
	}
	return ready
}

// pass goes on to the next tick.
func (c *Cluster) pass() {
	c.clock.now = max(c.clock.now, c.nextTick)
	c.nextTick = c.clock.now + tick
	c.network.Dial()
	for _, s := range c.servers {
		if s.node != nil {
			s.node.Tick()
		}
	}
}

// collapse cuts the power of servers whose disks have stopped.
func (c *Cluster) collapse() {
	for _, s := range c.servers {
		if s.node != nil && s.disk.Crashed() {
			s.PowerCut()
			if c.cutTogether {
				c.cutAll()
			}
		}
	}
}

func (c *Cluster) cutAll() {
	for _, s := range c.servers {
		if s.node != nil {
			s.PowerCut()
		}
	}
}

// Run steps until done or until the virtual time limit is over; it then says what was waited for.
func (c *Cluster) Run(what string, limit time.Duration, done func() bool) error {
	end := c.clock.now + limit
	for !done() {
		if c.clock.now > end {
			return fmt.Errorf("sim: seed %d: still waiting for %s after %s of virtual time", c.opts.Seed, what, limit)
		}
		if err := c.Violation(); err != nil {
			return err
		}
		c.Step()
	}
	return nil
}

// violate notes a broken law; the first one counts.
func (c *Cluster) violate(err error) {
	if c.violation == nil {
		c.violation = err
	}
}

// Violation is the first thing that went wrong for good: a law broken, a replica that stopped though nothing was wrong with its disk, a node that
// could not start again. nil while all is well.
func (c *Cluster) Violation() error {
	if c.violation != nil {
		return c.violation
	}
	for _, s := range c.servers {
		if s.Err != nil {
			return s.Err
		}
		if s.node == nil || s.disk.Crashed() {
			continue
		}
		for _, g := range s.node.Groups() {
			if err := g.Role().Err; err != nil {
				return fmt.Errorf("sim: %s: %w", s.ID(), err)
			}
		}
	}
	return nil
}

// Leader is the server whose replica of a group leads and is ready, in the highest term, or nil.
func (c *Cluster) Leader(group string) *Server {
	var leader *Server
	term := raft.Term(0)
	for _, s := range c.servers {
		if s.node == nil {
			continue
		}
		if g := s.node.Group(group); g != nil {
			if r := g.Role(); r.Ready && r.Term > term {
				leader, term = s, r.Term
			}
		}
	}
	return leader
}
