package node

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// A trim whose new base finds no space is what may make some: it is tried again without another one.
func TestATrimThatFindsNoSpaceIsRepeated(t *testing.T) {
	g := handLog()
	g.KeepBytes = 1 << 16
	h := newHandNode(t, 1, g)
	h.lead()
	remove := h.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpWrite}, Path: "base-*", Err: fs.ErrNoSpace})
	for range 60 {
		h.submit(string(make([]byte, 4000)))
		h.settle()
	}
	ticks := func() {
		for range 3 * retentionTicks {
			h.tick()
			h.settle()
		}
	}
	ticks()
	require.NoError(t, h.r.roles.load().Err)
	require.Zero(t, h.r.ledger.Base().ID.Index)
	require.NotZero(t, h.r.trim.target, "a trim is committed")
	remove()
	ticks()
	require.NotZero(t, h.r.ledger.Base().ID.Index)
	require.False(t, h.r.trim.again)
}

// A trim that asks for more than what lies below it removes nothing that is not committed.
func TestATrimDoesNotReachBeyondItself(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	m, records := h.appended(1, 0, 0, slices.Concat([]raft.Kind{raft.KindTrim}, slices.Repeat([]raft.Kind{raft.KindData}, 60))...)
	h.say(m, records...)
	h.settle()
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n3", Term: 1, Commit: 1})
	h.settle()
	require.NoError(t, h.r.roles.load().Err)
	require.Equal(t, uint64(1), h.r.commit.load())
	require.LessOrEqual(t, h.r.ledger.Base().ID.Index, raft.Index(1))
	require.Equal(t, uint64(61), h.r.synced.Load())
}

// Reads that no round confirms are bounded, and end with the leadership.
func TestUnansweredReadsAreBounded(t *testing.T) {
	h := newHandNode(t, 3, handLog())
	h.lead()
	var reads []*Pending
	refused := 0
	for range 2 * maxReads {
		p, err := (&Group{h.r}).SubmitRead()
		require.NoError(t, err)
		if reads = append(reads, p); len(reads)%1000 == 0 {
			h.owners[0].loop.Turn()
		}
	}
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n3", Term: 2})
	h.owners[0].loop.Turn() // those that have just arrived are the next leader's
	h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n2", Term: 3})
	h.owners[0].loop.Turn()
	for _, p := range reads {
		_, known, err := p.Poll()
		require.True(t, known)
		if errors.Is(err, ErrBusy) {
			refused++
			continue
		}
		require.ErrorAs(t, err, new(*NotLeaderError))
	}
	require.GreaterOrEqual(t, refused, maxReads)
	require.Zero(t, h.r.reading)
}
