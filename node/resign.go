package node

import (
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// A leader that can't go on says so: a successor that is told takes over at once, where the others would wait for an ElectionTimeout to see that
// something is wrong, or, if only the disk hangs, never would.

// pendingFlush is the oldest output that is not durable, and for how many ticks it has been the oldest. Ticks, as a process that stood still
// can't blame the disk.
type pendingFlush struct {
	seq   uint64
	ticks int
}

// stallTimeouts is for how many ElectionTimeouts a leader waits for one flush. It is far above what a busy disk takes.
const stallTimeouts = 8

// watchDisk has a leader resign whose disk hangs: its heartbeats keep it in office, and nothing can be applied. A full disk is another matter:
// reads go on, and the peers' are likely to be as full. Owner, once a tick.
func (r *replica) watchDisk() {
	switch {
	case len(r.unsynced) == 0 || !r.leading || r.diskFull.Load():
		r.slowest = pendingFlush{}
		return
	case r.slowest.seq != r.unsynced[0].seq:
		r.slowest = pendingFlush{seq: r.unsynced[0].seq}
	}
	o := &r.node.opts
	if r.slowest.ticks++; len(r.node.peers) == 0 || time.Duration(r.slowest.ticks)*o.TickInterval < stallTimeouts*o.ElectionTimeout {
		return
	}
	r.log.Error("leadership is given up: a flush does not return", "for", time.Duration(r.slowest.ticks)*o.TickInterval)
	_ = r.resign("its disk does not answer") // it leads
}

// resign gives leadership up, to the voter that has most of the log if one was heard of lately. It fails when this replica does not lead. Owner.
func (r *replica) resign(reason string) error {
	err := r.core.Resign(reason)
	r.takeOutput(nil, nil)
	return err
}

// retire has every group that this node leads resign, and waits until the successors' words have left, for a while: who is not told
// notices by itself.
func (n *Node) retire() {
	if len(n.peers) == 0 || n.opts.Manual { // nobody is there to tell, or to do it
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
	for _, p := range n.peers {
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
