package smtest

import (
	"slices"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// modelView reads a revision; what it needs is kept while it is open.
type modelView struct {
	model    *Model
	revision statemachine.Revision
	at       boundary // the newest when the view was opened
}

// View opens a view, see statemachine.Engine.
func (m *Model) View(rev statemachine.Revision) (statemachine.View, error) {
	c, err := m.lock()
	defer c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	v := &modelView{model: m, revision: rev, at: c.newest()}
	switch {
	case rev == statemachine.Latest:
		v.revision = v.at.revision
	case rev > v.at.revision:
		return nil, statemachine.ErrFutureRevision
	case rev < v.at.compacted:
		return nil, statemachine.ErrCompacted
	}
	c.views[v] = struct{}{}
	return v, nil
}

// rlock takes the content for reading and says whether the view may still be used.
func (v *modelView) rlock() (*content, error) {
	c, err := v.model.rlock()
	if _, open := c.views[v]; err == nil && !open {
		err = statemachine.ErrClosed
	}
	return c, err
}

func (v *modelView) Revision() statemachine.Revision { return v.revision }

func (v *modelView) Applied() statemachine.Index { return v.at.applied }

func (v *modelView) Get(key []byte) (statemachine.Item, bool, error) {
	c, err := v.rlock()
	defer c.mu.RUnlock()
	if err != nil {
		return statemachine.Item{}, false, err
	}
	item, ok := c.liveAt(string(key), v.revision)
	return item, ok, nil
}

func (v *modelView) Range(opts statemachine.RangeOptions, fn func(statemachine.Item) bool) error {
	items, err := v.collect(opts)
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

func (v *modelView) collect(opts statemachine.RangeOptions) ([]statemachine.Item, error) {
	c, err := v.rlock()
	defer c.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	var items []statemachine.Item
	for _, key := range c.within(opts.From, opts.To) {
		item, ok := c.liveAt(key, v.revision)
		if !ok {
			continue
		}
		if opts.KeysOnly {
			item.Value = nil
		}
		items = append(items, item)
	}
	if opts.Reverse {
		slices.Reverse(items)
	}
	return items, nil
}

func (v *modelView) Events(from statemachine.Revision, fn func(statemachine.Event) bool) error {
	c, err := v.rlock()
	history := c.history // appended to, and replaced when it is pruned, but never changed; a crash is not for the living
	c.mu.RUnlock()
	if err != nil {
		return err
	}
	if from <= v.at.compacted {
		return statemachine.ErrCompacted
	}
	first, _ := slices.BinarySearchFunc(history, statemachine.Event{Item: statemachine.Item{Mod: from}}, byRevision)
	for _, ev := range history[first:] {
		if ev.Item.Mod > v.revision || !fn(ev) {
			break
		}
	}
	return nil
}

func (v *modelView) Close() error {
	v.model.content.mu.Lock()
	defer v.model.content.mu.Unlock()
	delete(v.model.content.views, v)
	return nil
}
