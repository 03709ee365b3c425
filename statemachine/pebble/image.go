package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

const (
	// cursorBytes is how much an image reads before it takes a new iterator: an iterator holds files and memory tables,
	// and an image may take minutes to send.
	cursorBytes = 8 << 20
	// restoreBytes is the size of the batches in which an image is written.
	restoreBytes = 1 << 20
)

// Image gives a stable image at the last committed batch. Its Next may be called on another goroutine while batches are
// committed. It holds back the removal of compacted history until it is closed.
func (e *Engine) Image() (statemachine.Image, error) {
	c := &cursor{from: e.lower}
	if err := e.attach(&c.reader, c.closeIter); err != nil {
		return nil, err
	}
	at := c.state
	return image.New(image.Header{Applied: at.applied, Revision: at.revision, Compacted: at.compacted}, c), nil
}

// cursor walks the versions of an engine in ascending order of key and revision. In the table the newest version of a key
// comes first; so of a key with several versions it finds the last and goes back.
type cursor struct {
	reader
	from []byte // where the next key is to be looked for
	iter *pebble.Iterator
	read int // bytes, by iter

	inKey  bool   // more versions of the key at hand are to come, going back from iter
	prefix []byte // of the key at hand
	key    []byte // the part of prefix that is the key
	value  []byte
}

// Next gives the next version, or io.EOF.
func (c *cursor) Next() (statemachine.Event, error) {
	if err := c.enter(); err != nil {
		return statemachine.Event{}, err
	}
	defer c.leave()
	ev, err := c.next()
	if err == io.EOF {
		return ev, err
	}
	return ev, c.engine.store.health.check(err)
}

func (c *cursor) next() (statemachine.Event, error) {
	if c.inKey {
		if c.iter.Prev() {
			if prefix, _ := splitVersionKey(c.iter.Key()); bytes.Equal(prefix, c.prefix) {
				return c.version()
			}
		}
		if err := c.iter.Error(); err != nil {
			return statemachine.Event{}, err
		}
		c.inKey = false
	}
	if err := c.refresh(); err != nil {
		return statemachine.Event{}, err
	}
	if !c.iter.SeekGE(c.from) {
		if err := c.iter.Error(); err != nil {
			return statemachine.Event{}, err
		}
		return statemachine.Event{}, io.EOF
	}
	return c.firstVersion()
}

// refresh takes a new iterator when there is none or it has been held for long enough.
func (c *cursor) refresh() (err error) {
	if c.iter != nil {
		if c.read < cursorBytes {
			return nil
		}
		if err := c.closeIter(); err != nil {
			return err
		}
	}
	c.read = 0
	c.iter, err = c.engine.store.db.NewIter(&pebble.IterOptions{LowerBound: c.engine.lower, UpperBound: c.engine.upper})
	return err
}

// firstVersion gives the oldest version of the key whose newest the iterator is at.
func (c *cursor) firstVersion() (statemachine.Event, error) {
	prefix, _ := splitVersionKey(c.iter.Key())
	c.prefix = append(c.prefix[:0], prefix...)
	c.key = c.engine.ns.userKey(c.prefix)
	c.from = appendSuffix(append(c.from[:0], c.prefix...), 0)
	ev, err := c.version()
	if err != nil {
		return ev, err
	}
	// ev is the newest version; if it is not the only one, begin with the oldest instead.
	if c.iter.Next() {
		if prefix, _ := splitVersionKey(c.iter.Key()); bytes.Equal(prefix, c.prefix) {
			c.inKey = true
			if !c.iter.SeekLT(c.from) {
				return ev, errors.Join(c.iter.Error(), errRecord)
			}
			return c.version()
		}
	}
	return ev, c.iter.Error()
}

// version gives the version that the iterator is at, with a value of its own.
func (c *cursor) version() (statemachine.Event, error) {
	ev, err := versionAt(c.iter, c.key)
	if err != nil {
		return ev, err
	}
	c.value = append(c.value[:0], ev.Item.Value...)
	ev.Item.Value = c.value
	c.read += len(c.iter.Key()) + len(c.value)
	return ev, nil
}

func (c *cursor) closeIter() error {
	if c.iter == nil {
		return nil
	}
	err := c.iter.Close()
	c.iter = nil
	return err
}

// Close gives back what the cursor holds. A second call does nothing.
func (c *cursor) Close() error { return c.close() }

// Restore fills an empty engine from an image and makes it durable. The state is written last: if the process ends
// before, the namespace can't be opened (ErrIncomplete) and must be dropped. After an error it must be dropped as well. Errors
// are those of image.NewReader and Reader.Next, ErrNotEmpty, and the store's.
func (e *Engine) Restore(chunks statemachine.ChunkSource) error {
	e.writer.Lock()
	defer e.writer.Unlock()
	if e.used {
		return fmt.Errorf("%w: group %d, epoch %d", ErrNotEmpty, e.at.group, e.at.epoch)
	}
	reader, err := image.NewReader(chunks)
	if err != nil {
		return err
	}
	at := state{applied: reader.Header().Applied, revision: reader.Header().Revision, compacted: reader.Header().Compacted}
	e.used = true
	r := restore{engine: e, state: at}
	if err := r.run(reader); err != nil {
		return err
	}
	e.mu.Lock()
	e.state, e.swept = at, at.compacted
	e.mu.Unlock()
	return e.Flush()
}

// restore writes the versions of an image.
type restore struct {
	engine  *Engine
	state   state
	writes  *pebble.Batch
	scratch []byte
	key     []byte                // of the last version
	last    statemachine.Revision // of that key that is live, or 0
}

func (r *restore) run(reader *image.Reader) error {
	if err := r.renew(); err != nil {
		return err
	}
	defer func() { _ = r.writes.Close() }()
	for {
		ev, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = r.write(ev)
		}
		if err != nil {
			return err
		}
	}
	ns := r.engine.ns
	if err := r.writes.Set(ns.table(tableSwept), appendSwept(nil, r.state.compacted), nil); err != nil {
		return err
	}
	if err := r.writes.Set(ns.table(tableMeta), appendState(nil, r.state), nil); err != nil {
		return err
	}
	return r.engine.commit(r.writes)
}

// renew starts a Pebble batch.
func (r *restore) renew() error {
	if err := r.engine.enter(); err != nil {
		return err
	}
	defer r.engine.store.leave()
	r.writes = r.engine.store.db.NewBatch()
	return nil
}

// write adds a version, and, where its revision is not compacted, a block of its own for the change: the image comes in order
// of keys, so the changes of a revision are not together.
func (r *restore) write(ev statemachine.Event) error {
	ns := r.engine.ns
	writeVersion(r.writes, ns, &r.scratch, ev)
	if !bytes.Equal(ev.Item.Key, r.key) || r.last == 0 {
		r.key, r.last = append(r.key[:0], ev.Item.Key...), 0
	}
	if ev.Item.Mod > r.state.compacted {
		var block blockBuilder
		block.add(change{key: r.key, rev: ev.Item.Mod, sub: ev.Sub, replaced: r.last, deleted: ev.Deleted})
		r.scratch = block.appendTo(r.scratch[:0], nil)
		if err := r.writes.Set(ns.blockKey(ev.Item.Mod, ev.Sub), r.scratch, nil); err != nil {
			return err
		}
	}
	r.last = ev.Item.Mod
	if ev.Deleted {
		r.last = 0
	}
	if r.writes.Len() < restoreBytes {
		return nil
	}
	if err := r.engine.commit(r.writes); err != nil {
		return err
	}
	_ = r.writes.Close()
	return r.renew()
}
