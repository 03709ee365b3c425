package hashiraft

import (
	"context"
	"sync"

	"github.com/hashicorp/raft"
)

// reads confirms that this node still leads, for many reads at once. A read joins a round that has not begun yet, so that what was written before the read began shows
// in it.
type reads struct {
	raft *raft.Raft

	mu      sync.Mutex
	next    *round // the one to join; nil: none waits
	running bool
	term    uint64 // in which a barrier has shown that all of earlier terms is applied; only the goroutine that runs rounds uses it
}

// round ends when done is closed; err is set before.
type round struct {
	done chan struct{}
	err  error
}

func newReads(r *raft.Raft) *reads { return &reads{raft: r} }

// confirm blocks until a round that began after the call has ended, or ctx is done.
func (r *reads) confirm(ctx context.Context) error {
	r.mu.Lock()
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
	}
	mine := r.next
	if !r.running {
		r.running = true
		go r.run() // ends by itself when nobody waits; the library's Shutdown fails its rounds
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reads) run() {
	for {
		r.mu.Lock()
		this := r.next
		r.next = nil
		r.running = this != nil
		r.mu.Unlock()
		if this == nil {
			return
		}
		this.err = r.verify()
		close(this.done)
	}
}

// verify asks a quorum. The first time in a term it commits an entry before: only then is all of earlier terms known to be committed.
func (r *reads) verify() error {
	term := r.raft.CurrentTerm()
	if term != r.term {
		if err := r.raft.Barrier(enqueueing).Error(); err != nil {
			return err
		}
		r.term = term
	}
	if err := r.raft.VerifyLeader().Error(); err != nil {
		return err
	}
	if r.raft.CurrentTerm() != term {
		return raft.ErrLeadershipLost
	}
	return nil
}
