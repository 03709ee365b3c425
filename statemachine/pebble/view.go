package pebble

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// view is a statemachine.View: a revision and a hold on history.
type view struct {
	reader
	revision statemachine.Revision
	points   *pebble.Iterator // nil until a key is read
	seek     []byte
}

var _ statemachine.View = (*view)(nil)

// View opens a view at a revision. It must be closed. It does not touch the disk.
func (e *Engine) View(rev statemachine.Revision) (statemachine.View, error) {
	v := &view{}
	if err := e.attach(&v.reader, v.release); err != nil {
		return nil, err
	}
	var err error
	switch at := v.state; {
	case rev == statemachine.Latest:
		v.revision = at.revision
	case rev < at.compacted:
		err = statemachine.ErrCompacted
	case rev > at.revision:
		err = statemachine.ErrFutureRevision
	default:
		v.revision = rev
	}
	if err != nil {
		_ = v.close()
		return nil, err
	}
	return v, nil
}

func (v *view) Revision() statemachine.Revision { return v.revision }

func (v *view) Applied() statemachine.Index { return v.state.applied }

// release closes the iterator.
func (v *view) release() error {
	if v.points == nil {
		return nil
	}
	return v.points.Close()
}

// Close gives the view back. A second call does nothing.
func (v *view) Close() error { return v.close() }

// Get reads a key. The first call opens an iterator, which the view keeps.
func (v *view) Get(key []byte) (statemachine.Item, bool, error) {
	if err := v.enter(); err != nil {
		return statemachine.Item{}, false, err
	}
	defer v.leave()
	ev, ok, err := v.read(key, v.revision)
	if err = v.engine.store.health.check(err); err != nil || !ok || ev.Deleted {
		return statemachine.Item{}, false, err
	}
	own := make([]byte, len(key)+len(ev.Item.Value))
	n := copy(own, key)
	copy(own[n:], ev.Item.Value)
	ev.Item.Key, ev.Item.Value = own[:n:n], own[n:]
	return ev.Item, true, nil
}

// read gives the newest version of a key at or below a revision, valid until the next read.
func (v *view) read(key []byte, rev statemachine.Revision) (ev statemachine.Event, ok bool, err error) {
	if v.points == nil {
		if v.points, err = v.engine.store.db.NewIter(&v.engine.points); err != nil {
			return ev, false, err
		}
	}
	v.seek = v.engine.ns.appendVersionKey(v.seek[:0], key, rev)
	return readVersion(v.points, v.seek, key)
}

// Range visits the live keys of a range.
func (v *view) Range(opts statemachine.RangeOptions, fn func(statemachine.Item) bool) error {
	if err := v.enter(); err != nil {
		return err
	}
	defer v.leave()
	scan, err := v.engine.scan(opts, v.revision)
	if err != nil {
		return v.engine.store.health.check(err)
	}
	for {
		item, ok, nextErr := scan.next()
		if err = nextErr; err != nil || !ok || !fn(item) {
			break
		}
		if err := v.usable(); err != nil {
			_ = scan.close()
			return err
		}
	}
	if closeErr := scan.close(); err == nil {
		err = closeErr
	}
	return v.engine.store.health.check(err)
}

// Events visits the changes from a revision on.
func (v *view) Events(from statemachine.Revision, fn func(statemachine.Event) bool) error {
	if err := v.enter(); err != nil {
		return err
	}
	defer v.leave()
	if from <= v.state.compacted {
		return statemachine.ErrCompacted
	}
	ns := v.engine.ns
	iter, err := v.engine.store.db.NewIter(&pebble.IterOptions{
		LowerBound: ns.blockKey(from, 0), UpperBound: ns.table(tableBlocks + 1),
	})
	if err != nil {
		return v.engine.store.health.check(err)
	}
	more := true
	for ok := iter.First(); ok && more && err == nil; ok = iter.Next() {
		if more, err = v.blockEvents(iter, from, fn); err == nil && more {
			if err := v.usable(); err != nil {
				_ = iter.Close()
				return err
			}
		}
	}
	if closeErr := iter.Close(); err == nil {
		err = closeErr
	}
	return v.engine.store.health.check(err)
}

// blockEvents visits the changes of the block that an iterator is at; more says whether to go on behind it.
func (v *view) blockEvents(iter *pebble.Iterator, from statemachine.Revision, fn func(statemachine.Event) bool) (more bool, err error) {
	record, err := iter.ValueAndErr()
	if err != nil {
		return false, err
	}
	block, err := readBlock(record)
	for err == nil {
		c, ok, nextErr := block.next()
		if err = nextErr; err != nil {
			break
		}
		if !ok {
			return true, nil
		}
		if c.rev > v.revision {
			return false, nil
		}
		if c.rev < from {
			continue
		}
		ev := statemachine.Event{Item: statemachine.Item{Key: c.key, Mod: c.rev}, Sub: c.sub, Deleted: c.deleted}
		if !c.deleted {
			var found bool
			ev, found, err = v.read(c.key, c.rev)
			if err == nil && (!found || ev.Deleted || ev.Item.Mod != c.rev) {
				err = fmt.Errorf("key %q changed at revision %d, but has no version there: %w", c.key, c.rev, errRecord)
			}
			if err != nil {
				return false, err
			}
		}
		if !fn(ev) {
			return false, nil
		}
	}
	return false, fmt.Errorf("key %s: %w", formattedKey(bytes.Clone(iter.Key())), err)
}
