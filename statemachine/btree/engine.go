package btree

import (
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Engine is a statemachine.Engine in memory. What the interface says of goroutines holds; nothing blocks but for moments.
type Engine struct {
	// state is the last committed one. The writing goroutine stores, any loads.
	state  atomic.Pointer[state]
	closed atomic.Bool

	table  *table
	order  *order
	events *events

	// epochs are those that may have readers, oldest first; the last is the current one. Writing goroutine only.
	epochs []*epoch
	// batch is the open one, or nil. Writing goroutine only.
	batch *batch
	// broken is what a failed Restore failed with. Writing goroutine only.
	broken error
}

// New makes an empty engine.
func New() *Engine {
	first := &epoch{}
	e := &Engine{table: newTable(), order: newOrder(), events: &events{}, epochs: []*epoch{first}}
	e.state.Store(&state{epoch: first})
	return e
}

// Begin starts a batch. It panics when one is open already.
func (e *Engine) Begin() statemachine.Batch {
	if e.closed.Load() {
		return &batch{engine: e} // every use of it says ErrClosed
	}
	if e.batch != nil {
		panic("btree: Begin while a batch is open")
	}
	s := e.state.Load()
	e.batch = &batch{engine: e, revision: s.revision, compacted: s.epoch.compacted}
	return e.batch
}

// View opens a view, see statemachine.Engine. It takes no lock.
func (e *Engine) View(rev statemachine.Revision) (statemachine.View, error) {
	if e.closed.Load() {
		return nil, statemachine.ErrClosed
	}
	s := e.pin()
	err := error(nil)
	switch {
	case rev == statemachine.Latest:
		rev = s.revision
	case rev > s.revision:
		err = statemachine.ErrFutureRevision
	case rev < s.epoch.compacted:
		err = statemachine.ErrCompacted
	}
	if err != nil {
		s.unpin()
		return nil, err
	}
	return &view{engine: e, state: s, revision: rev}, nil
}

// Applied is the applied index of the last commit.
func (e *Engine) Applied() statemachine.Index { return e.state.Load().applied }

// Revision is the newest revision.
func (e *Engine) Revision() statemachine.Revision { return e.state.Load().revision }

// Compacted is the lowest revision that can be read.
func (e *Engine) Compacted() statemachine.Revision { return e.state.Load().epoch.compacted }

// Durable is 0: nothing in memory survives a crash.
func (e *Engine) Durable() statemachine.Index { return 0 }

// Flush has nothing to do.
func (e *Engine) Flush() error { return nil }

// Close lets go of nothing by itself: the garbage collector does, when the last view is gone. Closing again does nothing.
func (e *Engine) Close() error {
	e.closed.Store(true)
	return nil
}
