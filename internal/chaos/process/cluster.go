package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
)

// The groups of a cluster.
const (
	StoreGroup = "kv"
	LogGroup   = "log"
)

// Groups are the groups' names, by their ids less one.
var Groups = []string{StoreGroup, LogGroup}

// Settings say how a cluster is made. Zero values mean the defaults.
type Settings struct {
	// Program is the server's executable; see Build. Required.
	Program string
	// Dir is where the nodes' directories are made. Required.
	Dir string
	// Engines are the store's engines, btree or pebble, by node; the last counts for the rest.
	Engines []string
	Limits  Limits
	// Front gives the address at which a node's peers are to reach it, instead of the one where it listens. It is called once for each
	// node, before any is started.
	Front func(id, listen string) (string, error)
	// SmallDisk is the id of a node that is given a small disk of SmallDiskBytes; "" for none.
	SmallDisk      string
	SmallDiskBytes int64
}

// Cluster is three server processes on this machine.
type Cluster struct {
	Nodes []*Node
	// Client is for looking around, and for whoever wants no client of his own.
	Client *client.Client
	// Endpoints are the client ports of all nodes.
	Endpoints []string
	// Disk is the small disk, nil if there is none.
	Disk *Disk

	settings Settings
}

// Build makes the program in dir and gives its path.
func Build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "ledgerkv")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/ledgerkv/ledgerkv/cmd/ledgerkv").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("process: building: %w: %s", err, out)
	}
	return program, nil
}

// New writes the settings of three nodes; nothing runs yet. What it returns with an error is to be closed too.
func New(s Settings) (*Cluster, error) {
	c := &Cluster{settings: s}
	ports, err := freePorts(9)
	if err != nil {
		return c, err
	}
	var peers, clients []string
	for i := range 3 {
		n := &Node{ID: fmt.Sprintf("n%d", i+1), Peer: ports[3*i], Client: ports[3*i+1], Admin: ports[3*i+2], program: s.Program}
		n.Dir = filepath.Join(s.Dir, n.ID)
		c.Nodes = append(c.Nodes, n)
		front := n.Peer
		if s.Front != nil {
			if front, err = s.Front(n.ID, n.Peer); err != nil {
				return c, err
			}
		}
		peers = append(peers, n.ID+"="+front)
		clients = append(clients, n.ID+"="+n.Client)
		c.Endpoints = append(c.Endpoints, n.Client)
	}
	if s.SmallDisk != "" {
		n := c.Node(s.SmallDisk)
		if c.Disk, err = NewDisk(n.Dir, s.SmallDiskBytes); err != nil {
			return c, err
		}
		n.Dir = filepath.Join(n.Dir, "data")
	}
	for i, n := range c.Nodes {
		init := exec.Command(s.Program, "server", "--init", "--dir", n.Dir, "--id", n.ID, "--peers", strings.Join(peers, ","),
			"--clients", strings.Join(clients, ","), "--engine", s.Engines[min(i, len(s.Engines)-1)], "--client", n.Client, "--admin", n.Admin)
		if out, err := init.CombinedOutput(); err != nil {
			return c, fmt.Errorf("process: settings of %s: %w: %s", n.ID, err, out)
		}
		if err := n.configure(s.Limits); err != nil {
			return c, fmt.Errorf("process: settings of %s: %w", n.ID, err)
		}
		n.Log = filepath.Join(s.Dir, n.ID+".log")
	}
	c.Client, err = client.Open(client.Options{Endpoints: c.Endpoints, AttemptTimeout: 2 * time.Second})
	return c, err
}

// Joiner writes the settings of a fresh node that is to be added to the cluster, on the last engine of the settings. It does not count among Nodes, and its
// Close is the caller's to do.
func (c *Cluster) Joiner(id string) (*Node, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	s := &c.settings
	n := &Node{ID: id, Peer: ports[0], Client: ports[1], Admin: ports[2], program: s.Program, Dir: filepath.Join(s.Dir, id), Log: filepath.Join(s.Dir, id+".log")}
	init := exec.Command(s.Program, "server", "--init", "--join", "--dir", n.Dir, "--id", n.ID, "--engine", s.Engines[len(s.Engines)-1],
		"--peer", n.Peer, "--client", n.Client, "--admin", n.Admin)
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("process: settings of %s: %w: %s", n.ID, err, out)
	}
	return n, n.configure(s.Limits)
}

// Run runs a verb of the program against the cluster, and gives what it has said.
func (c *Cluster) Run(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, c.settings.Program, args...)
	command.Env = append(os.Environ(), "LEDGERKV_ENDPOINTS="+strings.Join(c.Endpoints, ","))
	out, err := command.CombinedOutput()
	return string(out), err
}

// Node gives a node by its id; nil if there is none.
func (c *Cluster) Node(id string) *Node {
	i := slices.IndexFunc(c.Nodes, func(n *Node) bool { return n.ID == id })
	if i < 0 {
		return nil
	}
	return c.Nodes[i]
}

// StartAll starts every node that does not run.
func (c *Cluster) StartAll() error {
	for _, n := range c.Nodes {
		if !n.Running() {
			if err := n.Start(); err != nil {
				return err
			}
		}
	}
	return nil
}

// StopAll asks every node that runs to end, one after the other, and waits until it has.
func (c *Cluster) StopAll() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Stop())
	}
	return errors.Join(errs...)
}

// Close kills what still runs and gives the small disk back.
func (c *Cluster) Close() error {
	var errs []error
	if c.Client != nil {
		errs = append(errs, c.Client.Close())
	}
	for _, n := range c.Nodes {
		errs = append(errs, n.Kill())
	}
	if c.Disk != nil {
		errs = append(errs, c.Disk.Close())
	}
	return errors.Join(errs...)
}

// lookEvery is how often a state that is waited for is looked at.
const lookEvery = 20 * time.Millisecond

// Await looks at the cluster's state until it is as wanted.
func (c *Cluster) Await(ctx context.Context, what string, wanted func([]client.NodeStatus) bool) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		status, err := c.Client.Status(ctx)
		if err == nil && wanted(status) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("process: waiting for %s: %w (last: %+v, %v)", what, ctx.Err(), status, err)
		}
	}
}

// LeaderIn finds a group's leader in a state of the cluster; nil if there is none.
func (c *Cluster) LeaderIn(nodes []client.NodeStatus, group string) (leader *Node) {
	term := uint64(0)
	for _, n := range nodes {
		for _, g := range n.Groups {
			if g.Name == group && g.Ready && g.Term > term {
				leader, term = c.Node(n.ID), g.Term
			}
		}
	}
	return leader
}

// Leader waits for a group's leader.
func (c *Cluster) Leader(ctx context.Context, group string) (leader *Node, err error) {
	err = c.Await(ctx, "a leader of "+group, func(nodes []client.NodeStatus) bool {
		leader = c.LeaderIn(nodes, group)
		return leader != nil
	})
	return leader, err
}

// Converged waits until every node is there and every replica of a group has applied the same.
func (c *Cluster) Converged(ctx context.Context) error {
	return c.Await(ctx, "all replicas to have applied the same", func(nodes []client.NodeStatus) bool {
		last := map[string]client.Index{}
		seen := 0
		for _, n := range nodes {
			for _, g := range n.Groups {
				if want, known := last[g.Name]; g.Problem != "" || g.Applied != g.Last || known && want != g.Last {
					return false
				}
				last[g.Name] = g.Last
				seen++
			}
		}
		return seen == len(Groups)*len(c.Nodes)
	})
}

// SameState demands the same state of the store on every node. REQUIRES: Converged, and no write since.
func (c *Cluster) SameState(ctx context.Context) error {
	var want client.StateHash
	for i, n := range c.Nodes {
		hash, err := c.Client.HashAt(ctx, n.Client, client.Latest)
		if err != nil {
			return fmt.Errorf("process: state of %s: %w", n.ID, err)
		}
		if i == 0 {
			want = hash
		}
		if string(hash.Hash) != string(want.Hash) || hash.Revision != want.Revision || hash.Applied != want.Applied {
			return fmt.Errorf("process: expected the same state everywhere: on %s it is %x at revision %d and index %d, on %s %x at %d and %d", n.ID,
				hash.Hash, hash.Revision, hash.Applied, c.Nodes[0].ID, want.Hash, want.Revision, want.Applied)
		}
	}
	return nil
}
