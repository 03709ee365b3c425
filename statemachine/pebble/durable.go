package pebble

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// follow looks what has become durable after each flush, and how far compactions are behind. It is the store's first goroutine.
func (s *Store) follow() {
	defer s.loops.Done()
	for {
		select {
		case <-s.wake:
		case <-s.health.closing:
			return
		}
		if s.enter() != nil {
			return
		}
		s.health.sublevels.Store(int64(s.db.Metrics().Levels[0].Sublevels))
		s.health.signal()
		s.refreshDurable(s.open())
		s.leave()
	}
}

// refreshDurable reads what is durable of some engines. The iterator sees flushed tables only: a consistent state at some
// point in the order of commits, as memory tables are flushed whole and in order. An error shows in the next commit.
func (s *Store) refreshDurable(engines []*Engine) {
	iter, err := s.db.NewIter(&pebble.IterOptions{OnlyReadGuaranteedDurable: true})
	if err != nil {
		_ = s.health.check(err)
		return
	}
	for _, e := range engines {
		at, _, err := e.ns.readState(iter)
		if err != nil {
			_ = s.health.check(err)
			break
		}
		e.raiseDurable(at.applied)
	}
	_ = s.health.check(iter.Close())
}

// raiseDurable moves the durable index up; it never goes back, whoever looked first.
func (e *Engine) raiseDurable(to statemachine.Index) {
	for {
		at := e.durable.Load()
		if uint64(to) <= at || e.durable.CompareAndSwap(at, uint64(to)) {
			return
		}
	}
}

// Durable is the applied index that survives a crash now: what was flushed last, as far as that has been noticed.
func (e *Engine) Durable() statemachine.Index { return statemachine.Index(e.durable.Load()) }

// Flush makes the state durable up to at least Applied at the time of the call, and Durable say so. It blocks on the disk.
// ErrNoSpace: the disk is full; the engine goes on, and Flush may be called again. ErrFailed and statemachine.ErrClosed end the engine.
// It may be called from any goroutine.
func (e *Engine) Flush() error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.store.leave()
	if err := e.store.flush(e.store.health.closing); err != nil {
		return err
	}
	e.store.refreshDurable([]*Engine{e})
	return e.store.health.err()
}

// flush flushes all that was committed before, and gives up when the disk is full, the store has failed, or stop is closed.
func (s *Store) flush(stop <-chan struct{}) error {
	h := s.health
	failures := h.failures.Load()
	changed := h.watch()
	if err := h.err(); err != nil {
		return err
	}
	done, err := s.db.AsyncFlush()
	if err != nil {
		return h.check(err)
	}
	for {
		select {
		case <-done:
			return h.err()
		case <-changed:
		case <-stop:
			return statemachine.ErrClosed
		}
		changed = h.watch()
		if err := h.err(); err != nil {
			return err
		}
		if h.failures.Load() > failures {
			return h.lastNoSpace()
		}
	}
}
