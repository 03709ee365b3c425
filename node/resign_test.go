package node

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// tape is a transport that keeps what is sent and brings nothing.
type tape struct {
	mute
	sent []raft.Message
}

func (s *tape) Send(to raft.NodeID, _ transport.Class, frames []transport.Frame) error {
	for _, f := range frames {
		if f.Kind != transport.KindMessages {
			continue
		}
		for r := transport.NewMessageReader("n1", to, f.Head, bytes.Join(f.Body, nil)); r.Next(); {
			s.sent = append(s.sent, *r.Message())
		}
	}
	return nil
}

// transfers are the nodes that were told to take over.
func (s *tape) transfers() (to []raft.NodeID) {
	for _, m := range s.sent {
		if m.Type == raft.MsgTransfer {
			to = append(to, m.To)
		}
	}
	return to
}

// taped is a leader of three, whose messages are kept.
func taped(t *testing.T) (*handNode, *tape) {
	h := newHandNode(t, 3, handLog())
	s := &tape{}
	h.transport = s
	h.lead()
	return h, s
}

// A leader whose replica stops tells who is to take over: the others would see that something is wrong only when it has been silent for long.
func TestAStoppedLeaderNamesItsSuccessor(t *testing.T) {
	h, s := taped(t)
	term := h.r.roles.load().Term
	h.r.fail(errors.New("the flush has failed"))
	h.settle()
	require.Equal(t, []raft.NodeID{"n2"}, s.transfers(), "n3 has nothing of the log")
	require.Equal(t, term, s.sent[len(s.sent)-1].Term)
	before := len(s.sent)
	h.say(raft.Message{Type: raft.MsgVote, From: "n2", Term: term + 1, Last: h.r.ledger.Last(), Force: true})
	h.tick()
	h.settle()
	require.Len(t, s.sent, before, "it says that once, and nothing else")
}

// A leader whose disk hangs stays in contact with its peers and would lead for ever, though nothing can be applied.
func TestALeaderWhoseDiskHangsHandsOver(t *testing.T) {
	h, s := taped(t)
	p := h.submit("x")
	limit := int(raft.DefaultStallTimeout / h.opts.TickInterval)
	for n := range limit + 3 {
		if n == limit-1 {
			require.Empty(t, s.transfers())
		}
		h.say(raft.Message{Type: raft.MsgAppendResp, From: "n2", Term: 1, Last: h.r.ledger.Last()})
		h.tick() // the syncer has no turn
		h.peers.find("n2").control.loop.Turn()
	}
	_, known, _ := p.Poll()
	require.False(t, known, "its fate is open")
	require.Contains(t, s.transfers(), raft.NodeID("n2"))
}

// A disk that hangs in one group's flush counts for every group of the node, though they have nothing to write; a process that stood
// still is not the disk's fault.
func TestAHangingFlushConcernsEveryGroup(t *testing.T) {
	h, s := taped(t)
	h.syncer.flushes.v.Add(1) // another group's flush begins
	wait := func(ticks int) {
		for range ticks {
			h.say(raft.Message{Type: raft.MsgHeartbeatResp, From: "n2", Term: 1, Last: h.r.ledger.Last()})
			h.tick()
			h.settle()
		}
	}
	wait(2)
	h.clock.now += time.Minute
	wait(2)
	require.False(t, h.Node.disk.stalled.Load())
	wait(int(raft.DefaultStallTimeout / h.opts.TickInterval))
	require.Contains(t, s.transfers(), raft.NodeID("n2"))
	h.syncer.flushes.v.Add(1)
	wait(1)
	require.False(t, h.Node.disk.stalled.Load())
}

// A node that closes hands over what it leads.
func TestAClosedLeaderNamesItsSuccessor(t *testing.T) {
	h, s := taped(t)
	h.opts.Manual = false
	h.start()
	require.NoError(t, h.Close())
	require.Equal(t, []raft.NodeID{"n2"}, s.transfers())
	require.Equal(t, raft.Follower, h.r.roles.load().Role)
}
