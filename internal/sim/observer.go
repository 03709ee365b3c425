package sim

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// observer stands between a node and the network and writes down every vote that leaves it: a vote that is given to two candidates in
// one term, before and after a crash for instance, is a violation.
type observer struct {
	transport.Transport
	self  raft.NodeID
	votes map[ballot]raft.NodeID
	fault *error
	// heartbeats counts those that leave.
	heartbeats *int
}

// ballot is what a node may fill in once.
type ballot struct {
	voter raft.NodeID
	group raft.GroupID
	term  raft.Term
}

// Send looks at the votes among the frames and passes everything on.
func (o *observer) Send(to raft.NodeID, c transport.Class, frames []transport.Frame) error {
	for _, f := range frames {
		if f.Kind != transport.KindMessages || c != transport.Control {
			continue
		}
		r := transport.NewMessageReader(o.self, to, f.Head, nil)
		for r.Next() {
			o.look(r.Group(), r.Message())
		}
	}
	return o.Transport.Send(to, c, frames)
}

func (o *observer) look(group raft.GroupID, m *raft.Message) {
	if m.Type == raft.MsgHeartbeat {
		*o.heartbeats++
	}
	choice := raft.None
	switch {
	case m.Type == raft.MsgVote:
		choice = o.self
	case m.Type == raft.MsgVoteResp && !m.Reject:
		choice = m.To
	default:
		return
	}
	b := ballot{o.self, group, m.Term}
	if before, voted := o.votes[b]; voted && before != choice && *o.fault == nil {
		*o.fault = fmt.Errorf("sim: %s voted for %s and for %s in term %d of group %d", o.self, before, choice, m.Term, group)
	}
	o.votes[b] = choice
}
