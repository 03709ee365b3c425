package node

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// imageHere puts an image of n entries that ends with an entry, and chunks that mean nothing, into the store, as if a peer had sent it, and has a leader announce it.
func (h *handNode) imageHere(id raft.EntryID, n uint64, ballast ...[]byte) raft.Base {
	h.t.Helper()
	base := h.r.ledger.Base()
	base.ID, base.Position, base.Checksum = id, 4096, 1234
	w, err := h.r.images.store.Create(base)
	require.NoError(h.t, err)
	require.NoError(h.t, w.Chunk(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(id.Index)), n)))
	for _, chunk := range ballast {
		require.NoError(h.t, w.Chunk(chunk))
	}
	_, err = w.Commit()
	require.NoError(h.t, err)
	h.say(raft.Message{Type: raft.MsgImage, From: "n3", Term: id.Term, Image: &raft.ImageMeta{Base: base}})
	return base
}

// A peer that is asked to take the same image once more, because a connection broke meanwhile, takes it once; the log goes on being trimmed when
// it has it.
func TestAnOfferThatIsRepeatedEndsOnce(t *testing.T) {
	g := handStore()
	g.ImageEveryEntries = 2
	h := newHandNode(t, 3, g)
	h.lead()
	h.submit("a")
	h.submit("b")
	h.settle()
	h.say(raft.Message{Type: raft.MsgAppendResp, From: "n2", Term: 1, Last: h.r.ledger.Last()})
	h.settle()
	h.images.offer(h.r, "n2")
	h.settle()
	require.NotZero(t, h.r.images.sending.Load())
	h.images.offer(h.r, "n2")
	h.settle()
	require.NotZero(t, h.r.images.sending.Load())
	h.images.disconnected("n2")
	h.settle()
	require.Zero(t, h.r.images.sending.Load())
}

// An image that a peer needs is made even though no further entry is applied.
func TestAnIdleLeaderMakesTheImageThatIsWanted(t *testing.T) {
	h := newHandNode(t, 3, handStore())
	h.lead()
	_, ok := h.r.images.store.Newest()
	require.False(t, ok)
	h.images.offer(h.r, "n2")
	h.settle()
	meta, ok := h.r.images.store.Newest()
	require.True(t, ok)
	require.Equal(t, h.r.ledger.Last(), meta.Base.ID)
}

// The log is replaced while the applier is behind: what it has not applied is in the image.
func TestTheLogIsReplacedWhileTheApplierIsBehind(t *testing.T) {
	h := newHandNode(t, 3, handStore())
	h.lead()
	p := h.submit("a")
	h.settle()
	h.say(raft.Message{Type: raft.MsgAppendResp, From: "n2", Term: 1, Last: h.r.ledger.Last()})
	h.owners[0].loop.Turn()
	require.Greater(t, h.r.applyLimit.load(), h.r.applied.load())
	base := h.imageHere(raft.EntryID{Index: 50, Term: 2}, 40)
	h.owners[0].loop.Turn()
	h.images.loop.Turn()
	reset, next, err := h.images.prepare(h.r, base, func(struct{}) bool { return true })
	require.NoError(t, err)
	require.NoError(t, h.r.ledger.CommitReset(reset, next.old.Epoch+1))
	h.applier.loop.Turn()
	require.NoError(t, h.r.roles.load().Err)
	_, known, _ := p.Poll()
	require.False(t, known)

	h.settle()
	require.Equal(t, raft.Index(50), raft.Index(h.r.applied.load()))
	require.Equal(t, uint64(40), h.r.apply.machine.(*counter).n)
	_, known, err = p.Poll()
	require.True(t, known)
	require.ErrorIs(t, err, ErrUncertain)
}

// However far an installation has come when the node is closed, every machine is closed.
func TestCloseDuringAnInstallation(t *testing.T) {
	for turns := range 6 {
		var opened []*counter
		g := handStore()
		g.Factory = counters{opened: &opened}
		h := newHandNode(t, 3, g)
		h.lead()
		h.imageHere(raft.EntryID{Index: 50, Term: 2}, 40)
		for _, l := range []*Loop{h.owners[0].loop, h.images.loop, h.syncer.loop, h.applier.loop, h.images.loop}[:turns] {
			l.Turn()
		}
		require.NoError(t, h.Close())
		for i, m := range opened {
			require.True(t, m.closed, "machine %d of %d, after %d turns", i+1, len(opened), turns)
		}
	}
}

// An image that can't be installed for the moment is tried again from time to time, however often the leader announces it.
func TestAFailedInstallationIsRepeatedAfterAPause(t *testing.T) {
	var opened []*counter
	broken := true
	g := handStore()
	g.Factory = counters{&opened, &broken}
	h := newHandNode(t, 3, g)
	base := h.imageHere(raft.EntryID{Index: 50, Term: 2}, 40)
	announce := func() {
		h.say(raft.Message{Type: raft.MsgImage, From: "n3", Term: 2, Image: &raft.ImageMeta{Base: base}})
		h.settle()
	}
	announce()
	require.Len(t, opened, 2, "the machine in force and one that failed")
	for range 10 {
		announce()
		h.tick()
		h.settle()
	}
	require.Len(t, opened, 2)
	h.clock.now += failurePause
	h.tick()
	h.settle()
	broken = false
	announce()
	require.Len(t, opened, 3)
	require.Equal(t, uint64(50), h.r.applied.load())
	require.True(t, opened[1].closed)
}

// A large image goes into its machine a share at a time; the images of other groups move on meanwhile, and a node that closes gives it up.
func TestALargeImageIsInstalledInTurns(t *testing.T) {
	for _, closes := range []bool{false, true} {
		var opened []*counter
		g := handStore()
		g.Factory = counters{opened: &opened}
		h := newHandNode(t, 3, g)
		h.imageHere(raft.EntryID{Index: 50, Term: 2}, 40, slices.Repeat([][]byte{make([]byte, fillBytes)}, 4)...)
		h.owners[0].loop.Turn()
		for n := range 4 {
			require.True(t, h.images.loop.Turn(), "after %d turns", n+1)
			between := false
			h.images.post(func() { between = len(opened) == 2 && !opened[1].closed })
			h.images.takeEvents()
			require.True(t, between)
		}
		if closes {
			require.NoError(t, h.Close())
			require.True(t, opened[1].closed)
			require.Zero(t, h.r.applied.load())
			continue
		}
		h.settle()
		require.Equal(t, uint64(50), h.r.applied.load())
		require.Equal(t, uint64(40), opened[1].n)
	}
}
