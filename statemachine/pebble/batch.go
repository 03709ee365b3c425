package pebble

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// batch is a statemachine.Batch: versions go straight into a Pebble batch, and what they leave of each key into an overlay,
// so that the Pebble batch needs no index.
type batch struct {
	engine *Engine
	base   state // when the batch was begun
	next   state // what Commit publishes
	// sub numbers the changes of the current revision.
	sub uint32

	writes *pebble.Batch
	reader *pebble.Iterator // at base; nil until something is read
	*memory
	err error // the first failure; nothing can be done with the batch any more
}

// memory is what one batch after the other uses.
type memory struct {
	overlay overlay
	block   blockBuilder
	scratch []byte
}

var _ statemachine.Batch = (*batch)(nil)

// Begin starts a batch. It never fails; what is wrong shows in the batch's methods. It panics when a batch is open.
func (e *Engine) Begin() statemachine.Batch {
	e.writer.Lock()
	defer e.writer.Unlock()
	if e.batch != nil {
		panic("statemachine/pebble: Begin while a batch is open")
	}
	b := &batch{engine: e, base: e.current(), memory: e.spare}
	b.next = b.base
	e.spare = nil
	if b.memory == nil {
		b.memory = &memory{}
	}
	b.block.reset()
	b.overlay.reset()
	if b.err = e.enter(); b.err == nil {
		b.writes = e.store.db.NewBatch()
		e.store.leave()
		e.batch = b
	}
	return b
}

// Advance starts the next revision.
func (b *batch) Advance() statemachine.Revision {
	b.next.revision++
	b.sub = 0
	return b.next.revision
}

// Get gives an item as the batch leaves it.
func (b *batch) Get(key []byte) (statemachine.Item, bool, error) {
	ev, err := b.latest(key)
	if err != nil || ev.Deleted {
		return statemachine.Item{}, false, err
	}
	return ev.Item, true, nil
}

// latest gives the newest version of a key; one that is deleted or was never there has Deleted set. Slices are valid until
// Commit.
func (b *batch) latest(key []byte) (statemachine.Event, error) {
	if b.err != nil {
		return statemachine.Event{Deleted: true}, b.err
	}
	if ev, ok := b.overlay.get(key); ok {
		return ev, nil
	}
	ev, ok, err := b.stored(key)
	if err != nil || !ok {
		return statemachine.Event{Deleted: true}, err
	}
	ev.Item.Key = b.overlay.copy(ev.Item.Key)
	ev.Item.Value = b.overlay.copy(ev.Item.Value)
	return ev, nil
}

// stored reads the newest version of a key at base. Its slices are valid until the next read.
func (b *batch) stored(key []byte) (ev statemachine.Event, ok bool, err error) {
	if b.reader == nil {
		if err := b.open(); err != nil {
			return ev, false, b.fail(err)
		}
	}
	b.scratch = b.engine.ns.appendVersionKey(b.scratch[:0], key, newest)
	ev, ok, err = readVersion(b.reader, b.scratch, key)
	if err != nil {
		return ev, false, b.fail(b.engine.store.health.check(err))
	}
	return ev, ok, nil
}

// open opens the reader.
func (b *batch) open() (err error) {
	if err := b.engine.enter(); err != nil {
		return err
	}
	defer b.engine.store.leave()
	b.reader, err = b.engine.store.db.NewIter(&b.engine.points)
	return b.engine.store.health.check(err)
}

// fail keeps the first failure.
func (b *batch) fail(err error) error {
	if b.err == nil {
		b.err = err
	}
	return err
}

// replaced gives what a write at the current revision replaces: the newest version of the key, without copying what was
// stored.
func (b *batch) replaced(key []byte) (statemachine.Event, error) {
	if b.err != nil {
		return statemachine.Event{}, b.err
	}
	if b.next.revision == b.base.revision {
		return statemachine.Event{}, b.fail(errors.New("statemachine/pebble: a write needs a revision; call Advance first"))
	}
	ev, ok := b.overlay.get(key)
	if ok {
		if ev.Item.Mod == b.next.revision {
			return ev, b.fail(fmt.Errorf("statemachine/pebble: key %q is written twice in revision %d", key, ev.Item.Mod))
		}
		return ev, nil
	}
	ev, ok, err := b.stored(key)
	if !ok {
		ev.Deleted = true
	}
	return ev, err
}

// Put sets a key at the current revision.
func (b *batch) Put(key, value []byte, lease uint64) (statemachine.Item, error) {
	old, err := b.replaced(key)
	if err != nil {
		return statemachine.Item{}, err
	}
	ev := statemachine.Event{Sub: b.sub, Item: statemachine.Item{
		Key: b.overlay.copy(key), Value: b.overlay.copy(value),
		Create: b.next.revision, Mod: b.next.revision, Version: 1, Lease: lease,
	}}
	c := change{key: ev.Item.Key, rev: ev.Item.Mod, sub: b.sub}
	if !old.Deleted {
		ev.Item.Create, ev.Item.Version = old.Item.Create, old.Item.Version+1
		c.replaced = old.Item.Mod
	}
	return ev.Item, b.write(ev, c)
}

// Delete removes a key at the current revision.
func (b *batch) Delete(key []byte) (bool, error) {
	old, err := b.replaced(key)
	if err != nil || old.Deleted {
		return false, err
	}
	ev := statemachine.Event{Sub: b.sub, Deleted: true, Item: statemachine.Item{Key: b.overlay.copy(key), Mod: b.next.revision}}
	c := change{key: ev.Item.Key, rev: ev.Item.Mod, sub: b.sub, replaced: old.Item.Mod, deleted: true}
	return true, b.write(ev, c)
}

// write adds a version and the change that it makes.
func (b *batch) write(ev statemachine.Event, c change) error {
	b.sub++
	b.overlay.set(ev)
	writeVersion(b.writes, b.engine.ns, &b.scratch, ev)
	b.block.add(c)
	if len(b.block.buf) >= blockBytes {
		return b.fail(b.closeBlock(nil))
	}
	return nil
}

// writeVersion adds a version to a Pebble batch. scratch is memory to use.
func writeVersion(w *pebble.Batch, ns namespace, scratch *[]byte, ev statemachine.Event) {
	buf := ns.appendVersionKey((*scratch)[:0], ev.Item.Key, ev.Item.Mod)
	keyLen := len(buf)
	buf = appendVersionHead(buf, ev)
	op := w.SetDeferred(keyLen, len(buf)-keyLen+len(ev.Item.Value))
	copy(op.Key, buf[:keyLen])
	copy(op.Value[copy(op.Value, buf[keyLen:]):], ev.Item.Value)
	// It only fails for batches with an index.
	_ = op.Finish()
	*scratch = buf
}

// closeBlock writes the block of the changes so far, with a state unless nil.
func (b *batch) closeBlock(s *state) error {
	b.scratch = b.block.appendTo(b.scratch[:0], s)
	err := b.writes.Set(b.engine.ns.blockKey(b.block.last.rev, b.block.last.sub), b.scratch, nil)
	b.block.reset()
	return err
}

// Range calls fn for the live keys in [from, to) as the batch leaves them.
func (b *batch) Range(from, to []byte, fn func(statemachine.Item) bool) error {
	if b.err != nil {
		return b.err
	}
	store := b.engine.store
	if err := b.engine.enter(); err != nil {
		return b.fail(err)
	}
	defer store.leave()
	scan, err := b.engine.scan(statemachine.RangeOptions{From: from, To: to}, b.base.revision)
	if err != nil {
		return b.fail(store.health.check(err))
	}
	err = b.overlay.merge(from, to, scan.next, fn)
	if closeErr := scan.close(); err == nil {
		err = closeErr
	}
	if err = store.health.check(err); err != nil {
		return b.fail(err)
	}
	return nil
}

// Compact makes everything below a revision unreadable when the batch commits.
func (b *batch) Compact(rev statemachine.Revision) error {
	switch {
	case b.err != nil:
		return b.err
	case rev < b.next.compacted:
		return fmt.Errorf("%w: revision %d, compacted already up to %d", statemachine.ErrCompacted, rev, b.next.compacted)
	case rev > b.next.revision:
		return fmt.Errorf("%w: revision %d, the newest is %d", statemachine.ErrFutureRevision, rev, b.next.revision)
	}
	b.next.compacted = rev
	return nil
}

// Commit makes the batch visible. It blocks while the disk is full or too far behind.
func (b *batch) Commit(applied statemachine.Index) error {
	e := b.engine
	e.writer.Lock()
	defer e.writer.Unlock()
	if e.batch != b {
		return errors.Join(b.err, statemachine.ErrClosed)
	}
	defer func() {
		e.batch = nil
		b.release()
	}()
	if b.err != nil {
		return b.err
	}
	if applied < b.base.applied {
		return b.fail(fmt.Errorf("statemachine/pebble: commit at applied index %d, expected at least %d", applied, b.base.applied))
	}
	b.next.applied = applied
	b.closeReader()
	if err := b.seal(); err != nil {
		return b.fail(err)
	}
	e.used = true
	if err := e.commit(b.writes); err != nil {
		return b.fail(err)
	}
	e.publish(b.next)
	if b.next.compacted > b.base.compacted {
		notify(e.store.sweep)
	}
	return nil
}

// seal adds the state to what the batch writes: with the last block, as a put is to cost two writes at most, or as the meta
// record where there is no block. A compaction writes the meta record in any case, since blocks up to it will be removed.
func (b *batch) seal() error {
	if b.block.rows > 0 {
		if err := b.closeBlock(&b.next); err != nil {
			return err
		}
		if b.next.compacted == b.base.compacted {
			return nil
		}
	}
	b.scratch = appendState(b.scratch[:0], b.next)
	return b.writes.Set(b.engine.ns.table(tableMeta), b.scratch, nil)
}

// commit hands a batch to Pebble once there is room for it.
func (e *Engine) commit(writes *pebble.Batch) error {
	h := e.store.health
	if err := h.admit(); err != nil {
		return err
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.store.leave()
	h.committed.Add(int64(writes.Len()))
	return h.check(writes.Commit(pebble.NoSync))
}

// closeReader gives back what reads of the batch hold.
func (b *batch) closeReader() {
	if b.reader != nil {
		if err := b.engine.store.health.check(b.reader.Close()); err != nil {
			_ = b.fail(err)
		}
		b.reader = nil
	}
}

// release gives back what the batch holds; the writer is locked.
func (b *batch) release() {
	b.closeReader()
	if b.writes != nil {
		_ = b.writes.Close()
		b.writes = nil
	}
	if b.err == nil {
		b.err = statemachine.ErrClosed
	}
	b.engine.spare, b.memory = b.memory, nil
}
