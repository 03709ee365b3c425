package node

import (
	"context"
	"sync"

	"github.com/ledgerkv/ledgerkv/raft"
)

// RoleState is what a replica is in its group. A broker follows it: leader means master, anything else slave.
type RoleState struct {
	// Seq rises with every change.
	Seq    uint64
	Role   raft.Role
	Term   raft.Term
	Leader raft.NodeID
	// Ready: the replica leads and has applied every entry of earlier leaders. A broker serves from then on.
	Ready bool
	// Err is why the replica has stopped, nil while it works.
	Err error
}

// roles publishes role changes: readers see the latest, and every change wakes them.
type roles struct {
	mu        sync.Mutex
	state     RoleState
	termStart raft.Index
	changed   chan struct{} // closed at the next change
}

func newRoles() *roles { return &roles{changed: make(chan struct{})} }

func (r *roles) load() RoleState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// publish sets role, term and leader, unless the replica has stopped. applied may have been overtaken by the applier, so it makes a leader
// ready and never takes that back. Owner.
func (r *roles) publish(role raft.Role, term raft.Term, leader raft.NodeID, termStart, applied raft.Index) (RoleState, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Err != nil {
		return r.state, false
	}
	s := RoleState{Role: role, Term: term, Leader: leader}
	r.termStart = termStart
	ready := r.state.Ready && r.state.Term == term || termStart != 0 && applied >= termStart
	s.Ready = role == raft.Leader && ready
	if s.Role == r.state.Role && s.Term == r.state.Term && s.Leader == r.state.Leader && s.Ready == r.state.Ready {
		return r.state, false
	}
	return r.set(s), true
}

// applied makes a leader ready once it has applied its first entry. Applier.
func (r *roles) applied(applied raft.Index) (RoleState, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Ready || r.state.Role != raft.Leader || r.termStart == 0 || applied < r.termStart {
		return r.state, false
	}
	s := r.state
	s.Ready = true
	return r.set(s), true
}

// fail publishes that the replica has stopped.
func (r *roles) fail(err error) RoleState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set(RoleState{Role: raft.Follower, Term: r.state.Term, Err: err})
}

func (r *roles) set(s RoleState) RoleState {
	s.Seq = r.state.Seq + 1
	r.state = s
	close(r.changed)
	r.changed = make(chan struct{})
	return s
}

// await blocks until the state's Seq is above after, or stop is closed.
func (r *roles) await(ctx context.Context, stop <-chan struct{}, after uint64) (RoleState, error) {
	for {
		r.mu.Lock()
		s, changed := r.state, r.changed
		r.mu.Unlock()
		if s.Seq > after {
			return s, nil
		}
		select {
		case <-changed:
		case <-stop:
			return s, ErrClosed
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}
