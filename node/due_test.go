package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// TestOwnerTurnsWhenSomethingIsDue: a follower that hears its leader, with nothing else to do, has its owner turn for the heartbeats and for little more;
// when the leader falls silent, it asks for an election as soon as one that is ticked all the time would.
func TestOwnerTurnsWhenSomethingIsDue(t *testing.T) {
	t.Parallel()
	h := newHandNode(t, 3, GroupOptions{ID: 1, Name: "log", SegmentSize: 1 << 16})
	h.settle()
	woken, settled := 0, false
	pass := func(heartbeat bool) {
		h.clock.now += h.opts.TickInterval
		if heartbeat {
			h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n2", Term: 1, Round: 1})
			h.settle()
		}
		h.Tick()
		if h.owners[0].loop.Ready() {
			woken++
		}
		require.False(t, h.images.loop.Ready(), "it has nothing to do")
		h.settle()
		settled = settled || h.r.settled
	}
	for tick := range 4 * quietTicks {
		pass(tick%7 == 0)
	}
	require.True(t, settled, "the mark of an idle ledger was not brought up to date")
	require.Less(t, woken, 4*quietTicks/4, "the owner was woken for nothing")
	require.EqualValues(t, "n2", h.r.roles.load().Leader)

	waited := 0
	for h.r.roles.load().Role == raft.Follower {
		pass(false)
		waited++
		require.LessOrEqual(t, waited, 101, "no election within twice the timeout")
	}
	require.GreaterOrEqual(t, waited, 49)
}

// TestLinkThatSpokeSendsNoBeat: whoever has just heard something from a node needs no other sign of life.
func TestLinkThatSpokeSendsNoBeat(t *testing.T) {
	t.Parallel()
	h := newHandNode(t, 3, GroupOptions{ID: 1, Name: "log", SegmentSize: 1 << 16})
	h.settle()
	link := h.peers.find("n2").control
	beats := func(speak bool) (n int) {
		every := int(h.opts.HeartbeatInterval / h.opts.TickInterval)
		for range 4 * every {
			h.clock.now += h.opts.TickInterval
			if speak {
				link.push(outbound{h.r, raft.Message{Type: raft.MsgHeartbeatResp, From: "n1", To: "n2", Term: 1}})
				link.loop.Turn()
			}
			h.Tick()
			if link.beatDue.Load() {
				n++
				link.loop.Turn()
			}
		}
		return n
	}
	require.Equal(t, 0, beats(true))
	require.GreaterOrEqual(t, beats(false), 3)
}
