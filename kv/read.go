package kv

import (
	"context"
	"errors"

	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Get reads a key at a revision from what the machine has applied; opts.Level is the caller's affair. It fails with
// model.ErrNotFound, with the revision and index of the result set all the same, with a *model.RevisionError or
// *model.InvalidError, with statemachine.ErrClosed when the machine is closed (its group may have a newer one), or with the
// engine's error. Safe from any goroutine.
func (m *Machine) Get(key []byte, revision model.Revision) (model.GetResult, error) {
	if err := model.ValidateKey(key); err != nil {
		return model.GetResult{}, err
	}
	view, err := m.view(revision)
	if err != nil {
		return model.GetResult{}, err
	}
	defer m.open.RUnlock()
	result := model.GetResult{Revision: model.Revision(view.Revision()), Applied: model.Index(view.Applied())}
	item, found, err := view.Get(key)
	if err == nil && found {
		result.Item = ownItem(item, false)
	}
	if err = errors.Join(err, view.Close()); err == nil && !found {
		err = model.ErrNotFound
	}
	return result, err
}

// Range reads the keys that opts select at opts.Revision from what the machine has applied; opts.Level is the caller's affair.
// It fails as Get does, but for model.ErrNotFound, and with ctx's error. It looks at ctx, and lets Close go ahead, every few thousand
// keys: then it fails with statemachine.ErrClosed. Safe from any goroutine.
func (m *Machine) Range(ctx context.Context, opts model.RangeOptions) (model.RangeResult, error) {
	if err := opts.Validate(); err != nil {
		return model.RangeResult{}, err
	}
	view, err := m.view(opts.Revision)
	if err != nil {
		return model.RangeResult{}, err
	}
	result := model.RangeResult{Revision: model.Revision(view.Revision()), Applied: model.Index(view.Applied())}
	m.open.RUnlock()
	err = newScan(view, opts, &result).run(ctx, m)
	return result, errors.Join(err, view.Close())
}

// whileOpen runs f while the machine can't be closed. It fails with statemachine.ErrClosed when it is closed already.
func (m *Machine) whileOpen(f func() error) error {
	m.open.RLock()
	defer m.open.RUnlock()
	if m.closed {
		return statemachine.ErrClosed
	}
	return f()
}

// What one step of a range visits and returns at most, so that a step takes well below a millisecond.
const (
	stepItems = 4096
	stepBytes = 1 << 20
)

// rangeScan reads a range of a view in steps.
type rangeScan struct {
	view statemachine.View
	sink rangeSink
	// left is what is still to be visited, and more says that there may be something in it.
	left statemachine.RangeOptions
	more bool
}

// newScan reads what opts select of a view into a result.
func newScan(view statemachine.View, opts model.RangeOptions, result *model.RangeResult) *rangeScan {
	from, to := opts.Bounds()
	return &rangeScan{view: view, more: true,
		sink: rangeSink{opts: opts, result: result, budget: opts.MaxBytes, bounded: opts.MaxBytes > 0, first: true},
		left: statemachine.RangeOptions{From: from, To: to, Reverse: opts.Reverse, KeysOnly: opts.KeysOnly || opts.CountOnly}}
}

// run reads to the end, unless ctx is done or the machine is closed before a step.
func (r *rangeScan) run(ctx context.Context, m *Machine) error {
	for r.more {
		if err := m.whileOpen(r.step); err != nil {
			return err
		}
		if err := ctx.Err(); r.more && err != nil {
			return err
		}
	}
	return nil
}

// step visits the next keys. REQUIRES: the machine is not closed meanwhile.
func (r *rangeScan) step() error {
	r.more = false
	if emptyInterval(r.left.From, r.left.To) {
		return nil
	}
	items, bytes := stepItems, stepBytes
	return r.view.Range(r.left, func(item statemachine.Item) bool {
		if !r.sink.add(item) {
			return false
		}
		items--
		bytes -= len(item.Value)
		if items > 0 && bytes > 0 {
			return true
		}
		r.more = true
		if r.left.Reverse {
			r.left.To = append([]byte(nil), item.Key...)
		} else {
			r.left.From = append(append(make([]byte, 0, len(item.Key)+1), item.Key...), 0)
		}
		return false
	})
}

// view opens a view and, unless it fails, holds m.open for reading until the caller releases it.
func (m *Machine) view(revision model.Revision) (statemachine.View, error) {
	m.open.RLock()
	if m.closed {
		m.open.RUnlock()
		return nil, statemachine.ErrClosed
	}
	view, err := m.engine.View(statemachine.Revision(revision))
	if err != nil {
		m.open.RUnlock()
		return nil, m.revisionError(revision, err)
	}
	return view, nil
}

// revisionError puts an engine's error about a revision into the store's words.
func (m *Machine) revisionError(revision model.Revision, err error) error {
	switch {
	case errors.Is(err, statemachine.ErrCompacted):
		return &model.RevisionError{Asked: revision, Bound: m.Compacted(), Err: model.ErrCompacted}
	case errors.Is(err, statemachine.ErrFutureRevision):
		return &model.RevisionError{Asked: revision, Bound: m.Revision(), Err: model.ErrFutureRevision}
	}
	return err
}

// rangeSink collects what a range visits, within its limit and a bound in bytes.
type rangeSink struct {
	opts   model.RangeOptions
	result *model.RangeResult
	// budget is how many bytes may still be added, if bounded; the first item may be larger if first is set.
	budget  int
	bounded bool
	first   bool
}

// add takes an item and says whether it wants another. What is left out sets More.
func (r *rangeSink) add(item statemachine.Item) bool {
	if r.opts.Limit > 0 && r.result.Count == r.opts.Limit {
		r.result.More = true
		return false
	}
	if !r.opts.CountOnly {
		if r.bounded {
			size := resultBytes(item, r.opts.KeysOnly)
			if size > r.budget && !r.first {
				r.result.More = true
				return false
			}
			r.budget = max(r.budget-size, 0)
			r.first = false
		}
		r.result.Items = append(r.result.Items, ownItem(item, r.opts.KeysOnly))
	}
	r.result.Count++
	return true
}

// itemBytes is what an item counts where results are bounded in bytes.
func itemBytes(keyBytes, valueBytes int) int { return model.ItemOverheadBytes + keyBytes + valueBytes }

// resultBytes is what an item counts in a range's result.
func resultBytes(item statemachine.Item, keysOnly bool) int {
	if keysOnly {
		return itemBytes(len(item.Key), 0)
	}
	return itemBytes(len(item.Key), len(item.Value))
}

// borrowItem gives an engine's item as the store's, with the engine's memory.
func borrowItem(item statemachine.Item) model.Item {
	return model.Item{
		Key: item.Key, Value: item.Value,
		CreateRevision: model.Revision(item.Create), ModRevision: model.Revision(item.Mod),
		Version: item.Version, Lease: model.LeaseID(item.Lease),
	}
}

// ownItem gives an engine's item as the store's, with memory of its own.
func ownItem(item statemachine.Item, keysOnly bool) model.Item {
	owned := borrowItem(item)
	if keysOnly {
		owned.Value = nil
		owned.Key = append(make([]byte, 0, len(item.Key)), item.Key...)
		return owned
	}
	memory := make([]byte, 0, len(item.Key)+len(item.Value))
	memory = append(append(memory, item.Key...), item.Value...)
	split := len(item.Key)
	owned.Key, owned.Value = memory[:split:split], memory[split:]
	return owned
}
