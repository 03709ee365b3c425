package node

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// A follower on a full device takes in what is no data as long as it can: the entry that opens a term, and the trim that makes space.
func TestAFullFollowerTakesWhatIsNoData(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.disk.SetCapacity(h.disk.Used())
	for before := raft.Index(1); before != h.r.ledger.Last().Index; {
		before = h.r.ledger.Last().Index
		m, records := h.appended(1, before, 0, raft.KindData)
		h.say(m, records...)
		h.settle()
	}
	require.True(t, h.r.diskFull.Load())
	for left := true; left; {
		left = h.r.ledger.Room(0) >= raft.RecordHeaderSize
		m, records := h.appended(2, h.r.ledger.Last().Index, 0, raft.KindEmpty)
		h.say(m, records...)
		h.settle()
		require.Equal(t, m.Last, h.r.ledger.Last())
		require.Equal(t, uint64(m.Last.Index), h.r.synced.Load())
	}
	require.NoError(t, h.r.roles.load().Err)
}

// The device fills up while the owner appends what the core has just accepted: that waits for space, and the replica works on.
func TestTheDiskFillsDuringAnAppend(t *testing.T) {
	h := newHandNode(t, 1, handLog())
	h.lead()
	body := strings.Repeat("x", 12<<10)
	h.submit(body)
	h.submit(body)
	h.owners[0].loop.Turn()
	h.syncer.loop.Turn()
	p := h.submit(body)
	h.clock.wall = func() {
		h.disk.SetCapacity(h.disk.Used())
		for h.provisioner.loop.Ready() {
			h.provisioner.loop.Turn()
		}
		require.True(t, h.r.diskFull.Load())
	}
	h.owners[0].loop.Turn()
	require.Nil(t, h.clock.wall, "nothing was appended")
	h.settle()
	require.NoError(t, h.r.roles.load().Err)
	_, known, _ := p.Poll()
	require.False(t, known)

	h.disk.SetCapacity(0)
	for range 32 {
		h.tick()
		h.settle()
	}
	_, known, err := p.Poll()
	require.True(t, known)
	require.NoError(t, err)
}

// An entry may be larger than what one turn takes in.
func TestALargeEntryIsTaken(t *testing.T) {
	h := newHandNode(t, 1, GroupOptions{ID: 1, Name: "log", SegmentSize: 64 << 20})
	h.lead()
	g := &Group{h.r}
	small := h.submit("small")
	body := bytes.Repeat([]byte("x"), turnBytes)
	require.Less(t, len(body), g.MaxBody())
	large, err := g.Submit(body, Checksum(body))
	require.NoError(t, err)
	h.settle()
	for _, p := range []*Pending{small, large} {
		_, known, err := p.Poll()
		require.True(t, known)
		require.NoError(t, err)
	}
}

// However large a group's segments are, an entry fits a frame.
func TestAnEntryFitsAFrame(t *testing.T) {
	h := newHandNode(t, 1, GroupOptions{ID: 1, Name: "log", SegmentSize: 1 << 30})
	require.Equal(t, maxEntryBytes-raft.RecordHeaderSize, (&Group{h.r}).MaxBody())
}

// Who gives up waiting for an index leaves nothing behind.
func TestWaitsThatAreGivenUpAreForgotten(t *testing.T) {
	h := newHandNode(t, 1, handLog())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 {
		require.ErrorIs(t, (&Group{h.r}).WaitApplied(ctx, 1000), context.Canceled)
	}
	require.Empty(t, h.r.readWaiting.waiting)
}

// There are file systems that need space even to write over what is there. What a flush has no space for is flushed when there is some.
func TestAFlushWaitsForSpace(t *testing.T) {
	for _, file := range []string{"GROUP", "*.seg"} {
		t.Run(file, func(t *testing.T) {
			h := newHandNode(t, 3, handLog())
			h.lead()
			remove := h.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpWrite}, Path: file, Err: fs.ErrNoSpace})
			m, records := h.appended(5, h.r.ledger.Last().Index, 0, raft.KindEmpty)
			h.say(m, records...)
			before := h.r.synced.Load()
			for range 40 {
				h.tick()
				h.settle()
			}
			require.NoError(t, h.r.roles.load().Err)
			require.Equal(t, before, h.r.synced.Load(), "nothing of it is durable")
			remove()
			for range 40 {
				h.tick()
				h.settle()
			}
			require.NoError(t, h.r.roles.load().Err)
			require.Equal(t, uint64(m.Last.Index), h.r.synced.Load())
			require.False(t, h.r.diskFull.Load())
		})
	}
}
