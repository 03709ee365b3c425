package node

import (
	"bytes"
	"errors"
	"testing"

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
func TestALeaderWhoseDiskHangsResigns(t *testing.T) {
	for _, full := range []bool{false, true} {
		h, s := taped(t)
		p := h.submit("x")
		h.r.diskFull.Store(full)
		limit := int(stallTimeouts * h.opts.ElectionTimeout / h.opts.TickInterval)
		for n := range limit + 2 {
			if n == limit-1 {
				require.Equal(t, raft.Leader, h.r.roles.load().Role)
				require.Empty(t, s.transfers())
			}
			h.say(raft.Message{Type: raft.MsgHeartbeatResp, From: "n2", Term: 1, Last: raft.EntryID{Index: 1, Term: 1}})
			h.tick() // the syncer has no turn
		}
		h.peers["n2"].control.loop.Turn()
		_, known, _ := p.Poll()
		require.False(t, known, "its fate is open")
		if full {
			require.Equal(t, raft.Leader, h.r.roles.load().Role, "it waits for space")
			continue
		}
		require.Equal(t, raft.Follower, h.r.roles.load().Role)
		require.Equal(t, []raft.NodeID{"n2"}, s.transfers())
	}
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
