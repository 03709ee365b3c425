package sim

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// observer stands between a node and the network and looks at every message of the control class that leaves it. It writes down votes: one
// that is given to two candidates in one term, before and after a crash for instance, is a violation.
type observer struct {
	transport.Transport
	server *Server
}

// ballot is what a node may fill in once.
type ballot struct {
	voter raft.NodeID
	group raft.GroupID
	term  raft.Term
}

// vote is how a ballot was filled in, and by which directory.
type vote struct {
	choice    raft.NodeID
	directory node.UUID
}

// Send looks at the messages among the frames and passes everything on.
func (o *observer) Send(to raft.NodeID, c transport.Class, frames []transport.Frame) error {
	for i := range frames {
		f := &frames[i]
		if f.Kind != transport.KindMessages || c != transport.Control {
			continue
		}
		r := transport.NewMessageReader(o.server.ID(), to, f.Head, nil)
		for r.Next() {
			o.look(r.Group(), r.Message())
			o.server.cluster.opts.Sent(o.server, to, r.Group(), r.Message())
		}
	}
	return o.Transport.Send(to, c, frames)
}

func (o *observer) look(group raft.GroupID, m *raft.Message) {
	if m.Type == raft.MsgHeartbeat {
		o.server.cluster.heartbeats++
	}
	choice := raft.None
	self, votes := o.server.ID(), o.server.cluster.votes
	switch {
	case m.Type == raft.MsgVote:
		choice = self
	case m.Type == raft.MsgVoteResp && !m.Reject:
		choice = m.To
	default:
		return
	}
	b := ballot{self, group, m.Term}
	if before, voted := votes[b]; voted && before.choice != choice {
		o.server.cluster.violate(fmt.Errorf("law 1: %s voted for %s and for %s in term %d of group %d", self, before.choice, choice, m.Term, group))
	}
	votes[b] = vote{choice, o.server.node.Directory()}
}
