package btree

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

// errNotEmpty: Restore was called on an engine that has been written to.
var errNotEmpty = errors.New("btree: expected an empty engine to restore into")

// Image gives an image of the last committed state. It holds back space until it is closed, and takes a lock for a slice of
// keys at a time. Any goroutine may call it, and any one goroutine at a time read the image.
func (e *Engine) Image() (statemachine.Image, error) {
	if e.closed.Load() {
		return nil, statemachine.ErrClosed
	}
	s := e.pin()
	head := image.Header{Applied: s.applied, Revision: s.revision, Compacted: s.epoch.compacted}
	return image.New(head, &cursor{state: s, walk: walk{order: e.order}}), nil
}

// cursor walks the versions of a pinned state.
type cursor struct {
	state *state
	walk  walk
	items []*item // the rest of the slice at hand
	item  *item
	// versions are what is left of item's versions, the oldest last.
	versions []*version
}

func (c *cursor) Next() (statemachine.Event, error) {
	for len(c.versions) == 0 {
		if len(c.items) == 0 {
			c.items = c.walk.next()
		}
		if len(c.items) == 0 {
			return statemachine.Event{}, io.EOF
		}
		c.item, c.items = c.items[0], c.items[1:]
		c.collect()
	}
	last := len(c.versions) - 1
	v := c.versions[last]
	c.versions = c.versions[:last]
	return c.item.event(v), nil
}

// collect gathers the versions of an item from the newest down to the newest at or below the compacted revision. Those that
// are above the state's revision are left out by package image.
func (c *cursor) collect() {
	c.versions = c.versions[:0]
	for v := c.item.newest.Load(); v != nil; v = v.older.Load() {
		c.versions = append(c.versions, v)
		if v.mod <= c.state.epoch.compacted {
			return
		}
	}
}

func (c *cursor) Close() error {
	c.state.unpin()
	return nil
}

// Restore fills an empty engine from an image. After an error nothing can be written to the engine, and nothing of the
// image can be read from it.
func (e *Engine) Restore(src statemachine.ChunkSource) error {
	if e.closed.Load() {
		return statemachine.ErrClosed
	}
	if s := e.state.Load(); s.revision != 0 || s.applied != 0 || e.batch != nil || e.broken != nil {
		return errNotEmpty
	}
	if err := e.restore(src); err != nil {
		e.broken = fmt.Errorf("btree: restore: %w", err)
		return e.broken
	}
	return nil
}

// change is a version on its way into the queue of events.
type change struct {
	item    *item
	version *version
}

func (e *Engine) restore(src statemachine.ChunkSource) error {
	r, err := image.NewReader(src)
	if err != nil {
		return err
	}
	head := r.Header()
	var it *item
	var changes []change
	for {
		ev, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if it == nil || !bytes.Equal(it.key, ev.Item.Key) {
			it = newItem(ev.Item.Key)
			e.table.add(it)
			e.order.add(it)
		}
		v := &version{value: bytes.Clone(ev.Item.Value), create: ev.Item.Create, mod: ev.Item.Mod, count: ev.Item.Version,
			lease: ev.Item.Lease, sub: ev.Sub}
		v.older.Store(it.newest.Load())
		it.newest.Store(v)
		if v.mod > head.Compacted {
			changes = append(changes, change{it, v})
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.version.mod, b.version.mod), cmp.Compare(a.version.sub, b.version.sub))
	})
	for _, c := range changes {
		e.events.push(c.item, c.version)
	}
	now := &state{applied: head.Applied, revision: head.Revision, events: e.events.tail, epoch: &epoch{compacted: head.Compacted}}
	e.epochs = append(e.epochs, now.epoch)
	e.state.Store(now)
	return nil
}
