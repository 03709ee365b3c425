package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Store is a Pebble store that engines share. Its methods may be called from any goroutine.
type Store struct {
	health *health
	db     *pebble.DB
	wake   chan struct{} // something was flushed or compacted
	sweep  chan struct{} // there may be history to remove
	loops  sync.WaitGroup

	// life is read-locked by whoever uses db and locked for good by Close. A failed TryRLock means that the store closes.
	life sync.RWMutex

	mu      sync.Mutex
	engines map[place]*Engine // the open ones
	closed  bool
}

// place names a namespace.
type place struct{ group, epoch uint64 }

// Open opens the store in a directory, which is made if there is none; no other store may have it open. It reads what was
// durable when the store was last closed or the process ended. Damage that shows is a *CorruptionError. On a disk that is too
// full to start on it fails with ErrNoSpace. After a write that failed in any other way (ErrFailed) the directory stays locked until the process ends.
func Open(dir string, opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("statemachine/pebble: options: %w", err)
	}
	opts = opts.withDefaults()
	if err := opts.FS.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("statemachine/pebble: open %s: %w", dir, err)
	}
	if err := makeRoom(opts.FS, dir); err != nil {
		return nil, err
	}
	s := &Store{
		health:  newHealth(dir, opts),
		wake:    make(chan struct{}, 1),
		sweep:   make(chan struct{}, 1),
		engines: make(map[place]*Engine),
	}
	var opened atomic.Bool
	files := &disk{FS: opts.FS, health: s.health, opened: opened.Load}
	listener := s.health.listener(func() { notify(s.wake) })
	db, err := openPebble(dir, opts.pebbleOptions(files, s.health, listener), s.health)
	if err != nil {
		switch {
		case isCorruption(err):
			return nil, s.health.corrupt("", err)
		case errors.Is(err, fs.ErrNotExist):
			return nil, s.health.corrupt("", fmt.Errorf("a file that belongs to it is missing: %w", err))
		case isNoSpace(err):
			return nil, fmt.Errorf("%w: open %s: %w", ErrNoSpace, dir, err)
		}
		return nil, fmt.Errorf("statemachine/pebble: open %s: %w", dir, err)
	}
	opened.Store(true)
	keepReserve(opts.FS, dir)
	s.db = db
	s.loops.Add(2)
	go s.follow()
	go s.sweepLoop()
	return s, nil
}

// openPebble opens Pebble, or gives the failure of a write that Pebble would try again without end. What is still trying then is held by
// its next write (disk.gate), for good: Pebble has no way to call an opening off.
func openPebble(dir string, opts *pebble.Options, h *health) (*pebble.DB, error) {
	type outcome struct {
		db  *pebble.DB
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		db, err := pebble.Open(dir, opts)
		done <- outcome{db, err}
	}()
	for {
		changed := h.watch()
		if err := h.err(); err != nil {
			return nil, err
		}
		select {
		case o := <-done:
			return o.db, o.err
		case <-changed:
		}
	}
}

// notify makes sure that the one who reads c looks again.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// enter begins a use of db, to be ended by leave.
func (s *Store) enter() error {
	if !s.life.TryRLock() {
		return statemachine.ErrClosed
	}
	if s.health.isClosing() {
		s.leave()
		return statemachine.ErrClosed
	}
	return nil
}

func (s *Store) leave() { s.life.RUnlock() }

// Engine opens the engine of a group and epoch; a namespace that does not exist is an empty engine. It fails with ErrInUse
// while another Engine has it open, with ErrIncomplete, statemachine.ErrClosed or ErrFailed. The caller closes the engine.
func (s *Store) Engine(group, epoch uint64) (*Engine, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	at := place{group, epoch}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engines[at] != nil {
		return nil, fmt.Errorf("%w: group %d, epoch %d", ErrInUse, group, epoch)
	}
	e := newEngine(s, at)
	if err := e.load(); err != nil {
		return nil, err
	}
	s.engines[at] = e
	notify(s.sweep)
	return e, nil
}

// open gives the open engines.
func (s *Store) open() []*Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	engines := make([]*Engine, 0, len(s.engines))
	for _, e := range s.engines {
		engines = append(engines, e)
	}
	return engines
}

// Drop removes the namespace of a group and epoch; it is no error when there is nothing. When it returns nil the removal is
// durable. It fails with ErrInUse while an engine of it is open; with ErrNoSpace it may be called again. It blocks on the disk.
func (s *Store) Drop(group, epoch uint64) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	ns := makeNamespace(group, epoch)
	there, err := s.erase(place{group, epoch}, ns)
	if err != nil || !there {
		return err
	}
	// Without the flush a crash could bring back what was dropped, under an engine that was made in its place.
	return s.flush(s.health.closing)
}

// erase removes a namespace from what is visible, and says whether there was anything, on disk or not.
func (s *Store) erase(at place, ns namespace) (there bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engines[at] != nil {
		return false, fmt.Errorf("%w: group %d, epoch %d", ErrInUse, at.group, at.epoch)
	}
	if err := s.health.err(); err != nil {
		return false, err
	}
	for _, durable := range []bool{true, false} {
		iter, err := s.db.NewIter(&pebble.IterOptions{
			LowerBound: ns.table(tableStart), UpperBound: ns.table(tableEnd), OnlyReadGuaranteedDurable: durable,
		})
		if err != nil {
			return false, s.health.check(err)
		}
		there = iter.First() || there
		if err := s.health.check(iter.Close()); err != nil {
			return false, err
		}
	}
	if there {
		err = s.db.DeleteRange(ns.table(tableStart), ns.table(tableEnd), pebble.NoSync)
	}
	return there, s.health.check(err)
}

// Epochs gives the epochs of a group at which something is kept, in ascending order.
func (s *Store) Epochs(group uint64) ([]uint64, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	prefix := appendNumber(nil, group)
	lower, upper := bytes.Clone(prefix), bytes.Clone(prefix)
	// An epoch begins with its length, 0 to 8.
	iter, err := s.db.NewIter(&pebble.IterOptions{LowerBound: append(lower, 0), UpperBound: append(upper, 9)})
	if err != nil {
		return nil, s.health.check(err)
	}
	var epochs []uint64
	for ok := iter.First(); ok; {
		epoch, _, valid := takeNumber(iter.Key()[len(prefix):])
		if !valid {
			err = s.health.corrupt("", fmt.Errorf("key %x: %w", iter.Key(), errRecord))
			break
		}
		epochs = append(epochs, epoch)
		ok = iter.SeekGE(makeNamespace(group, epoch).table(tableEnd))
	}
	if err = errors.Join(err, s.health.check(iter.Close())); err != nil {
		return nil, err
	}
	return epochs, nil
}

// Close flushes and closes the store and its engines. A Commit or Flush that waits for the disk returns statemachine.ErrClosed, and so do views and
// images; no batch may be in use otherwise.
//
// It reports what kept the last commits from being flushed (ErrNoSpace, ErrFailed); the store is closed all the same, and what is
// behind each engine's Durable must be applied again. A second call returns statemachine.ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return statemachine.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()

	close(s.health.closing)
	s.loops.Wait()
	for _, e := range s.open() {
		_ = e.Close()
	}
	s.life.Lock() // never unlocked
	err := s.flush(nil)
	if closeErr := s.db.Close(); err == nil && closeErr != nil && s.health.err() == nil {
		err = fmt.Errorf("statemachine/pebble: close %s: %w", s.health.dir, closeErr)
	}
	return err
}
