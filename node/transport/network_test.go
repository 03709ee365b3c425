package transport_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/node/transport/transporttest"
	"github.com/ledgerkv/ledgerkv/raft"
)

func one(format string, args ...any) []transport.Frame {
	return []transport.Frame{{Kind: 1, Head: fmt.Appendf(nil, format, args...)}}
}

func networkPair(t *testing.T) (*transport.Network, *transporttest.Bench, *transporttest.Node, *transporttest.Node) {
	n := transport.NewNetwork()
	b := transporttest.NewBench(t, transporttest.Fabric{
		New:     func(_ testing.TB, id raft.NodeID) transport.Transport { return n.Transport(id) },
		Address: func(id raft.NodeID) string { return n.Transport(id).Addr() },
	})
	n1, n2 := b.Pair()
	return n, b, n1, n2
}

func TestNetworkCutsOneWay(t *testing.T) {
	t.Parallel()
	network, b, n1, n2 := networkPair(t)
	network.Cut("n1", "n2")
	require.NoError(t, n1.Send("n2", transport.Bulk, one("lost")))
	require.NoError(t, n2.Send("n1", transport.Bulk, one("the other way")))
	b.AwaitFrames(n1, "n2", transport.Bulk, 1)
	network.Heal("n1", "n2")
	require.NoError(t, n1.Send("n2", transport.Bulk, one("healed")))
	require.Equal(t, "healed", string(b.AwaitFrames(n2, "n1", transport.Bulk, 1)[0].Head))
	require.Empty(t, n1.Breaks("n2", transport.Bulk), "a cut is silent")
}

func TestNetworkBreaks(t *testing.T) {
	t.Parallel()
	network, b, n1, n2 := networkPair(t)
	network.Cut("n2", "n1") // no links come up while there is a cut in either direction
	network.Break("n1", "n2")
	for _, c := range transport.Classes {
		b.Await("the breaks", func() bool { return len(n1.Breaks("n2", c)) == 2 && len(n2.Breaks("n1", c)) == 2 })
		require.ErrorIs(t, n1.Send("n2", c, one("x")), transport.ErrNotConnected)
	}
	network.HealAll()
	b.Await("links", func() bool {
		return n1.Connections("n2", transport.Bulk) == 2 && n2.Connections("n1", transport.Bulk) == 2
	})
	require.NoError(t, n1.Send("n2", transport.Bulk, one("x")))
	b.AwaitFrames(n2, "n1", transport.Bulk, 1)
}

func TestNetworkLosesFrames(t *testing.T) {
	t.Parallel()
	const seed, frames = 7, 1000
	t.Logf("seed %d", seed)
	network, b, n1, n2 := networkPair(t)
	network.SetLoss(0.5, seed)
	for i := range frames {
		require.NoError(t, n1.Send("n2", transport.Bulk, one("%d", i)))
	}
	network.SetLoss(0, seed)
	require.NoError(t, n1.Send("n2", transport.Bulk, one("last")))
	b.Await("the last frame", func() bool {
		got := n2.Frames("n1", transport.Bulk)
		return len(got) > 0 && string(got[len(got)-1].Head) == "last"
	})
	require.InDelta(t, frames/2, len(n2.Frames("n1", transport.Bulk)), frames/10)
}

// manualCluster is three nodes on a manual network that dial each other.
type manualCluster struct {
	*transport.ManualNetwork
	nodes map[raft.NodeID]*transporttest.Node
	b     *transporttest.Bench
}

func newManualCluster(t *testing.T, seed uint64) *manualCluster {
	n := transport.NewManualNetwork(seed)
	c := &manualCluster{ManualNetwork: n, nodes: make(map[raft.NodeID]*transporttest.Node)}
	c.b = transporttest.NewBench(t, transporttest.Fabric{
		New:     func(_ testing.TB, id raft.NodeID) transport.Transport { return n.Transport(id) },
		Address: func(id raft.NodeID) string { return n.Transport(id).Addr() },
		Pump:    func() { n.Step() },
	})
	for _, id := range []raft.NodeID{"n1", "n2", "n3"} {
		c.nodes[id] = c.b.Start(id, "n1", "n2", "n3")
	}
	require.Zero(t, n.Pending())
	require.Equal(t, 3*2*len(transport.Classes), n.Dial())
	require.Zero(t, n.Dial(), "what is up is not dialed again")
	return c
}

// trace sends from every node to every other, delivers everything, and tells in which order it came.
func (c *manualCluster) trace(t *testing.T) string {
	var order strings.Builder
	for _, id := range []raft.NodeID{"n1", "n2", "n3"} {
		c.nodes[id].OnReceive(func(r transporttest.Received) { fmt.Fprintf(&order, "%s>%s:%s ", r.From, id, r.Head) })
	}
	for i := range 4 {
		for _, from := range []raft.NodeID{"n1", "n2", "n3"} {
			for _, to := range []raft.NodeID{"n1", "n2", "n3"} {
				if from != to {
					require.NoError(t, c.nodes[from].Send(to, transport.Bulk, one("%d", i)))
				}
			}
		}
	}
	require.Equal(t, 24, c.Pending())
	for c.Step() {
		continue
	}
	require.Zero(t, c.Pending())
	return order.String()
}

func TestManualNetworkIsDrawnFromItsSeed(t *testing.T) {
	t.Parallel()
	first := newManualCluster(t, 1).trace(t)
	require.Equal(t, first, newManualCluster(t, 1).trace(t), "the same seed, the same order")
	require.NotEqual(t, first, newManualCluster(t, 2).trace(t))
	for _, link := range []string{"n1>n2", "n3>n1"} {
		at := -1
		for i := range 4 {
			next := strings.Index(first, fmt.Sprintf("%s:%d", link, i))
			require.Greater(t, next, at, "the frames of one link stay in order")
			at = next
		}
	}
}

func TestManualNetworkByHand(t *testing.T) {
	t.Parallel()
	c := newManualCluster(t, 1)
	n1, n2, n3 := c.nodes["n1"], c.nodes["n2"], c.nodes["n3"]
	require.NoError(t, n3.Send("n1", transport.Control, one("a")))
	require.NoError(t, n1.Send("n2", transport.Bulk, append(one("b"), one("c")...)))
	require.NoError(t, n1.Send("n2", transport.Control, one("d")))
	require.Equal(t, []transport.Waiting{
		{From: "n1", To: "n2", Class: transport.Control, Frames: 1},
		{From: "n1", To: "n2", Class: transport.Bulk, Frames: 2},
		{From: "n3", To: "n1", Class: transport.Control, Frames: 1},
	}, c.Waiting())
	require.NoError(t, c.DeliverNext(1))
	require.Equal(t, "b", string(n2.Frames("n1", transport.Bulk)[0].Head))
	require.NoError(t, c.DeliverNext(2))
	require.Equal(t, "a", string(n1.Frames("n3", transport.Control)[0].Head))
	require.Error(t, c.DeliverNext(2))
	require.Error(t, c.DeliverNext(-1))
	require.Equal(t, 2, c.Pending())

	c.Break("n2", "n1")
	require.Zero(t, c.Pending(), "what was on the way is lost")
	for _, class := range transport.Classes {
		require.Len(t, n1.Breaks("n2", class), 2)
		require.Len(t, n2.Breaks("n1", class), 2)
		require.Empty(t, n1.Breaks("n3", class))
		require.ErrorIs(t, n1.Send("n2", class, one("x")), transport.ErrNotConnected)
	}
	c.Cut("n1", "n2")
	require.Zero(t, c.Dial())
	c.Heal("n1", "n2")
	c.Cut("n2", "n1")
	require.Zero(t, c.Dial(), "a handshake needs both directions")
	c.HealAll()
	require.Equal(t, 6, c.Dial())

	require.NoError(t, n3.Close())
	require.Equal(t, 6, len(n1.Breaks("n3", transport.Control))+len(n1.Breaks("n3", transport.Bulk))+len(n1.Breaks("n3", transport.Image)))
	require.Zero(t, c.Dial())
	c.nodes["n3"] = c.b.Start("n3", "n1", "n2")
	require.Equal(t, 12, c.Dial())
}

func TestManualNetworkFaults(t *testing.T) {
	t.Parallel()
	const frames = 1000
	count := func(f transport.ManualFaults) (received int) {
		c := newManualCluster(t, 3)
		c.SetFaults(f)
		for i := range frames {
			require.NoError(t, c.nodes["n1"].Send("n2", transport.Bulk, one("%d", i)))
		}
		for c.Step() {
			continue
		}
		return c.nodes["n2"].Count()
	}
	require.Equal(t, frames, count(transport.ManualFaults{}))
	require.InDelta(t, frames/2, count(transport.ManualFaults{Drop: 0.5}), frames/10)
	require.InDelta(t, 2*frames, count(transport.ManualFaults{Duplicate: 0.5}), frames/5)
	require.Zero(t, count(transport.ManualFaults{Drop: 1}))

	c := newManualCluster(t, 3)
	c.Cut("n1", "n2")
	require.NoError(t, c.nodes["n1"].Send("n2", transport.Bulk, one("lost")))
	require.True(t, c.Step())
	require.Zero(t, c.nodes["n2"].Count())
	require.NoError(t, c.nodes["n2"].Send("n1", transport.Bulk, one("not lost")))
	require.True(t, c.Step())
	require.Equal(t, 1, c.nodes["n1"].Count())
}

// TestNetworksAreBounded: a peer that takes nothing costs a bounded amount of memory, then its link.
func TestNetworksAreBounded(t *testing.T) {
	t.Parallel()
	c := newManualCluster(t, 1)
	n1 := c.nodes["n1"]
	frames := []transport.Frame{{Kind: 1, Body: [][]byte{make([]byte, 16<<20)}}}
	var err error
	sent := 0
	for ; err == nil; sent++ {
		err = n1.Send("n2", transport.Bulk, frames)
	}
	require.LessOrEqual(t, sent, 5)
	require.Len(t, n1.Breaks("n2", transport.Bulk), 1)
	require.Len(t, c.nodes["n2"].Breaks("n1", transport.Bulk), 1)
	require.Empty(t, n1.Breaks("n2", transport.Control))

	_, b, n1, n2 := networkPair(t)
	release := make(chan struct{})
	n2.OnReceive(func(transporttest.Received) { <-release })
	for err = nil; err == nil; {
		err = n1.Send("n2", transport.Bulk, one("x"))
	}
	b.Await("the break", func() bool { return len(n1.Breaks("n2", transport.Bulk)) == 1 })
	close(release)
}

func TestNodesOfANetworkHaveOneName(t *testing.T) {
	t.Parallel()
	for _, network := range []interface {
		Transport(raft.NodeID) transport.Transport
	}{transport.NewNetwork(), transport.NewManualNetwork(1)} {
		b := transporttest.NewBench(t, transporttest.Fabric{})
		first := network.Transport("n1")
		require.ErrorIs(t, first.Start(b.Hello("n2"), b.Recorder()), transport.ErrHello)
		require.NoError(t, first.Start(b.Hello("n1"), b.Recorder()))
		require.Error(t, network.Transport("n1").Start(b.Hello("n1"), b.Recorder()))
		require.NoError(t, first.Close())
		second := network.Transport("n1")
		require.NoError(t, second.Start(b.Hello("n1"), b.Recorder()))
		require.NoError(t, second.Close())
	}
}
