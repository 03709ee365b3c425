package btree

import (
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// state is what a commit publishes. It does not change.
type state struct {
	applied  statemachine.Index
	revision statemachine.Revision
	// events is the number of the first event that is not of this state.
	events uint64
	epoch  *epoch
}

// epoch is the time from one compaction to the next. Views and images count themselves in on the epoch in which they were opened,
// and hold what was readable in it: all versions above its compacted revision, and the newest at or below it of each key.
type epoch struct {
	compacted statemachine.Revision
	readers   atomic.Int64
}

// pin gives the current state and keeps what can be read in it until unpin. Any goroutine.
func (e *Engine) pin() *state {
	for {
		if s := e.state.Load(); e.tryPin(s) {
			return s
		}
	}
}

// tryPin keeps what can be read in a state that was current a moment ago, unless a new epoch has begun since.
//
// The writer publishes a new epoch first and then looks whether the old one has readers; a reader counts itself in first and
// then looks whether the epoch is still the current one. So either the writer sees the reader, or the reader sees the new
// epoch and must try again.
func (e *Engine) tryPin(s *state) bool {
	s.epoch.readers.Add(1)
	if e.state.Load().epoch == s.epoch {
		return true
	}
	s.epoch.readers.Add(-1)
	return false
}

// unpin lets go of a state.
func (s *state) unpin() { s.epoch.readers.Add(-1) }

// floor gives the revision below which nobody reads. Writing goroutine only.
func (e *Engine) floor() statemachine.Revision {
	current := e.state.Load().epoch
	kept := e.epochs[:0]
	for _, p := range e.epochs {
		if p == current || p.readers.Load() > 0 {
			kept = append(kept, p)
		}
	}
	clear(e.epochs[len(kept):])
	e.epochs = kept
	return kept[0].compacted
}

// reclaim gives back space: it takes at most n events at or below the floor off the queue, and with each what its version
// made obsolete. A version at or below the floor hides all older ones of its key; a delete there that is its key's newest
// version hides the key itself. Writing goroutine only.
func (e *Engine) reclaim(n int) {
	ev := e.events.front()
	if ev == nil {
		return
	}
	for floor := e.floor(); n > 0 && ev != nil; n-- {
		it, v := ev.item, ev.version.Load()
		if v.mod > floor {
			return
		}
		v.older.Store(nil)
		if v.deleted() && it.newest.Load() == v {
			e.table.remove(it)
			e.order.remove(it)
		}
		e.events.pop()
		ev = e.events.front()
	}
}
