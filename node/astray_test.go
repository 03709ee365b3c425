package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// asleep is a follower of n2 whose group sleeps.
func asleep(t *testing.T) (*handNode, *tape) {
	h := newHandNode(t, 3, handLog())
	s := &tape{}
	h.transport = s
	for range 2 * quietTicks {
		h.peers.heard("n2")
		h.say(raft.Message{Type: raft.MsgHeartbeat, From: "n2", Term: 1, Round: 1, Quiet: true})
		h.tick()
		h.settle()
	}
	require.True(t, h.r.silent.Load())
	s.sent = nil
	return h, s
}

// campaigns says whether the node asks for votes when the leader's node lives and the leader says nothing.
func (h *handNode) campaigns() bool {
	for range 4 * h.opts.ElectionTimeout / h.opts.TickInterval {
		h.peers.heard("n2")
		h.tick()
		h.settle()
	}
	return h.r.roles.load().Role != raft.Follower
}

// The leader of a group that sleeps has stopped on a node that lives, and whoever it named died. Who sends a write to one of the others finds it asking
// its leader for a sign of life, and looking for another one when there is none.
func TestAWriteWakesAFollowerThatSleeps(t *testing.T) {
	for name, write := range map[string]func(*Group) error{
		"proposal": func(g *Group) error {
			_, err := g.Submit(nil, Checksum(nil))
			return err
		},
		"change": func(g *Group) error {
			p, err := g.SubmitChange([]MemberChange{{Kind: raft.RemoveMember, ID: "n3"}}, nil)
			if err != nil {
				return err
			}
			g.r.owner.loop.Turn()
			_, _, err = p.Poll()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, s := asleep(t)
			require.ErrorAs(t, write(&Group{h.r}), new(*NotLeaderError))
			h.settle()
			require.Len(t, s.sent, 1)
			require.Equal(t, raft.MsgWake, s.sent[0].Type)
			require.EqualValues(t, "n2", s.sent[0].To)
			require.True(t, h.campaigns())
		})
	}
}

// Nobody asks anything of it: it sleeps on.
func TestAFollowerThatSleepsIsLeftAlone(t *testing.T) {
	h, s := asleep(t)
	require.False(t, h.campaigns())
	require.Empty(t, s.sent)
}
