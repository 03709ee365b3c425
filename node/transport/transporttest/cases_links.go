package transporttest

import (
	"errors"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

func notConnected(b *Bench) {
	n1 := b.Start("n1", "n2")
	frames := []transport.Frame{text(1, "x")}
	require.ErrorIs(b, n1.Send("n2", transport.Bulk, frames), transport.ErrNotConnected, "a peer that is not there")
	require.ErrorIs(b, n1.Send("n9", transport.Bulk, frames), transport.ErrNotConnected, "a peer that nobody knows")
	require.ErrorIs(b, n1.Send("n1", transport.Bulk, frames), transport.ErrNotConnected, "itself")
	n2 := b.Start("n2")
	b.AwaitLinks(n1, "n2")
	require.ErrorIs(b, n1.Send("n2", transport.Class(9), frames), transport.ErrNotConnected, "no such class")
	require.ErrorIs(b, n2.Send("n1", transport.Bulk, frames), transport.ErrNotConnected, "n2 was not told to dial n1")
	require.NoError(b, n1.Send("n2", transport.Bulk, frames))
	b.AwaitFrames(n2, "n1", transport.Bulk, 1)
}

func admission(b *Bench) {
	n1, n2 := b.Pair()
	require.NoError(b, n1.Send("n2", transport.Control, []transport.Frame{text(1, "x")}))
	b.AwaitFrames(n2, "n1", transport.Control, 1)
	check := func(n *Node, peer raft.NodeID) {
		want := b.Hello(peer)
		want.To = n.ID
		seen := make(map[transport.Class]map[bool]int)
		for _, a := range n.Admissions() {
			want.Class = a.Hello.Class
			require.Equal(b, want, a.Hello)
			if seen[a.Hello.Class] == nil {
				seen[a.Hello.Class] = make(map[bool]int)
			}
			seen[a.Hello.Class][a.Dialed]++
		}
		for _, c := range transport.Classes {
			require.Equal(b, map[bool]int{true: 1, false: 1}, seen[c], "each class is admitted once in each direction")
			require.Equal(b, 1, n.Connections(peer, c))
			require.Empty(b, n.Breaks(peer, c))
		}
	}
	check(n1, "n2")
	check(n2, "n1")
}

func refusedPeer(b *Bench) {
	refuse := errors.New("expected directory A, found B: n1's disk was wiped")
	r2 := b.Recorder()
	r2.OnAdmit(func(transport.Hello, bool) error { return refuse })
	n1 := b.Start("n1", "n2")
	n2 := b.StartAs(b.Hello("n2"), r2)
	b.Await("refusals", func() bool { return len(n1.Refusals("n2")) >= 3 && len(n2.Refusals("n1")) >= 3 })
	require.Contains(b, n1.Refusals("n2")[0], refuse.Error())
	require.Contains(b, n1.Refusals("n2")[0], "n2 refused us")
	require.Contains(b, n2.Refusals("n1")[0], refuse.Error())
	for _, c := range transport.Classes {
		require.Zero(b, n1.Connections("n2", c))
		require.ErrorIs(b, n1.Send("n2", c, []transport.Frame{text(1, "x")}), transport.ErrNotConnected)
		require.Empty(b, n1.Breaks("n2", c), "what was never up does not break")
		require.Empty(b, n2.Breaks("n1", c), "what was never up does not break")
	}
	r2.OnAdmit(nil)
	b.AwaitLinks(n1, "n2")
	require.NoError(b, n1.Send("n2", transport.Bulk, []transport.Frame{text(1, "x")}))
	b.AwaitFrames(n2, "n1", transport.Bulk, 1)
}

func refusedByDialer(b *Bench) {
	refuse := errors.New("expected directory A, found B: n2's disk was wiped")
	r1 := b.Recorder()
	r1.OnAdmit(func(transport.Hello, bool) error { return refuse })
	n1 := b.StartAs(b.Hello("n1"), r1, "n2")
	n2 := b.Start("n2")
	b.Await("refusals", func() bool { return len(n1.Refusals("n2")) >= 1 && len(n2.Refusals("n1")) >= 1 })
	require.Contains(b, n1.Refusals("n2")[0], refuse.Error())
	require.Contains(b, n2.Refusals("n1")[0], refuse.Error())
	require.Contains(b, n2.Refusals("n1")[0], "n1 refused us")
	for _, c := range transport.Classes {
		require.Zero(b, n1.Connections("n2", c))
	}
}

func strangers(b *Bench) {
	cases := []struct {
		id     raft.NodeID
		change func(*transport.Hello)
		reason string
	}{
		{"cluster", func(h *transport.Hello) { h.Cluster[0]++; h.ClusterName = "other" }, "cluster"},
		{"protocol", func(h *transport.Hello) { h.Protocol = transport.Range{Min: 2, Max: 3} }, "protocol version"},
		{"format", func(h *transport.Hello) { h.Format = transport.Range{Min: 7, Max: 9} }, "entry format"},
	}
	n1 := b.Start("n1", "cluster", "protocol", "format")
	for _, c := range cases {
		hello := b.Hello(c.id)
		c.change(&hello)
		n := b.StartAs(hello, b.Recorder(), "n1")
		b.Await("refusals of "+string(c.id), func() bool {
			return len(n1.Refusals(c.id)) >= 2 && len(n.Refusals("n1")) >= 2
		})
		for _, reason := range append(n1.Refusals(c.id), n.Refusals("n1")...) {
			require.Contains(b, reason, c.reason)
			require.Contains(b, reason, "expected")
			require.Contains(b, reason, "found")
		}
		require.Empty(b, n.Admissions(), "a stranger is refused before anybody is asked")
		for _, class := range transport.Classes {
			require.Zero(b, n.Connections("n1", class))
			require.Zero(b, n1.Connections(c.id, class))
		}
		require.NoError(b, n.Close())
	}
	require.Empty(b, n1.Admissions())

	// n1 believes that n3 is where n2 is.
	n2 := b.Start("n2")
	n1.SetPeers(map[raft.NodeID]string{"n3": b.Fabric.Address("n2")})
	b.Await("refusals of a wrong address", func() bool { return len(n1.Refusals("n3")) > 0 && len(n2.Refusals("n1")) > 0 })
	require.Contains(b, n1.Refusals("n3")[0], "address")
	// n1 believes that n3 is where n1 itself is.
	before := len(n1.Refusals("n1"))
	n1.SetPeers(map[raft.NodeID]string{"n3": b.Fabric.Address("n1")})
	b.Await("refusal of itself", func() bool { return len(n1.Refusals("n1")) > before })
	require.Zero(b, n1.Count()+n2.Count())
}

func badHello(b *Bench) {
	for name, change := range map[string]func(*transport.Hello){
		"no cluster name":     func(h *transport.Hello) { h.ClusterName = "" },
		"long cluster name":   func(h *transport.Hello) { h.ClusterName = string(make([]byte, 256)) },
		"no format":           func(h *transport.Hello) { h.Format = transport.Range{} },
		"format upside down":  func(h *transport.Hello) { h.Format = transport.Range{Min: 2, Max: 1} },
		"protocol upside ...": func(h *transport.Hello) { h.Protocol = transport.Range{Min: 2, Max: 1} },
		"no directory":        func(h *transport.Hello) { h.Directory = [16]byte{} },
		"no node":             func(h *transport.Hello) { h.Node = "" },
		"long node":           func(h *transport.Hello) { h.Node = raft.NodeID(make([]byte, 65)) },
	} {
		hello := b.Hello("n1")
		change(&hello)
		n := b.Fabric.New(b, "n1")
		require.ErrorIs(b, n.Start(hello, b.Recorder()), transport.ErrHello, name)
		require.NoError(b, n.Close())
	}
	n := b.Fabric.New(b, "n1")
	require.ErrorIs(b, n.Start(b.Hello("n1"), nil), transport.ErrHello)
	require.NoError(b, n.Start(b.Hello("n1"), b.Recorder()))
	require.Error(b, n.Start(b.Hello("n1"), b.Recorder()), "a transport is started once")
	require.NoError(b, n.Close())
	require.ErrorIs(b, b.closed("n2").Start(b.Hello("n2"), b.Recorder()), transport.ErrClosed)
}

func (b *Bench) closed(id raft.NodeID) transport.Transport {
	n := b.Fabric.New(b, id)
	require.NoError(b, n.Close())
	return n
}

func restart(b *Bench) {
	n1, n2 := b.Pair()
	for round := 1; round <= 3; round++ {
		require.NoError(b, n2.Close())
		b.Await("the breaks", func() bool {
			for _, c := range transport.Classes {
				if len(n1.Breaks("n2", c)) < 2*round {
					return false
				}
			}
			return true
		})
		n2 = b.Start("n2", "n1")
		b.Await("links to the new n2", func() bool {
			for _, c := range transport.Classes {
				if n1.Connections("n2", c) != round+1 || n2.Connections("n1", c) != 1 {
					return false
				}
			}
			return true
		})
		require.NoError(b, n1.Send("n2", transport.Bulk, []transport.Frame{text(1, "to %d", round)}))
		require.NoError(b, n2.Send("n1", transport.Bulk, []transport.Frame{text(1, "from %d", round)}))
		b.AwaitFrames(n2, "n1", transport.Bulk, 1)
		b.AwaitFrames(n1, "n2", transport.Bulk, round)
		for _, c := range transport.Classes {
			require.Len(b, n1.Breaks("n2", c), 2*round, "one break in each direction, told once")
		}
	}
}

func setPeers(b *Bench) {
	n1, n2, n3 := b.Start("n1"), b.Start("n2"), b.Start("n3")
	frames := []transport.Frame{text(1, "x")}
	require.ErrorIs(b, n1.Send("n2", transport.Bulk, frames), transport.ErrNotConnected)
	peers := b.peers("n1", "n2", "n3")
	n1.SetPeers(peers)
	clear(peers) // the map is the caller's
	b.AwaitLinks(n1, "n2")
	b.AwaitLinks(n1, "n3")
	n1.SetPeers(b.peers("n3"))
	b.Await("links to n2 given up", func() bool {
		return len(n1.Breaks("n2", transport.Bulk)) == 1 && len(n2.Breaks("n1", transport.Bulk)) == 1
	})
	require.ErrorIs(b, n1.Breaks("n2", transport.Bulk)[0], transport.ErrRemoved)
	require.ErrorIs(b, n1.Send("n2", transport.Bulk, frames), transport.ErrNotConnected)
	require.NoError(b, n1.Send("n3", transport.Bulk, frames), "who stays is not disturbed")
	b.AwaitFrames(n3, "n1", transport.Bulk, 1)
	require.Empty(b, n1.Breaks("n3", transport.Bulk))
	// Back and forth at once: the last word counts, and breaks come before what follows them.
	for range 10 {
		n1.SetPeers(b.peers("n2", "n3"))
		n1.SetPeers(b.peers("n3"))
	}
	n1.SetPeers(b.peers("n2", "n3"))
	b.Await("a lasting link to n2", func() bool {
		return n1.Connections("n2", transport.Bulk) == len(n1.Breaks("n2", transport.Bulk))+1
	})
	b.Await("a frame through", func() bool {
		return n1.Send("n2", transport.Bulk, frames) == nil
	})
	b.AwaitFrames(n2, "n1", transport.Bulk, 1)
}

// replaced restarts a node again and again while its peer takes frames: those of an older connection never come after those of
// a newer one, nor after its break was told.
func replaced(b *Bench) {
	n2 := b.Start("n2")
	var mu sync.Mutex
	var order []byte
	n2.OnReceive(func(r Received) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, r.Head[0])
	})
	const rounds = 8
	for round := range rounds {
		n1 := b.Start("n1", "n2")
		b.AwaitLinks(n1, "n2")
		for range 20 {
			require.NoError(b, n1.Send("n2", transport.Bulk, []transport.Frame{{Kind: 1, Head: []byte{byte(round)}}}))
		}
		b.Await("a frame of this round", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(order) > 0 && order[len(order)-1] == byte(round)
		})
		require.NoError(b, n1.Close())
	}
	b.Await("the breaks", func() bool { return len(n2.Breaks("n1", transport.Bulk)) == rounds })
	mu.Lock()
	defer mu.Unlock()
	require.IsNonDecreasing(b, order)
}

// givenUp has a handler end the connection that brought a bad frame.
func givenUp(b *Bench) {
	n1, n2 := b.Pair()
	rubbish := errors.New("rubbish")
	n2.OnReceive(func(r Received) {
		if string(r.Head) == "rubbish" {
			n2.Disconnect(r.From, r.Class, rubbish)
		}
	})
	n2.Disconnect("n9", transport.Bulk, rubbish) // nobody
	require.NoError(b, n1.Send("n2", transport.Bulk, []transport.Frame{text(1, "rubbish"), text(1, "what follows it")}))
	b.Await("the break and a new link", func() bool {
		return len(n2.Breaks("n1", transport.Bulk)) == 1 && len(n1.Breaks("n2", transport.Bulk)) == 1 &&
			n1.Connections("n2", transport.Bulk) == 2
	})
	require.ErrorIs(b, n2.Breaks("n1", transport.Bulk)[0], rubbish)
	require.NoError(b, n1.Send("n2", transport.Bulk, []transport.Frame{text(1, "sense")}))
	frames := b.AwaitFrames(n2, "n1", transport.Bulk, 2)
	require.Equal(b, "sense", string(frames[1].Head))
	require.Empty(b, n1.Breaks("n2", transport.Control), "other connections stay")
}

func closing(b *Bench) {
	n1, n2 := b.Pair()
	require.NoError(b, n1.Close())
	require.NoError(b, n1.Close(), "closing again is no error")
	frames := []transport.Frame{text(1, "x")}
	require.ErrorIs(b, n1.Send("n2", transport.Bulk, frames), transport.ErrClosed)
	n1.SetPeers(b.peers("n2", "n3"))
	counts := func() (n int) {
		for _, c := range transport.Classes {
			n += n1.Connections("n2", c) + len(n1.Breaks("n2", c))
		}
		return n + n1.Count() + len(n1.Admissions())
	}
	before := counts()
	b.Await("n2 to see it", func() bool {
		for _, c := range transport.Classes {
			if len(n2.Breaks("n1", c)) < 2 {
				return false
			}
		}
		return true
	})
	require.Equal(b, before, counts(), "a closed transport tells its handler nothing")
	for _, c := range transport.Classes {
		require.Empty(b, n1.Breaks("n2", c), "closing is not reported as a break")
	}
	require.NoError(b, b.Fabric.New(b, "n9").Close(), "one that was never started can be closed")
}

// closeWhileBusy closes a node that sends to one that takes nothing, and one that is dialing.
func closeWhileBusy(b *Bench) {
	n1, n2 := b.Pair()
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	n2.OnReceive(func(Received) {
		select {
		case arrived <- struct{}{}:
		default:
		}
		<-release
	})
	var sending sync.WaitGroup
	body := make([]byte, 1<<20)
	for range 4 {
		sending.Go(func() {
			for n1.Send("n2", transport.Bulk, []transport.Frame{{Kind: 1, Body: [][]byte{body}}}) == nil {
				continue
			}
		})
	}
	<-arrived
	require.NoError(b, n1.Close())
	sending.Wait()
	close(release)
	require.NoError(b, n2.Close())
}
