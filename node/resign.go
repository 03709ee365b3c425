package node

import (
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// A leader that can't go on says so: a successor that is told takes over at once, where the others would wait for an ElectionTimeout to see that
// something is wrong. A disk that hangs is the core's to judge (raft/stall.go); stall.go says so for groups that have nothing to write.

// resign gives leadership up, to the voter that has most of the log if one was heard of lately. It fails when this replica does not lead. Owner.
func (r *replica) resign(reason string) error {
	err := r.core.Resign(reason)
	r.takeOutput(nil, nil)
	return err
}

// retire has every group that this node leads resign, and waits until the successors' words have left, for a while: who is not told
// notices by itself.
func (n *Node) retire() {
	if n.transport == nil || n.opts.Manual { // nobody is there to tell, or to do it
		return
	}
	patience := time.After(n.opts.ElectionTimeout)
	var left []<-chan error
	for _, r := range n.replicas() {
		if r.roles.load().Role == raft.Leader {
			left = append(left, r.question(func(r *replica) error {
				r.release(ErrClosed) // before the loss of leadership gives another answer
				r.abandonReads()
				return r.resign("the node closes")
			}))
		}
	}
	if len(left) == 0 {
		return
	}
	for _, answer := range left {
		select {
		case <-answer:
		case <-patience:
			return
		}
	}
	for _, p := range n.peers.table.Load().order {
		select {
		case <-p.control.sent():
		case <-patience:
			return
		}
	}
}

// bowOut is resign for a replica that has stopped: of what its core wants nothing is carried out but the word to the successor. That
// promises nothing that a disk would have to keep. Owner.
func (r *replica) bowOut() {
	if !r.leading {
		return
	}
	r.leading = false
	r.node.images.giveUp(r)
	if r.core.Resign("its replica has stopped") != nil {
		return
	}
	out := r.core.Output()
	for i := range out.Send {
		if out.Send[i].Type == raft.MsgTransfer {
			r.node.send(r, out.Send[i:i+1])
		}
	}
}
