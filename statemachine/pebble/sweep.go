package pebble

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// sweepChanges is about how many changes are swept in one step, in one small batch of deletes.
const sweepChanges = 1024

// sweepLoop removes history that compaction has hidden and nobody reads any more. It is the store's second goroutine. Nothing
// it does shows: it only removes versions that were replaced or deleted at or below the floor, and a floor is never above
// what is compacted or pinned.
func (s *Store) sweepLoop() {
	defer s.loops.Done()
	for {
		select {
		case <-s.sweep:
		case <-s.health.closing:
			return
		}
		for again := true; again; {
			again = false
			for _, e := range s.open() {
				more, err := e.sweepStep()
				if err != nil {
					// The store closes or has failed; or the engine was closed, and the others go on.
					if s.health.isClosing() || s.health.err() != nil {
						return
					}
					continue
				}
				again = again || more
			}
		}
	}
}

// sweepStep sweeps some blocks; more says whether there are others.
func (e *Engine) sweepStep() (more bool, err error) {
	e.sweeping.Lock()
	defer e.sweeping.Unlock()
	swept, floor := e.floor()
	if swept >= floor {
		return false, nil
	}
	batch, reached, err := e.sweepBatch(swept, floor)
	if err != nil {
		return false, err
	}
	defer func() { _ = batch.Close() }()
	if err := e.commit(batch); err != nil {
		return false, err
	}
	e.mu.Lock()
	e.swept = reached
	e.mu.Unlock()
	return reached < floor, nil
}

// sweepBatch makes the batch that removes history in (swept, floor], or a part of it, and says which revision it reaches.
func (e *Engine) sweepBatch(swept, floor statemachine.Revision) (*pebble.Batch, statemachine.Revision, error) {
	s := e.store
	if err := e.enter(); err != nil {
		return nil, 0, err
	}
	defer s.leave()
	iter, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: e.ns.table(tableBlocks), UpperBound: e.ns.table(tableBlocks + 1),
	})
	if err != nil {
		return nil, 0, s.health.check(err)
	}
	w := sweepWriter{ns: e.ns, batch: s.db.NewBatch(), swept: swept, floor: floor}
	reached := floor
	for ok := iter.First(); ok && err == nil; ok = iter.Next() {
		var last statemachine.Revision
		if last, err = w.block(iter); err != nil || last > floor {
			break
		}
		// A revision may go on in the next block, which is then looked at again: what is below last is done for sure.
		if w.batch.Count() >= sweepChanges && last-1 > swept {
			reached = last - 1
			break
		}
	}
	if closeErr := iter.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = w.batch.Set(e.ns.table(tableSwept), appendSwept(nil, reached), nil)
	}
	if err = s.health.check(err); err != nil {
		_ = w.batch.Close()
		return nil, 0, err
	}
	return w.batch, reached, nil
}

// sweepWriter removes what the changes of blocks have made unreadable.
type sweepWriter struct {
	ns           namespace
	batch        *pebble.Batch
	swept, floor statemachine.Revision
	scratch      []byte
}

// block sweeps the block that an iterator is at, and gives the revision of its last change.
func (w *sweepWriter) block(iter *pebble.Iterator) (last statemachine.Revision, err error) {
	record, err := iter.ValueAndErr()
	if err != nil {
		return 0, err
	}
	block, err := readBlock(record)
	for ok := true; err == nil; {
		var c change
		if c, ok, err = block.next(); err != nil || !ok {
			break
		}
		last = c.rev
		if c.rev > w.floor {
			return last, nil
		}
		if c.rev > w.swept {
			err = w.change(c)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("key %s: %w", formattedKey(iter.Key()), err)
	}
	return last, w.batch.Delete(iter.Key(), nil)
}

// change removes the version that a change replaced, and the mark that a delete left.
func (w *sweepWriter) change(c change) error {
	if c.replaced != 0 {
		w.scratch = w.ns.appendVersionKey(w.scratch[:0], c.key, c.replaced)
		if err := w.batch.Delete(w.scratch, nil); err != nil {
			return err
		}
	}
	if !c.deleted {
		return nil
	}
	w.scratch = w.ns.appendVersionKey(w.scratch[:0], c.key, c.rev)
	return w.batch.Delete(w.scratch, nil)
}

func appendSwept(dst []byte, rev statemachine.Revision) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(rev))
}

// readSwept reads how far the sweeper had got.
func (ns namespace) readSwept(iter *pebble.Iterator) (statemachine.Revision, error) {
	key := ns.table(tableSwept)
	if !iter.SeekGE(key) || string(iter.Key()) != string(key) {
		return 0, iter.Error()
	}
	if len(iter.Value()) != 8 {
		return 0, fmt.Errorf("key %s: %w", formattedKey(key), errRecord)
	}
	return statemachine.Revision(binary.BigEndian.Uint64(iter.Value())), nil
}
