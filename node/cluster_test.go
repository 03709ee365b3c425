package node_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// testCluster is a set of nodes with goroutines, over disks and a network in memory.
type testCluster struct {
	t       *testing.T
	network *transport.Network
	disks   map[raft.NodeID]*disk.Disk
	nodes   map[raft.NodeID]*node.Node
	peers   []node.Peer
	groups  []node.GroupOptions
}

func newTestCluster(t *testing.T, size int, groups ...node.GroupOptions) *testCluster {
	c := &testCluster{t: t, network: transport.NewNetwork(), disks: map[raft.NodeID]*disk.Disk{}, nodes: map[raft.NodeID]*node.Node{}, groups: groups}
	for i := range size {
		id := raft.NodeID(fmt.Sprintf("n%d", i+1))
		c.disks[id] = disk.New(uint64(i))
		c.peers = append(c.peers, node.Peer{ID: id, Address: "memory:" + string(id)})
	}
	t.Cleanup(c.close)
	return c
}

func storeGroup() node.GroupOptions {
	return node.GroupOptions{ID: 1, Name: "kv", Factory: tallies{}, SegmentSize: 1 << 16}
}

func logGroup() node.GroupOptions { return node.GroupOptions{ID: 2, Name: "log", SegmentSize: 1 << 16} }

func (c *testCluster) options(id raft.NodeID) node.Options {
	return node.Options{Dir: "data", ID: id, Peers: c.peers, Transport: c.network.Transport(id), FS: c.disks[id],
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func (c *testCluster) start(id raft.NodeID) *node.Node {
	c.t.Helper()
	return c.startWith(c.options(id))
}

func (c *testCluster) startWith(opts node.Options) *node.Node {
	c.t.Helper()
	n, err := node.Open(opts)
	require.NoError(c.t, err)
	for _, g := range c.groups {
		_, err := n.OpenGroup(g)
		require.NoError(c.t, err)
	}
	c.nodes[opts.ID] = n
	return n
}

func (c *testCluster) startAll() {
	c.t.Helper()
	for _, p := range c.peers {
		c.start(p.ID)
	}
}

func (c *testCluster) stop(id raft.NodeID) {
	c.t.Helper()
	require.NoError(c.t, c.nodes[id].Close())
	delete(c.nodes, id)
}

func (c *testCluster) close() {
	for _, n := range c.nodes {
		n.Close()
	}
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// leader waits until one of the running nodes leads a group and is ready, and gives its group.
func (c *testCluster) leader(group string) *node.Group {
	c.t.Helper()
	ctx := testContext(c.t)
	type ready struct {
		g   *node.Group
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan ready, len(c.nodes))
	for _, n := range c.nodes {
		go func(g *node.Group) {
			s := g.Role()
			for !s.Ready {
				var err error
				if s, err = g.AwaitRole(ctx, s.Seq); err != nil {
					answers <- ready{nil, err}
					return
				}
			}
			answers <- ready{g, nil}
		}(n.Group(group))
	}
	a := <-answers
	require.NoError(c.t, a.err)
	return a.g
}

// propose goes on until an entry is committed, wherever the leader is, and gives it.
func (c *testCluster) propose(group, body string) node.Proposed {
	c.t.Helper()
	ctx := testContext(c.t)
	for {
		out, err := c.leader(group).Propose(ctx, []byte(body))
		if err == nil {
			return out
		}
		require.NoError(c.t, ctx.Err(), "last error: %v", err)
	}
}

// caughtUp waits until every running replica of a group has applied what the leader has committed.
func (c *testCluster) caughtUp(group string) {
	c.t.Helper()
	ctx := testContext(c.t)
	index, err := c.leader(group).Read(ctx)
	for errors.As(err, new(*raft.NotLeaderError)) { // leadership moves
		require.NoError(c.t, ctx.Err())
		index, err = c.leader(group).Read(ctx)
	}
	require.NoError(c.t, err)
	for id, n := range c.nodes {
		require.NoError(c.t, n.Group(group).WaitApplied(ctx, index), "%s at %d of %d", id, n.Group(group).Applied(), index)
	}
}
