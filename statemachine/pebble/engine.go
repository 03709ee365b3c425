package pebble

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Engine is a namespace of a Store as a statemachine.Engine.
type Engine struct {
	store *Store
	at    place
	ns    namespace

	// lower and upper bound the version table; points are the options to read single keys of it with.
	lower, upper []byte
	points       pebble.IterOptions

	durable atomic.Uint64 // the applied index known to be durable

	// writer is held while a batch is begun, committed or given up.
	writer sync.Mutex
	batch  *batch  // the open one
	spare  *memory // of the batch before
	used   bool    // something was written; Restore is not possible any more

	sweeping sync.Mutex // held by the one who sweeps

	mu      sync.Mutex
	state   state // of the last commit
	closed  bool
	readers *reader               // the open ones
	swept   statemachine.Revision // history up to here has been removed; moved under sweeping
}

var _ statemachine.Engine = (*Engine)(nil)

func newEngine(s *Store, at place) *Engine {
	ns := makeNamespace(at.group, at.epoch)
	e := &Engine{
		store: s,
		at:    at,
		ns:    ns,
		lower: ns.table(tableVersions),
		upper: ns.table(tableVersions + 1),
	}
	// A put looks for its key at every level; filters of the last level save a read for keys that are new.
	e.points = pebble.IterOptions{LowerBound: e.lower, UpperBound: e.upper, UseL6Filters: true}
	return e
}

// load reads the state when the engine is opened. Whatever is there was in flushed tables, or was committed since the store was
// opened by an earlier Engine of the same namespace.
func (e *Engine) load() error {
	s := e.store
	iter, err := s.db.NewIter(&pebble.IterOptions{LowerBound: e.ns.table(tableStart), UpperBound: e.ns.table(tableEnd)})
	if err != nil {
		return s.health.check(err)
	}
	defer iter.Close()
	if e.state, e.used, err = e.ns.readState(iter); err == nil {
		e.swept, err = e.ns.readSwept(iter)
	}
	if err != nil {
		return s.health.check(err)
	}
	if !e.used && iter.First() {
		return fmt.Errorf("%w: group %d, epoch %d", ErrIncomplete, e.at.group, e.at.epoch)
	}
	if err := s.health.check(iter.Error()); err != nil {
		return err
	}
	s.refreshDurable([]*Engine{e})
	return s.health.err()
}

// readState reads the state of a namespace as an iterator sees it: the newest of what the last block and the meta record say.
// found says that there is one.
func (ns namespace) readState(iter *pebble.Iterator) (at state, found bool, err error) {
	if key := ns.table(tableMeta); iter.SeekGE(key) && string(iter.Key()) == string(key) {
		d := decoder{b: iter.Value()}
		at, found = d.state(), true
		if d.bad {
			return state{}, false, fmt.Errorf("key %s: %w", formattedKey(key), errRecord)
		}
	}
	if iter.SeekLT(ns.table(tableBlocks+1)) && bytes.HasPrefix(iter.Key(), ns.table(tableBlocks)) {
		block, err := readBlock(iter.Value())
		if err != nil {
			return state{}, false, fmt.Errorf("key %s: %w", formattedKey(iter.Key()), err)
		}
		if block.said != nil {
			at, found = at.max(*block.said), true
		}
	}
	return at, found, iter.Error()
}

// enter begins a use of the engine, to be ended by store.leave.
func (e *Engine) enter() error {
	if err := e.store.enter(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		e.store.leave()
		return statemachine.ErrClosed
	}
	return nil
}

// Applied is the applied index of the last committed batch.
func (e *Engine) Applied() statemachine.Index { return e.current().applied }

// Revision is the revision of the last committed batch.
func (e *Engine) Revision() statemachine.Revision { return e.current().revision }

// Compacted is the revision below which nothing can be read.
func (e *Engine) Compacted() statemachine.Revision { return e.current().compacted }

func (e *Engine) current() state {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// publish makes a commit visible.
func (e *Engine) publish(s state) {
	e.mu.Lock()
	e.state = s
	e.mu.Unlock()
}

// Close gives the namespace back. It does not flush. Views and images that are open end with statemachine.ErrClosed, an open batch is given
// up; calls that run are waited for. A second call does nothing.
func (e *Engine) Close() error {
	e.mu.Lock()
	closed := e.closed
	e.closed = true
	e.mu.Unlock()
	if closed {
		return nil
	}
	e.writer.Lock()
	if e.batch != nil {
		e.batch.release()
		e.batch = nil
	}
	e.writer.Unlock()
	for r := e.reader(); r != nil; r = e.reader() {
		_ = r.close()
	}
	e.store.mu.Lock()
	delete(e.store.engines, e.at)
	e.store.mu.Unlock()
	return nil
}

// reader gives an open reader, or nil.
func (e *Engine) reader() *reader {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.readers
}
