package smtest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

var (
	errNotEmpty   = errors.New("smtest: expected an empty model to restore into")
	errNoRevision = errors.New("smtest: expected Advance before the first Put or Delete of a batch")
)

// byRevision orders changes.
func byRevision(a, b statemachine.Event) int {
	return cmp.Or(cmp.Compare(a.Item.Mod, b.Item.Mod), cmp.Compare(a.Sub, b.Sub))
}

// modelBatch keeps its changes to itself until it commits.
type modelBatch struct {
	model    *Model
	base     statemachine.Revision // that of the last committed batch
	at       boundary
	sub      uint32
	advanced bool
	changes  []statemachine.Event
	latest   map[string]statemachine.Event // of changes, by key
}

// Begin starts a batch. It panics when one is open already.
func (m *Model) Begin() statemachine.Batch {
	c, err := m.lock()
	defer c.mu.Unlock()
	b := &modelBatch{model: m, latest: map[string]statemachine.Event{}}
	if err != nil {
		return b // every use of it says ErrClosed
	}
	if c.batch != nil {
		panic("smtest: Begin while a batch is open")
	}
	c.batch = b
	b.at = c.newest()
	b.base = b.at.revision
	return b
}

// rlock takes the content for reading and says whether the batch may still be used.
func (b *modelBatch) rlock() (*content, error) {
	c, err := b.model.rlock()
	if err == nil && c.batch != b {
		err = statemachine.ErrClosed
	}
	return c, err
}

func (b *modelBatch) Advance() statemachine.Revision {
	b.at.revision++
	b.sub = 0
	b.advanced = true
	return b.at.revision
}

func (b *modelBatch) Get(key []byte) (statemachine.Item, bool, error) {
	c, err := b.rlock()
	defer c.mu.RUnlock()
	if err != nil {
		return statemachine.Item{}, false, err
	}
	item, ok := b.get(c, string(key))
	return item, ok, nil
}

func (b *modelBatch) get(c *content, key string) (statemachine.Item, bool) {
	if ev, changed := b.latest[key]; changed && ev.Deleted {
		return statemachine.Item{}, false
	} else if changed {
		return ev.Item, true
	}
	return c.liveAt(key, b.base)
}

func (b *modelBatch) Put(key, value []byte, lease uint64) (statemachine.Item, error) {
	c, err := b.rlock()
	defer c.mu.RUnlock()
	if err != nil {
		return statemachine.Item{}, err
	}
	item := statemachine.Item{Key: bytes.Clone(key), Value: bytes.Clone(value), Create: b.at.revision, Mod: b.at.revision, Version: 1, Lease: lease}
	if was, ok := b.get(c, string(key)); ok {
		item.Create, item.Version = was.Create, was.Version+1
	}
	return item, b.change(statemachine.Event{Item: item})
}

func (b *modelBatch) Delete(key []byte) (bool, error) {
	c, err := b.rlock()
	defer c.mu.RUnlock()
	if err != nil {
		return false, err
	}
	if _, ok := b.get(c, string(key)); !ok {
		return false, nil
	}
	return true, b.change(statemachine.Event{Item: statemachine.Item{Key: bytes.Clone(key), Mod: b.at.revision}, Deleted: true})
}

func (b *modelBatch) change(ev statemachine.Event) error {
	if !b.advanced {
		return errNoRevision
	}
	key := string(ev.Item.Key)
	if was, changed := b.latest[key]; changed && was.Item.Mod == ev.Item.Mod {
		return fmt.Errorf("smtest: key %q is changed twice in revision %d, expected once", key, ev.Item.Mod)
	}
	ev.Sub = b.sub
	b.sub++
	b.changes = append(b.changes, ev)
	b.latest[key] = ev
	return nil
}

func (b *modelBatch) Range(from, to []byte, fn func(statemachine.Item) bool) error {
	c, err := b.rlock()
	items := b.collect(c, from, to)
	c.mu.RUnlock()
	if err != nil {
		return err
	}
	for _, item := range items {
		if !fn(item) {
			break
		}
	}
	return nil
}

// collect gives the live items in [from, to), in order.
func (b *modelBatch) collect(c *content, from, to []byte) []statemachine.Item {
	keys := c.within(from, to)
	for _, ev := range b.changes {
		if key := string(ev.Item.Key); within(key, from, to) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var items []statemachine.Item
	for _, key := range slices.Compact(keys) {
		if item, ok := b.get(c, key); ok {
			items = append(items, item)
		}
	}
	return items
}

// within gives a copy of the keys in [from, to), in order.
func (c *content) within(from, to []byte) []string {
	lo, _ := slices.BinarySearch(c.keys, string(from))
	hi := len(c.keys)
	if to != nil {
		hi, _ = slices.BinarySearch(c.keys, string(to))
	}
	return slices.Clone(c.keys[lo:max(lo, hi)])
}

func within(key string, from, to []byte) bool {
	return key >= string(from) && (to == nil || key < string(to))
}

func (b *modelBatch) Compact(rev statemachine.Revision) error {
	c, err := b.rlock()
	defer c.mu.RUnlock()
	switch {
	case err != nil:
		return err
	case rev < b.at.compacted:
		return statemachine.ErrCompacted
	case rev > b.at.revision:
		return statemachine.ErrFutureRevision
	}
	b.at.compacted = rev
	return nil
}

func (b *modelBatch) Commit(applied statemachine.Index) error {
	c, err := b.model.lock()
	defer c.mu.Unlock()
	if err != nil || c.batch != b {
		return statemachine.ErrClosed
	}
	if applied < c.newest().applied {
		return fmt.Errorf("smtest: commit at applied index %d, expected at least %d", applied, c.newest().applied)
	}
	for _, ev := range b.changes {
		c.add(ev)
	}
	c.history = append(c.history, b.changes...)
	b.at.applied = applied
	c.boundaries = append(c.boundaries, b.at)
	c.batch = nil
	return nil
}
