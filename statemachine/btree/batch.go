package btree

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

const (
	// A commit gives back space for at most reclaimBase versions and reclaimPerWrite for each that it wrote: enough to
	// get ahead of any writer, little enough to bound the pause.
	reclaimBase     = 128
	reclaimPerWrite = 4
)

// errNoRevision: a write without a revision to write at.
var errNoRevision = errors.New("btree: expected Advance before the first Put or Delete of a batch")

// batch writes straight into the chains, at revisions that no reader looks at yet.
type batch struct {
	engine    *Engine
	revision  statemachine.Revision
	compacted statemachine.Revision
	sub       uint32 // of the next change
	advanced  bool
	writes    int
}

func (b *batch) Advance() statemachine.Revision {
	b.revision++
	b.sub = 0
	b.advanced = true
	return b.revision
}

// open says whether the batch may still be used.
func (b *batch) open() error {
	if b.engine.batch != b || b.engine.closed.Load() {
		return statemachine.ErrClosed
	}
	return b.engine.broken
}

func (b *batch) writable() error {
	if err := b.open(); err != nil {
		return err
	}
	if !b.advanced {
		return errNoRevision
	}
	return nil
}

func (b *batch) Get(key []byte) (statemachine.Item, bool, error) {
	if err := b.open(); err != nil {
		return statemachine.Item{}, false, err
	}
	if it := b.engine.table.get(key); it != nil {
		if v := it.live(); v != nil {
			return it.with(v), true, nil
		}
	}
	return statemachine.Item{}, false, nil
}

func (b *batch) Put(key, value []byte, lease uint64) (statemachine.Item, error) {
	if err := b.writable(); err != nil {
		return statemachine.Item{}, err
	}
	v := &version{value: bytes.Clone(value), create: b.revision, count: 1, lease: lease}
	it := b.engine.table.get(key)
	fresh := it == nil
	if fresh {
		it = newItem(key)
	} else if was := it.live(); was != nil {
		v.create, v.count = was.create, was.count+1
	}
	if err := b.change(it, v); err != nil {
		return statemachine.Item{}, err
	}
	if fresh {
		b.engine.table.add(it)
		b.engine.order.add(it)
	}
	return it.with(v), nil
}

func (b *batch) Delete(key []byte) (bool, error) {
	if err := b.writable(); err != nil {
		return false, err
	}
	it := b.engine.table.get(key)
	if it == nil || it.live() == nil {
		return false, nil
	}
	return true, b.change(it, &version{})
}

// change makes v the newest version of an item.
func (b *batch) change(it *item, v *version) error {
	was := it.newest.Load()
	if was != nil && was.mod == b.revision {
		return fmt.Errorf("btree: key %q is changed twice in revision %d, expected once", it.key, b.revision)
	}
	v.mod, v.sub = b.revision, b.sub
	v.older.Store(was)
	it.newest.Store(v)
	b.engine.events.push(it, v)
	b.sub++
	b.writes++
	return nil
}

// Range needs no lock: only the goroutine that calls it changes the tree, and fn must not.
func (b *batch) Range(from, to []byte, fn func(statemachine.Item) bool) error {
	if err := b.open(); err != nil {
		return err
	}
	b.engine.order.tree.AscendGreaterOrEqual(&item{key: from}, func(it *item) bool {
		if to != nil && bytes.Compare(it.key, to) >= 0 {
			return false
		}
		v := it.live()
		return v == nil || fn(it.with(v))
	})
	return nil
}

func (b *batch) Compact(rev statemachine.Revision) error {
	if err := b.open(); err != nil {
		return err
	}
	if rev < b.compacted {
		return fmt.Errorf("btree: compact at %d below %d: %w", rev, b.compacted, statemachine.ErrCompacted)
	}
	if rev > b.revision {
		return fmt.Errorf("btree: compact at %d above %d: %w", rev, b.revision, statemachine.ErrFutureRevision)
	}
	b.compacted = rev
	return nil
}

func (b *batch) Commit(applied statemachine.Index) error {
	if err := b.open(); err != nil {
		return err
	}
	e := b.engine
	was := e.state.Load()
	if applied < was.applied {
		return fmt.Errorf("btree: commit at applied index %d, expected at least %d", applied, was.applied)
	}
	now := &state{applied: applied, revision: b.revision, events: e.events.tail, epoch: was.epoch}
	if b.compacted != was.epoch.compacted {
		now.epoch = &epoch{compacted: b.compacted}
		e.epochs = append(e.epochs, now.epoch)
	}
	e.state.Store(now)
	e.batch = nil
	e.reclaim(reclaimBase + reclaimPerWrite*b.writes)
	return nil
}
