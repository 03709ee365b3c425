package transport_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// inbox is a node on a ManualNetwork that keeps the heads of what arrives.
type inbox struct {
	transport.Transport
	heads []string
	lost  []transport.Class
}

func (*inbox) Admit(transport.Hello, bool) error                        { return nil }
func (*inbox) Connected(raft.NodeID, transport.Class)                   {}
func (*inbox) Refused(raft.NodeID, string)                              {}
func (x *inbox) Disconnected(_ raft.NodeID, c transport.Class, _ error) { x.lost = append(x.lost, c) }
func (x *inbox) Receive(_ raft.NodeID, _ transport.Class, _ uint8, head, _ []byte) {
	x.heads = append(x.heads, string(head))
}

// send sends a frame of the control class with the head given.
func (x *inbox) send(t *testing.T, to raft.NodeID, head string) {
	t.Helper()
	require.NoError(t, x.Send(to, transport.Control, []transport.Frame{{Kind: transport.KindMessages, Head: []byte(head)}}))
}

func manualPair(t *testing.T) (n *transport.ManualNetwork, a, b *inbox) {
	n = transport.NewManualNetwork(1)
	var both []*inbox
	for _, id := range []raft.NodeID{"a", "b"} {
		x := &inbox{Transport: n.Transport(id)}
		x.SetPeers(map[raft.NodeID]string{"a": "memory:a", "b": "memory:b"})
		hello := transport.Hello{Format: transport.Range{Min: 1, Max: 1}, Cluster: [16]byte{1}, ClusterName: "c", Node: id, Directory: [16]byte{byte(len(both)) + 1}}
		require.NoError(t, x.Start(hello, x))
		both = append(both, x)
	}
	require.Equal(t, 6, n.Dial())
	require.Zero(t, n.Dial(), "nothing is left to dial")
	return n, both[0], both[1]
}

func TestManualNetworkTakesTime(t *testing.T) {
	t.Parallel()
	n, a, b := manualPair(t)
	delays := []time.Duration{5, 1, 1}
	n.SetDelay(func(raft.NodeID, raft.NodeID, transport.Class) time.Duration {
		d := delays[0]
		delays = delays[1:]
		return d
	})
	n.SetNow(100)
	a.send(t, "b", "first")
	a.send(t, "b", "second")
	b.send(t, "a", "answer")
	count, next, ok := n.Ripe()
	require.Zero(t, count)
	require.True(t, ok)
	require.Equal(t, time.Duration(101), next)
	n.SetNow(101)
	count, next, _ = n.Ripe()
	require.Equal(t, 1, count, "the second frame waits for the first one of its link")
	require.Equal(t, time.Duration(105), next)
	w, bytes := n.DeliverRipe(0)
	require.Equal(t, raft.NodeID("b"), w.From)
	require.Equal(t, len("answer"), bytes)
	require.Equal(t, []string{"answer"}, a.heads)
	n.SetNow(105)
	n.DeliverRipe(0)
	n.DeliverRipe(0)
	require.Equal(t, []string{"first", "second"}, b.heads)
}

func TestManualNetworkHolds(t *testing.T) {
	t.Parallel()
	n, a, b := manualPair(t)
	n.Hold("a", "b")
	a.send(t, "b", "held")
	b.send(t, "a", "not held")
	for n.Step() {
	}
	require.Empty(t, b.heads)
	require.Equal(t, []string{"not held"}, a.heads)
	require.Equal(t, 1, n.Pending())
	n.Break("a", "b")
	require.Zero(t, n.Dial(), "who can't hear the answer can't dial")
	n.Release("a", "b")
	require.Equal(t, 6, n.Dial())
	n.Hold("a", "b")
	a.send(t, "b", "late")
	n.HealAll()
	for n.Step() {
	}
	require.Equal(t, []string{"late"}, b.heads, "what was held when the link broke is lost")
}

func TestManualNetworkResetsOneLink(t *testing.T) {
	t.Parallel()
	n, a, b := manualPair(t)
	a.send(t, "b", "lost")
	require.True(t, n.Reset("a", "b", transport.Control))
	require.False(t, n.Reset("a", "b", transport.Control), "it is gone")
	require.Zero(t, n.Pending())
	require.Equal(t, []transport.Class{transport.Control}, a.lost)
	require.Equal(t, []transport.Class{transport.Control}, b.lost)
	require.Equal(t, 1, n.Dial(), "the others are still there")
}

func TestManualNetworkDeliversForTheDying(t *testing.T) {
	t.Parallel()
	n, a, b := manualPair(t)
	n.SetDelay(func(raft.NodeID, raft.NodeID, transport.Class) time.Duration { return time.Hour })
	for _, head := range []string{"1", "2", "3"} {
		a.send(t, "b", head)
	}
	n.Flush("a", func(_ raft.NodeID, _ transport.Class, waiting int) int { return waiting - 1 })
	require.Equal(t, []string{"1", "2"}, b.heads)
	require.NoError(t, a.Close())
	require.Zero(t, n.Pending())
}

func TestManualNetworkFaultsOfOneClass(t *testing.T) {
	t.Parallel()
	n, a, b := manualPair(t)
	n.SetClassFaults(transport.Control, transport.ManualFaults{Drop: 1})
	a.send(t, "b", "dropped")
	require.NoError(t, a.Send("b", transport.Bulk, []transport.Frame{{Kind: transport.KindMessages, Head: []byte("kept")}}))
	for n.Step() {
	}
	require.Equal(t, []string{"kept"}, b.heads)
}
