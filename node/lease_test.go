package node

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// TestPromiseOfASleeperCounts: a process is paused in the middle of an owner's turn. When it goes on, a heartbeat is there that asks for a promise and
// says that no more will follow. The promise counts from when it was given, not from when the turn began.
func TestPromiseOfASleeperCounts(t *testing.T) {
	t.Parallel()
	h := newHandNode(t, 3, GroupOptions{ID: 1, Name: "log", SegmentSize: 1 << 16, Lease: 300 * time.Millisecond})
	beat := raft.Message{Type: raft.MsgHeartbeat, From: "n2", Term: 1, Round: 1, Lease: 300 * time.Millisecond, Quiet: true}
	for range 2 * quietTicks {
		h.peers.heard("n2")
		h.say(beat)
		h.tick()
		h.settle()
	}
	require.True(t, h.r.silent.Load())
	h.r.tell(func(r *replica) { r.core.Wake() })
	h.owners[0].loop.Turn()
	require.True(t, h.r.awake)

	h.r.tell(func(*replica) {
		h.clock.now += 10 * time.Second
		h.peers.heard("n2")
		h.say(beat)
	})
	h.tick()
	h.settle()
	require.True(t, h.r.silent.Load())
	h.say(raft.Message{Type: raft.MsgVote, From: "n3", Term: 2, Force: true}) // by a transfer that was given up before
	h.tick()
	h.settle()
	require.EqualValues(t, 1, h.r.roles.load().Term, "it promised a moment ago to vote for nobody else")
}

// TestALeaseComesAfterTheCommitIndex: a new leader commits its first entry, and with it what an earlier one had acknowledged. Whoever finds the lease
// that it has from then on finds that commit index, too, in the middle of the owner's turn as well: the test keeps it from sending anything.
func TestALeaseComesAfterTheCommitIndex(t *testing.T) {
	t.Parallel()
	g := handStore()
	g.Lease = 300 * time.Millisecond
	h := newHandNode(t, 3, g)
	s := &tape{}
	h.transport = s
	m, records := h.appended(1, 0, 1, raft.KindEmpty, raft.KindData, raft.KindData)
	h.say(m, records...)
	h.settle()
	require.EqualValues(t, 1, h.r.commit.load())
	h.campaign()
	s.sent = nil
	h.say(raft.Message{Type: raft.MsgVoteResp, From: "n2", Term: 2})
	h.settle()
	s.answer(h)
	group := &Group{h.r}
	_, ok := group.LeaseRead()
	require.False(t, ok, "nothing of this term is committed")
	_, err := group.SubmitRead() // its round begins with the commit
	require.NoError(t, err)
	h.say(raft.Message{Type: raft.MsgAppendResp, From: "n2", Term: 2, Last: h.r.ledger.Last()})

	link := h.peers.find("n2").control
	link.mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.owners[0].loop.Turn()
	}()
	var index Index
	for ok = false; !ok; index, ok = group.LeaseRead() {
		runtime.Gosched()
	}
	link.mu.Unlock()
	<-done
	require.EqualValues(t, 4, index)
}
