package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/server"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
)

// patience bounds every wait of the tests.
const patience = 30 * time.Second

// testNode is a node with a client port, on a disk and a network in memory.
type testNode struct {
	id      node.NodeID
	disk    *disk.Disk
	node    *node.Node
	server  *server.Server
	metrics *server.Metrics
	address string
	conn    *rpc.Conn
	served  chan error
}

// testCluster is some nodes with a group kv and a group log each.
type testCluster struct {
	t       *testing.T
	network *transport.Network
	peers   []node.Peer
	members []server.Member
	nodes   []*testNode
	// imageBytes and keepBytes are GroupOptions of the store.
	imageBytes, keepBytes uint64
}

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// newCluster opens nodes; those that start names, or all.
func newCluster(t *testing.T, size int, start ...int) *testCluster {
	t.Helper()
	c := &testCluster{t: t, network: transport.NewNetwork()}
	c.openAll(size, start)
	return c
}

// openAll opens the nodes with the numbers in start, or all.
func (c *testCluster) openAll(size int, start []int) {
	t := c.t
	t.Helper()
	var listeners []net.Listener
	for i := range size {
		id := node.NodeID(fmt.Sprintf("n%d", i+1))
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		listeners = append(listeners, l)
		c.peers = append(c.peers, node.Peer{ID: id, Address: "memory:" + string(id)})
		c.members = append(c.members, server.Member{ID: id, Peer: "memory:" + string(id), Client: l.Addr().String(), Admin: "admin-" + string(id)})
	}
	if start == nil {
		for i := range size {
			start = append(start, i)
		}
	}
	for _, i := range start {
		c.nodes = append(c.nodes, c.open(i, listeners[i]))
	}
}

func (c *testCluster) open(i int, l net.Listener) *testNode {
	c.t.Helper()
	n := &testNode{id: c.peers[i].ID, disk: disk.New(uint64(i)), metrics: server.NewMetrics(), address: l.Addr().String(), served: make(chan error, 1)}
	var err error
	opts := node.Options{Dir: "data", ID: n.id, Peers: c.peers, Transport: c.network.Transport(n.id), FS: n.disk, Logger: silent, Hooks: n.metrics.Hooks()}
	if len(c.peers) > 1 { // leaders are to stay what they are, however busy the machine is
		opts.ElectionTimeout, opts.HeartbeatInterval = 1500*time.Millisecond, 100*time.Millisecond
	}
	n.node, err = node.Open(opts)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { n.node.Close() })
	factory, err := kv.NewFactory(kv.BTree, kv.EngineOptions{})
	require.NoError(c.t, err)
	store, err := n.node.OpenGroup(node.GroupOptions{ID: 1, Name: "kv", Factory: factory, SegmentSize: 1 << 18, ImageEveryBytes: c.imageBytes, KeepBytes: c.keepBytes})
	require.NoError(c.t, err)
	log, err := n.node.OpenGroup(node.GroupOptions{ID: 2, Name: "log", SegmentSize: 1 << 16, KeepBytes: 1 << 16})
	require.NoError(c.t, err)
	attached, err := kv.Attach(store)
	require.NoError(c.t, err)
	n.server, err = server.New(server.Options{Node: n.node, Cluster: "test", Members: c.members, Dir: "data", Version: "v0", Metrics: n.metrics, Logger: silent,
		LeaderWait: 200 * time.Millisecond, QuietInterval: 50 * time.Millisecond,
		Groups: []server.Group{{ID: 1, Name: "kv", Group: store, Store: attached, Engine: "btree"}, {ID: 2, Name: "log", Group: log},
			{ID: 3, Name: "broken", Err: fmt.Errorf("its disk is gone")}}})
	require.NoError(c.t, err)
	serving := n.server
	go func() { n.served <- serving.Serve(l) }()
	c.t.Cleanup(func() { serving.Close() })
	n.conn, err = rpc.Dial(c.context(), n.address, rpc.ConnOptions{Cluster: "test"})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { n.conn.Close() })
	return n
}

func (c *testCluster) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.t.Cleanup(cancel)
	return ctx
}

// leader gives the node that leads a group and is ready, and one that does not lead but knows who does.
func (c *testCluster) leader(group string) (leads, follows *testNode) {
	c.t.Helper()
	ctx := c.context()
	for {
		leads, follows = nil, nil
		for _, n := range c.nodes {
			if r := n.node.Group(group).Role(); r.Ready {
				leads = n
			} else if r.Leader != "" {
				follows = n
			}
		}
		if leads != nil && (follows != nil || len(c.nodes) == 1) {
			return leads, follows
		}
		g := c.nodes[0].node.Group(group)
		wait, cancel := context.WithTimeout(ctx, 10*time.Millisecond) // it may be another node whose role changes
		_, _ = g.AwaitRole(wait, g.Role().Seq)
		cancel()
		require.NoError(c.t, ctx.Err(), "no leader of %s", group)
	}
}

// call asks a node, which has to answer with success.
func call[R any](c *testCluster, n *testNode, group string, verb rpc.Verb, args any) R {
	c.t.Helper()
	var result R
	require.NoError(c.t, n.conn.Call(c.context(), group, verb, args, &result), "%v", verb)
	return result
}

// refused asks a node, which has to answer with an error.
func refused(c *testCluster, n *testNode, group string, verb rpc.Verb, args any) *rpc.Error {
	c.t.Helper()
	var answer *rpc.Error
	require.ErrorAs(c.t, n.conn.Call(c.context(), group, verb, args, &rpc.Empty{}), &answer, "%v", verb)
	return answer
}
