package btree

import (
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// view reads one revision of a pinned state.
type view struct {
	engine   *Engine
	state    *state // nil when closed
	revision statemachine.Revision
}

func (v *view) Revision() statemachine.Revision { return v.revision }

func (v *view) Applied() statemachine.Index {
	if v.state == nil {
		return 0
	}
	return v.state.applied
}

func (v *view) open() error {
	if v.state == nil || v.engine.closed.Load() {
		return statemachine.ErrClosed
	}
	return nil
}

func (v *view) Get(key []byte) (statemachine.Item, bool, error) {
	if err := v.open(); err != nil {
		return statemachine.Item{}, false, err
	}
	if it := v.engine.table.get(key); it != nil {
		if found := it.at(v.revision); found != nil {
			return it.with(found), true, nil
		}
	}
	return statemachine.Item{}, false, nil
}

func (v *view) Range(opts statemachine.RangeOptions, fn func(statemachine.Item) bool) error {
	if err := v.open(); err != nil {
		return err
	}
	w := walk{order: v.engine.order, from: opts.From, to: opts.To, reverse: opts.Reverse}
	for slice := w.next(); len(slice) > 0; slice = w.next() {
		for _, it := range slice {
			found := it.at(v.revision)
			if found == nil {
				continue
			}
			item := it.with(found)
			if opts.KeysOnly {
				item.Value = nil
			}
			if !fn(item) {
				return nil
			}
		}
	}
	return nil
}

func (v *view) Events(from statemachine.Revision, fn func(statemachine.Event) bool) error {
	if err := v.open(); err != nil {
		return err
	}
	if from <= v.state.epoch.compacted {
		return statemachine.ErrCompacted
	}
	v.engine.events.visit(from, v.state.events, func(it *item, found *version) bool {
		return found.mod <= v.revision && fn(it.event(found))
	})
	return nil
}

func (v *view) Close() error {
	if v.state != nil {
		v.state.unpin()
		v.state = nil
	}
	return nil
}
