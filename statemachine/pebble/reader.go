package pebble

import (
	"sync"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// reader is what views and images have in common: they hold history back from the sweeper from the moment they are opened,
// and the engine can end them when it closes. Versions don't change once they are written, so that is all that keeps what
// they read as it is; no snapshot of Pebble's is needed.
type reader struct {
	engine *Engine
	state  state // when it was opened; the sweeper goes no further than state.compacted
	// release closes iterators.
	release func() error

	prev, next *reader // in engine.readers; guarded by engine.mu

	once sync.Once
	err  error // of release

	mu     sync.Mutex
	closed bool
	users  sync.WaitGroup // calls that are running; begun under mu, so that none begins once closed is set
}

// attach opens a reader at the last committed batch.
func (e *Engine) attach(r *reader, release func() error) error {
	if e.store.health.isClosing() {
		return statemachine.ErrClosed
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return statemachine.ErrClosed
	}
	r.engine, r.state, r.release = e, e.state, release
	r.next = e.readers
	if r.next != nil {
		r.next.prev = r
	}
	e.readers = r
	return nil
}

// enter begins a call, to be ended by leave. Calls of one goroutine may nest.
func (r *reader) enter() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return statemachine.ErrClosed
	}
	if err := r.usable(); err != nil {
		return err
	}
	r.users.Add(1)
	return nil
}

// usable says whether a call may go on.
func (r *reader) usable() error {
	if r.engine.store.health.isClosing() {
		return statemachine.ErrClosed
	}
	return r.engine.store.health.err()
}

func (r *reader) leave() { r.users.Done() }

// close ends the reader once no call is running. It may be called again, and by the engine at the same time.
func (r *reader) close() error {
	r.once.Do(func() {
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
		r.users.Wait()
		r.err = r.engine.store.health.check(r.release())
		r.engine.detach(r)
	})
	return r.err
}

// detach lets the sweeper go on.
func (e *Engine) detach(r *reader) {
	e.mu.Lock()
	if r.prev == nil {
		e.readers = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	held := e.state.compacted > r.state.compacted
	e.mu.Unlock()
	if held {
		notify(e.store.sweep)
	}
}

// floor is the revision up to which history may be removed now, and how far it has been.
func (e *Engine) floor() (swept, floor statemachine.Revision) {
	e.mu.Lock()
	defer e.mu.Unlock()
	floor = e.state.compacted
	for r := e.readers; r != nil; r = r.next {
		floor = min(floor, r.state.compacted)
	}
	return e.swept, floor
}
