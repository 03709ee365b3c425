package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// health is what is known of a store's background work: whether it has failed for good, how often it failed for want of
// space, and how far it is behind. Pebble tells it through events and its logger, with locks of its own held, so nothing here
// blocks or calls back but in the functions that say so.
type health struct {
	dir    string
	logger *slog.Logger
	// stopBytes and stopSublevels are where commits begin to wait.
	stopBytes     int64
	stopSublevels int64
	retry         time.Duration

	fatal atomic.Pointer[failure] // set once, under writing
	// writing is held for reading by whoever changes a file, so that fatal is set between two changes.
	writing sync.RWMutex
	// committed counts the bytes of all batches. flushing and flushed are its values when the last flush began and when
	// the last flush that succeeded began: what lies behind flushed waits for the disk, give or take a memory table.
	committed atomic.Int64
	flushing  atomic.Int64
	flushed   atomic.Int64
	sublevels atomic.Int64 // of L0, as of the last look
	failing   atomic.Bool  // the last background job failed for want of space
	failures  atomic.Int64 // jobs that failed for want of space, ever

	closing chan struct{} // closed when the store begins to close

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	noSpace error         // the newest failure of that kind
}

// failure is an error that is the same for every caller.
type failure struct{ err error }

func newHealth(dir string, opts Options) *health {
	h := &health{
		dir:           dir,
		logger:        opts.Logger,
		stopBytes:     stopMemTables * opts.MemTableBytes,
		stopSublevels: stopSublevels,
		retry:         retryInterval,
		closing:       make(chan struct{}),
		changed:       make(chan struct{}),
	}
	if opts.NoCompactions {
		h.stopSublevels = math.MaxInt64 // or commits would wait for ever
	}
	return h
}

// err gives the fault that ended the store, or nil.
func (h *health) err() error {
	if f := h.fatal.Load(); f != nil {
		return f.err
	}
	return nil
}

// fail ends the store. The first cause stays.
func (h *health) fail(cause error) error {
	f := &failure{err: fmt.Errorf("%w: %s: %w", ErrFailed, h.dir, cause)}
	h.writing.Lock()
	first := h.fatal.CompareAndSwap(nil, f)
	h.writing.Unlock()
	if first {
		h.logger.Error("the store has failed", "dir", h.dir, "error", cause)
		h.signal()
	}
	return h.err()
}

// check turns an error that Pebble returned to a reader or writer into one of ours. Damage ends the store.
func (h *health) check(err error) error {
	switch {
	case err == nil:
		return h.err()
	case isCorruption(err):
		return h.corrupt("", err)
	default:
		return h.fail(err)
	}
}

// corrupt ends the store because a file (or, unnamed, something in its directory) is damaged.
func (h *health) corrupt(path string, err error) error {
	if path == "" {
		path = h.dir
		var info *pebble.DataCorruptionInfo
		if info = pebble.ExtractDataCorruptionInfo(err); info != nil {
			path = info.Path
		}
	}
	return h.fail(&CorruptionError{Path: path, Err: err})
}

// failed notes that a background job of Pebble failed, or one of its writes. Pebble tries the job again.
func (h *health) failed(err error) {
	switch {
	case errors.Is(err, pebble.ErrCancelledCompaction):
	case isNoSpace(err):
		h.mu.Lock()
		h.noSpace = fmt.Errorf("%w: %s: %w", ErrNoSpace, h.dir, err)
		h.mu.Unlock()
		h.failures.Add(1)
		if !h.failing.Swap(true) {
			h.logger.Warn("the disk is full; writes wait for space", "dir", h.dir, "error", err)
		}
		h.signal()
	case isCorruption(err):
		_ = h.corrupt("", err)
	default:
		_ = h.fail(err)
	}
}

// lastNoSpace gives the newest failure for want of space.
func (h *health) lastNoSpace() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.noSpace
}

// succeeded notes that a background job went through.
func (h *health) succeeded() {
	if h.failing.Swap(false) {
		h.logger.Info("there is space again", "dir", h.dir)
	}
	h.signal()
}

// signal wakes all that wait.
func (h *health) signal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
}

// watch gives a channel that is closed at the next change.
func (h *health) watch() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

func (h *health) isClosing() bool {
	select {
	case <-h.closing:
		return true
	default:
		return false
	}
}

// admit blocks while too much waits for the disk, so that Pebble never has reason to block a writer itself: a writer that
// waits here can be told that the store has failed or is closing.
func (h *health) admit() error {
	for {
		changed := h.watch()
		if err := h.err(); err != nil {
			return err
		}
		if h.isClosing() {
			return statemachine.ErrClosed
		}
		if h.committed.Load()-h.flushed.Load() < h.stopBytes && h.sublevels.Load() < h.stopSublevels {
			return nil
		}
		select {
		case <-changed:
		case <-h.closing:
		}
	}
}

// pause blocks the goroutine of a background job for a moment after a failure for want of space, because Pebble would try again
// at once and without end.
func (h *health) pause() {
	if !h.failing.Load() {
		return
	}
	timer := time.NewTimer(h.retry)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.closing:
	}
}

// Infof, Errorf and Fatalf make health Pebble's logger.
func (h *health) Infof(format string, args ...any) {
	if h.logger.Enabled(context.Background(), slog.LevelDebug) {
		h.logger.Debug(fmt.Sprintf(format, args...), "dir", h.dir)
	}
}

// Errorf logs an error that Pebble also returns or reports by an event.
func (h *health) Errorf(format string, args ...any) {
	h.logger.Warn(fmt.Sprintf(format, args...), "dir", h.dir)
}

// Fatalf is where Pebble expects the process to end: a write of its manifest failed (nobody knows then what the file
// holds), or an invariant is broken. The store ends instead, and with it all writing to its directory.
func (h *health) Fatalf(format string, args ...any) {
	stop := &fatalError{message: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			stop.cause = err
		}
	}
	_ = h.fail(stop)
}

// fatalError is what Pebble would have ended the process with.
type fatalError struct {
	message string
	cause   error // nil if there was none among the arguments
}

func (e *fatalError) Error() string { return e.message }

func (e *fatalError) Unwrap() error { return e.cause }

// listener gives the events that health follows. wake is called for each finished flush and compaction.
func (h *health) listener(wake func()) *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: h.failed,
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			_ = h.corrupt(info.Path, info.Details)
		},
		FlushBegin: func(pebble.FlushInfo) { h.flushing.Store(h.committed.Load()) },
		FlushEnd: func(info pebble.FlushInfo) {
			if info.Err == nil {
				h.flushed.Store(h.flushing.Load())
				h.succeeded()
			}
			wake()
		},
		CompactionEnd: func(info pebble.CompactionInfo) {
			if info.Err == nil {
				h.signal()
			}
			wake()
		},
	}
}
