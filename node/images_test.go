package node

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// eager is a store that makes an image after each entry.
func eager() GroupOptions {
	g := handStore()
	g.ImageEveryEntries = 1
	return g
}

// An image that the applier has begun in its last turn is closed with the node.
func TestImagesThatWereBegunAreClosed(t *testing.T) {
	h := newHandNode(t, 1, eager())
	h.lead()
	h.submit("x")
	for _, l := range []*Loop{h.owners[0].loop, h.syncer.loop, h.owners[0].loop, h.applier.loop} {
		l.Turn()
	}
	machine := h.r.apply.machine.(*counter)
	require.Equal(t, 1, machine.open, "begun, and the images loop has not seen it")
	require.NoError(t, h.Close())
	require.Zero(t, machine.open)
	require.True(t, machine.closed)
}

// Who joined makes no image before it knows who the members are: an image has to bring them.
func TestNoImageWithoutMembers(t *testing.T) {
	h := openHandNode(t, 3, eager(), true)
	follow := func(prev raft.Index, kinds ...raft.Kind) {
		m, records := h.appended(1, prev, prev+raft.Index(len(kinds)), kinds...)
		h.say(m, records...)
		h.settle()
		require.Equal(t, uint64(m.Commit), h.r.applied.load())
	}
	follow(0, raft.KindEmpty, raft.KindData)
	require.Zero(t, h.r.images.newest().index)
	follow(2, raft.KindConfig, raft.KindData)
	require.EqualValues(t, 4, h.r.images.newest().index)
	require.NotEmpty(t, h.r.images.store.List()[0].Base.Configuration.Members)
}

// A leader that is deposed stops sending images, and the log is no longer kept for them.
func TestADeposedLeaderGivesItsOffersUp(t *testing.T) {
	h := newHandNode(t, 3, eager())
	h.lead()
	h.submit("a")
	h.settle()
	h.say(raft.Message{Type: raft.MsgAppendResp, From: "n2", Term: 1, Last: h.r.ledger.Last()})
	h.settle()
	h.images.offer(h.r, "n2")
	h.settle()
	require.NotZero(t, h.r.images.sending.Load())
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n3", Term: 2})
	h.settle()
	require.Zero(t, h.r.images.sending.Load())
	require.Empty(t, h.images.offered)
	require.Empty(t, h.images.delayed, "nobody waits for them")
}

// An image that could not be made stays due; it is not tried again with every batch that is applied.
func TestAnImageThatFailedIsTriedAgainAfterAPause(t *testing.T) {
	h := newHandNode(t, 1, eager())
	h.lead()
	for _, ops := range [][]disk.OpKind{{disk.OpCreate}, {disk.OpWrite}} {
		remove := h.disk.Inject(disk.Fault{Ops: ops, Path: "*.tmp"})
		machine := h.r.apply.machine.(*counter)
		before := machine.begun
		for range 10 {
			h.submit("x")
			h.settle()
		}
		require.Equal(t, before+1, machine.begun)
		require.Zero(t, machine.open)
		remove()
		h.clock.now += failurePause
		h.submit("x")
		h.settle()
		require.Equal(t, before+2, machine.begun)
		meta, ok := h.r.images.store.Newest()
		require.True(t, ok)
		require.Equal(t, raft.Index(h.r.applied.load()), meta.Base.ID.Index)
	}
}

// A core whose peer needs an image that is not there asks for it again as soon as it is, and not before.
func TestWhoWaitsForAnImageIsToldWhenItIsThere(t *testing.T) {
	h := newHandNode(t, 3, handStore())
	h.lead()
	h.images.offer(h.r, "n3")
	for h.images.loop.Ready() {
		h.images.loop.Turn()
	}
	require.Len(t, h.images.delayed, 1)
	h.settle() // the applier begins the image, and the images loop writes it
	h.images.loop.Turn()
	require.Empty(t, h.images.delayed)
}

// An image from a leader, not installed yet, does not push out the one from which this replica would start again.
func TestAnImageFromElsewhereDoesNotReplaceOnesOwn(t *testing.T) {
	g := eager()
	g.KeepImages = 1
	h := newHandNode(t, 1, g)
	h.lead()
	base := h.r.ledger.Base()
	base.ID, base.Position = raft.EntryID{Index: 50, Term: 1}, 4096
	w, err := h.r.images.store.Create(base)
	require.NoError(t, err)
	require.NoError(t, w.Chunk(binary.LittleEndian.AppendUint64(make([]byte, 8), 40)))
	_, err = w.Commit()
	require.NoError(t, err)
	for range 3 {
		h.submit("x")
		h.settle()
	}
	last := h.r.images.newest()
	require.Equal(t, raft.Index(h.r.applied.load()), last.index)
	fitting := h.r.fittingImages()
	require.Len(t, fitting, 1, "without it the machine is lost once the log behind it is gone")
	require.Equal(t, last.index, fitting[0].Base.ID.Index)
	require.Len(t, h.r.images.store.List(), 2)
}
