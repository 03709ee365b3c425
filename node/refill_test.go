package node

import (
	"encoding/binary"
	"errors"
	"math"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// droppers opens counters and notes what is dropped.
type droppers struct {
	counters
	dropped *[]uint64
}

func (f droppers) Drop(p statemachine.Place) error {
	*f.dropped = append(*f.dropped, p.Epoch)
	return nil
}

// bereft is a follower with two entries in its log, of which nothing is durable yet, whose machine has lost its state.
func bereft(t *testing.T, g GroupOptions) *handNode {
	h := newHandNode(t, 3, g)
	h.r.loseState(errors.New("lost"))
	h.settle()
	m, records := h.appended(1, 0, 0, raft.KindEmpty, raft.KindData)
	h.say(m, records...)
	h.owners[0].loop.Turn()
	require.ErrorIs(t, (&Group{h.r}).Serving(), ErrStateLost)
	return h
}

// offered puts an image that ends with the second entry into the store, as if the leader had sent it.
func (h *handNode) offered(ballast ...[]byte) snapshot.Meta {
	h.t.Helper()
	base, err := h.r.ledger.BaseAt(2)
	require.NoError(h.t, err)
	w, err := h.r.images.store.Create(base)
	require.NoError(h.t, err)
	require.NoError(h.t, w.Chunk(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 2), 1)))
	for _, chunk := range ballast {
		require.NoError(h.t, w.Chunk(chunk))
	}
	meta, err := w.Commit()
	require.NoError(h.t, err)
	return meta
}

// rot damages every image in the store.
func (h *handNode) rot() {
	h.t.Helper()
	dir := h.r.images.store.Dir()
	names, err := h.disk.List(dir)
	require.NoError(h.t, err)
	for _, name := range names {
		if strings.HasSuffix(name, ".img") {
			size, err := h.disk.Stat(path.Join(dir, name))
			require.NoError(h.t, err)
			require.NoError(h.t, h.disk.Flip(path.Join(dir, name), size/2, 1))
		}
	}
}

// An image ends with an entry that is in the log and not durable yet. A machine that took it would be ahead of the log after a power cut, and the replica
// could not be opened again.
func TestALostStateIsNotFilledBeyondTheDurableLog(t *testing.T) {
	h := bereft(t, handStore())
	meta := h.offered()
	require.True(t, h.images.refill(h.r, meta), "it is not for the core, which would give the log up for it")
	for range 4 {
		h.images.loop.Turn()
		h.applier.loop.Turn()
	}
	require.Zero(t, h.r.applied.load())
	require.ErrorIs(t, (&Group{h.r}).Serving(), ErrStateLost)

	h.settle()
	require.EqualValues(t, 2, h.r.synced.Load())
	require.True(t, h.images.refill(h.r, meta))
	h.images.loop.notify()
	h.settle()
	require.NoError(t, (&Group{h.r}).Serving())
	require.EqualValues(t, 2, h.r.applied.load())
}

// An image proves rotten when it has gone into the machine in part. The next one goes into an empty machine.
func TestALostStateIsFilledAfterAnAttemptThatFailed(t *testing.T) {
	var opened []*counter
	g := handStore()
	g.Factory = counters{opened: &opened}
	h := bereft(t, g)
	h.settle()
	meta := h.offered(make([]byte, 1<<16))
	h.rot()
	require.True(t, h.images.refill(h.r, meta))
	h.images.loop.notify()
	h.settle()
	require.ErrorIs(t, (&Group{h.r}).Serving(), ErrStateLost)
	require.True(t, h.images.refill(h.r, h.offered()))
	h.images.loop.notify()
	h.settle()
	require.NoError(t, (&Group{h.r}).Serving())
	require.Len(t, opened, 2)
	require.True(t, opened[0].closed)
	require.False(t, opened[1].closed)
	require.Same(t, opened[1], (&Group{h.r}).Machine())
	require.EqualValues(t, 1, opened[1].n)
}

// While an image goes into the machine that has lost its state, one that lies beyond the log takes the place of log and machine. Then the first one
// proves rotten: what is in force by then is left alone.
func TestAnInstallationOvertakesTheFillingOfALostState(t *testing.T) {
	var dropped []uint64
	g := handStore()
	g.Factory = droppers{dropped: &dropped}
	h := bereft(t, g)
	h.settle()
	meta := h.offered(make([]byte, fillBytes), make([]byte, fillBytes), make([]byte, fillBytes))
	h.rot()
	require.True(t, h.images.refill(h.r, meta))
	h.imageHere(raft.EntryID{Index: 50, Term: 2}, 40)
	h.owners[0].loop.Turn()
	h.images.loop.Turn()
	h.syncer.loop.Turn() // the new set is in force, and the applier does not know
	require.EqualValues(t, 2, h.r.ledger.EngineEpoch())
	for len(h.images.fillings) > 0 {
		h.images.loop.Turn()
	}
	require.NoError(t, (&Group{h.r}).Role().Err)
	require.Equal(t, []uint64{2}, dropped, "but for what an earlier attempt may have left, nothing was dropped")
	h.settle()
	require.NoError(t, (&Group{h.r}).Serving())
	machine := (&Group{h.r}).Machine().(*counter)
	require.False(t, machine.closed)
	require.EqualValues(t, 40, machine.n)
	require.EqualValues(t, 50, h.r.applied.load())
	require.Equal(t, []uint64{2, 1}, dropped)
}

// Who asks for an image that nobody can have yet, or ever, has none made.
func TestNoImageIsMadeForWhoAsksForTheFuture(t *testing.T) {
	h := newHandNode(t, 3, handStore())
	h.lead()
	h.images.asked("n2", 1, math.MaxUint64)
	h.settle()
	_, ok := h.r.images.store.Newest()
	require.False(t, ok)
	h.images.asked("n2", 1, 1)
	h.settle()
	_, ok = h.r.images.store.Newest()
	require.True(t, ok)
}
