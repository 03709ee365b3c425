package kv_test

import (
	"bytes"
	"maps"
	"slices"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// oracle is the store as the documentation of package model describes it, with a copy of the whole state for each revision.
type oracle struct {
	states    []map[string]model.Item // by revision; states[0] is empty
	compacted model.Revision
}

func newOracle() *oracle { return &oracle{states: []map[string]model.Item{{}}} }

func (o *oracle) revision() model.Revision { return model.Revision(len(o.states) - 1) }

// change carries out a transaction of fn, which changes state at the revision given and says whether it changed anything.
func (o *oracle) change(fn func(state map[string]model.Item, rev model.Revision) bool) {
	state := maps.Clone(o.states[len(o.states)-1])
	if fn(state, o.revision()+1) {
		o.states = append(o.states, state)
	}
}

// txn gives the result of a valid transaction.
func (o *oracle) txn(t model.Txn) *model.TxnResult {
	result := &model.TxnResult{Succeeded: o.holds(t.Compares)}
	ops := o.branch(t)
	o.change(func(state map[string]model.Item, rev model.Revision) bool {
		wrote := false
		for _, op := range ops {
			r, w := operate(state, rev, op)
			result.Results = append(result.Results, r)
			wrote = wrote || w
		}
		return wrote
	})
	result.Revision = o.revision()
	for _, r := range result.Results {
		if r.Range != nil {
			r.Range.Revision = result.Revision
		}
	}
	return result
}

func (o *oracle) holds(compares []model.Compare) bool {
	now := o.states[len(o.states)-1]
	for _, c := range compares {
		if item, found := now[string(c.Key)]; !c.Holds(item, found) {
			return false
		}
	}
	return true
}

// branch gives the operations that are carried out.
func (o *oracle) branch(t model.Txn) []model.Op {
	if o.holds(t.Compares) {
		return t.Success
	}
	return t.Failure
}

func operate(state map[string]model.Item, rev model.Revision, op model.Op) (result model.OpResult, wrote bool) {
	result.Kind = op.Kind
	key := string(op.Key)
	switch op.Kind {
	case model.OpPut:
		item, found := state[key]
		if !found {
			item = model.Item{Key: []byte(key), CreateRevision: rev}
		}
		item.Value, item.ModRevision, item.Version = op.Value, rev, item.Version+1
		state[key] = item
		return result, true
	case model.OpDelete:
		if _, found := state[key]; found {
			delete(state, key)
			result.Deleted = 1
		}
	case model.OpDeleteRange:
		for _, item := range interval(state, op.Range) {
			delete(state, string(item.Key))
			result.Deleted++
		}
	case model.OpGet:
		result.Item, result.Found = state[key]
	case model.OpRange:
		r := readRange(state, op.Range)
		result.Range = &r
	}
	return result, result.Deleted > 0
}

// interval gives the items that opts select, in ascending order.
func interval(state map[string]model.Item, opts model.RangeOptions) []model.Item {
	from, to := opts.Bounds()
	var items []model.Item
	for _, key := range slices.Sorted(maps.Keys(state)) {
		if bytes.Compare([]byte(key), from) >= 0 && (to == nil || bytes.Compare([]byte(key), to) < 0) {
			items = append(items, state[key])
		}
	}
	return items
}

func readRange(state map[string]model.Item, opts model.RangeOptions) model.RangeResult {
	items := interval(state, opts)
	if opts.Reverse {
		slices.Reverse(items)
	}
	var result model.RangeResult
	if opts.Limit > 0 && len(items) > opts.Limit {
		items, result.More = items[:opts.Limit], true
	}
	result.Count = len(items)
	for _, item := range items {
		if opts.KeysOnly {
			item.Value = nil
		}
		if !opts.CountOnly {
			result.Items = append(result.Items, item)
		}
	}
	return result
}

// compact gives the refusal of a compaction, nil if it was carried out.
func (o *oracle) compact(rev model.Revision) error {
	switch {
	case rev > o.revision():
		return model.ErrFutureRevision
	case rev > o.compacted:
		o.compacted = rev
	}
	return nil
}

// commandOf is an entry with what it does to an oracle.
type commandOf struct {
	body  []byte
	apply func(*oracle) (data any)
}

// deletion gives the Result.Data of a delete alone.
func deletion(r *model.TxnResult) any {
	if n := r.Results[0].Deleted; n > 0 {
		return kv.Deleted(n)
	}
	return nil
}
