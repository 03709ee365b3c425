package server

import (
	"context"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/node"
)

// progress lets any number of followers wait for a group's log to grow, for the price of one wait at the group.
type progress struct {
	group   *node.Group
	running sync.WaitGroup

	mu sync.Mutex
	// step is what is waited for at the moment, nil when nobody waits.
	step *step
}

// step is a wait for the log to grow; err may be read once done is closed.
type step struct {
	done chan struct{}
	err  error
}

// await blocks until more than seen is applied, and then gives true, or for as long as quiet. It fails with ctx's error, with why the
// group can't go on, or with node.ErrClosed when life ends, which is the server's.
func (p *progress) await(ctx, life context.Context, seen node.Index, quiet time.Duration) (bool, error) {
	s := p.next(life, seen)
	if p.group.Applied() > seen { // looked at after next, which may have joined a wait for more than this
		return true, nil
	}
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	select {
	case <-s.done:
		return s.err == nil, s.err
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// next joins the wait that is under way, or begins one.
func (p *progress) next(life context.Context, seen node.Index) *step {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.step != nil {
		return p.step
	}
	s := &step{done: make(chan struct{})}
	p.step = s
	p.running.Add(1)
	go func() {
		defer p.running.Done()
		s.err = p.group.WaitApplied(life, seen+1)
		if life.Err() != nil {
			s.err = node.ErrClosed
		}
		p.mu.Lock()
		p.step = nil
		p.mu.Unlock()
		close(s.done)
	}()
	return s
}
