package snapshot_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
)

func TestTheBandwidthLimitHolds(t *testing.T) {
	const limit = 100_000
	n := newNetwork(t, "a", "b", "c")
	n.start("a", snapshot.OffersOptions{BytesPerSecond: limit}, snapshot.FetchesOptions{})
	data := chunks(9, 40, 20_000)
	m := mustWrite(t, n.stores["a"], 9, data)
	begin := n.now
	n.offer("a", "b", 5, m)
	n.offer("a", "c", 5, m)
	slack := float64(limit/10 + 2*30_000)
	n.run(func() bool {
		took := float64(n.now-begin) / float64(second)
		require.LessOrEqual(t, float64(n.bytes), took*limit+slack)
		return len(n.sent) == 2
	})
	for _, s := range n.sent {
		require.NoError(t, s.Err)
	}
	took := float64(n.now-begin) / float64(second)
	require.GreaterOrEqual(t, float64(n.bytes), (took-1)*limit, "the limit is used")
	require.Equal(t, 40, n.chunks["b"], "waiting is no reason to send again")
	require.Equal(t, 40, n.chunks["c"])
}

func TestSlowTransfersShareTheLimit(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.start("a", snapshot.OffersOptions{BytesPerSecond: 50_000}, snapshot.FetchesOptions{})
	m, _ := n.bigImage("a")
	n.offer("a", "b", 5, m)
	n.offer("a", "c", 5, m)
	n.run(func() bool {
		require.InDelta(t, n.chunks["b"], n.chunks["c"], 8)
		return len(n.sent) == 2
	})
}

// With a limit of next to nothing the next chunk is due some day, and time does not overflow.
func TestATinyLimitDoesNotOverflow(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.start("a", snapshot.OffersOptions{BytesPerSecond: 1}, snapshot.FetchesOptions{})
	m, _ := n.bigImage("a")
	n.offer("a", "b", 5, m)
	for range 100 {
		n.step(second)
	}
	require.Equal(t, 1, n.chunks["b"])
	require.Empty(t, n.sent)
}

func TestTheCapsHold(t *testing.T) {
	ids := []raft.NodeID{"a", "b", "c", "d", "e", "f"}
	n := newNetwork(t, ids...)
	n.start("a", snapshot.OffersOptions{MaxTransfers: 2}, snapshot.FetchesOptions{})
	m, _ := n.bigImage("a")
	for _, id := range ids[1:] {
		n.offer("a", id, 5, m)
	}
	n.run(func() bool {
		busy := 0
		for _, id := range ids[1:] {
			if c := n.chunks[id]; c > 0 && c < 40 {
				busy++
			}
		}
		require.LessOrEqual(t, busy, 2)
		return len(n.sent) == 5
	})
	for i, s := range n.sent {
		require.NoError(t, s.Err)
		require.Equal(t, ids[i+1], s.Peer, "in order of the offers")
	}
}

func TestTheReceiversCapHolds(t *testing.T) {
	d := disk.New(1)
	groups := map[raft.GroupID]*snapshot.Store{}
	identity := func(g raft.GroupID) snapshot.Identity { return snapshot.Identity{Group: g} }
	fetches := snapshot.NewFetches(snapshot.FetchesOptions{MaxTransfers: 2}, func(g raft.GroupID) (snapshot.Target, bool) {
		return snapshot.Target{Identity: identity(g), Store: groups[g]}, true
	})
	offers := snapshot.NewOffers(snapshot.OffersOptions{MaxPerPeer: 9})
	for g := raft.GroupID(3); g > 0; g-- {
		at, err := snapshot.Open(d, fmt.Sprintf("at/%d", g), identity(g))
		require.NoError(t, err)
		groups[g], err = snapshot.Open(d, fmt.Sprintf("to/%d", g), identity(g))
		require.NoError(t, err)
		m := mustWrite(t, at, 9, chunks(9, 3, 10))
		r, err := at.Open(m)
		require.NoError(t, err)
		offers.Offer(snapshot.Offer{Peer: "b", Term: 1, Meta: m, Source: r})
	}
	for _, f := range offers.Turn(1).Frames {
		require.NoError(t, fetches.Handle(1, "a", f.Head, f.Body))
	}
	for _, f := range fetches.Turn(1).Frames {
		require.NoError(t, offers.Handle(1, "b", f.Head))
	}
	sent := offers.Turn(2).Sent
	require.Len(t, sent, 1)
	require.ErrorIs(t, sent[0].Err, snapshot.ErrBusy)
	require.ErrorIs(t, sent[0].Err, snapshot.ErrRefused)
	require.Equal(t, raft.GroupID(1), sent[0].Group)
	fetches.Close()
	offers.Close()
}
