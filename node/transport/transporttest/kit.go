package transporttest

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// Fabric is what an implementation gives the kit: transports that can reach each other.
type Fabric struct {
	// New makes a transport, not started, for a node. It is called again for a node whose transport was closed, and then the
	// node is reached at the same address.
	New func(t testing.TB, id raft.NodeID) transport.Transport
	// Address is where a node is reached, whether it runs or not.
	Address func(id raft.NodeID) string
	// Pump, for an implementation without goroutines, does what is to be done. Otherwise nil.
	Pump func()
}

// patience is how long the kit waits for what must happen.
const patience = 30 * time.Second

// Run runs the kit. newFabric is called for each case.
func Run(t *testing.T, newFabric func(t testing.TB) Fabric) {
	cases := []struct {
		name string
		run  func(*Bench)
		// concurrent: the case needs an implementation with goroutines.
		concurrent bool
	}{
		{name: "frames arrive whole and in order", run: framesArrive},
		{name: "slices stay with their owners", run: slicesStay},
		{name: "a large batch arrives", run: largeBatch},
		{name: "without a link nothing is sent", run: notConnected},
		{name: "bad frames are not sent", run: badFrames},
		{name: "both sides admit before anything else", run: admission},
		{name: "a refused peer is told why and may come back", run: refusedPeer},
		{name: "a dialer may refuse too", run: refusedByDialer},
		{name: "strangers are refused by both", run: strangers},
		{name: "a bad hello does not start", run: badHello},
		{name: "a peer restarts", run: restart},
		{name: "peers come, go and move", run: setPeers},
		{name: "a replaced connection delivers nothing late", run: replaced},
		{name: "a connection may be given up", run: givenUp},
		{name: "close ends everything", run: closing},
		{name: "handlers may send", run: sendFromHandler},
		{name: "senders do not mix", run: concurrentSenders, concurrent: true},
		{name: "close does not wait for peers", run: closeWhileBusy, concurrent: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fabric := newFabric(t)
			if c.concurrent && fabric.Pump != nil {
				return
			}
			c.run(NewBench(t, fabric))
		})
	}
}

// Bench is the nodes of one test.
type Bench struct {
	testing.TB
	Fabric Fabric
	board  *Board
}

// NewBench makes a bench without nodes.
func NewBench(t testing.TB, fabric Fabric) *Bench {
	return &Bench{TB: t, Fabric: fabric, board: NewBoard()}
}

// Node is a running node of a Bench.
type Node struct {
	transport.Transport
	*Recorder
	ID raft.NodeID
}

// Hello is what a node of the bench says of itself.
func (b *Bench) Hello(id raft.NodeID) transport.Hello {
	name := "kit"
	sum := sha256.Sum256([]byte(name))
	h := transport.Hello{
		Protocol:    transport.Range{Min: 1, Max: 1},
		Format:      transport.Range{Min: 1, Max: 1},
		Cluster:     [16]byte(sum[:16]),
		ClusterName: name,
		Node:        id,
	}
	directory := sha256.Sum256([]byte(id))
	copy(h.Directory[:], directory[:])
	return h
}

// Start starts a node that dials peers. It is closed at the end of the test.
func (b *Bench) Start(id raft.NodeID, peers ...raft.NodeID) *Node {
	return b.StartAs(b.Hello(id), NewRecorder(b.board), peers...)
}

// StartAs starts a node with a hello and a recorder of its own.
func (b *Bench) StartAs(hello transport.Hello, r *Recorder, peers ...raft.NodeID) *Node {
	b.Helper()
	n := &Node{Transport: b.Fabric.New(b, hello.Node), Recorder: r, ID: hello.Node}
	b.Cleanup(func() { _ = n.Close() })
	n.SetPeers(b.peers(peers...))
	require.NoError(b, n.Transport.Start(hello, r))
	return n
}

func (b *Bench) peers(ids ...raft.NodeID) map[raft.NodeID]string {
	peers := make(map[raft.NodeID]string)
	for _, id := range ids {
		peers[id] = b.Fabric.Address(id)
	}
	return peers
}

// Recorder makes a recorder for StartAs.
func (b *Bench) Recorder() *Recorder { return NewRecorder(b.board) }

// Pair starts two nodes that dial each other and waits until all links are up.
func (b *Bench) Pair() (n1, n2 *Node) {
	b.Helper()
	n1, n2 = b.Start("n1", "n2"), b.Start("n2", "n1")
	b.AwaitLinks(n1, "n2")
	b.AwaitLinks(n2, "n1")
	return n1, n2
}

// AwaitLinks waits until every link of a node to a peer has come up at least once.
func (b *Bench) AwaitLinks(n *Node, peer raft.NodeID) {
	b.Helper()
	b.Await("links from "+string(n.ID)+" to "+string(peer), func() bool {
		for _, c := range transport.Classes {
			if n.Connections(peer, c) == 0 {
				return false
			}
		}
		return true
	})
}

// Await waits until cond, which looks at recorders, holds.
func (b *Bench) Await(what string, cond func() bool) {
	b.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		changed := b.board.Changed()
		if cond() {
			return
		}
		if b.Fabric.Pump != nil {
			b.Fabric.Pump()
			select {
			case <-deadline.C:
				require.FailNow(b, "waited in vain for "+what)
			default:
			}
			continue
		}
		select {
		case <-changed:
		case <-deadline.C:
			require.FailNow(b, "waited in vain for "+what)
		}
	}
}

// AwaitFrames waits until n has received count frames from a peer in a class, and gives them.
func (b *Bench) AwaitFrames(n *Node, from raft.NodeID, c transport.Class, count int) []Received {
	b.Helper()
	b.Await("frames", func() bool { return len(n.Frames(from, c)) >= count })
	return n.Frames(from, c)
}
