package check_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// store is what the documentation of kv/model says, in the simplest way: a map for each revision. Stores are values: an operation
// gives another one and leaves its receiver as it was.
type store struct {
	state map[string]model.Item
	rev   model.Revision
	// before is the store at the revision before, nil for the empty one.
	before *store
	// compacted is the oldest revision that can be read, 0 before the first compaction.
	compacted model.Revision
	// hash is that of all states up to this one, nil as long as nobody asked.
	hash []byte
}

func newStore() *store { return &store{state: map[string]model.Item{}} }

// at gives the state at a revision that was reached.
func (s *store) at(rev model.Revision) map[string]model.Item {
	for s.rev > rev {
		s = s.before
	}
	return s.state
}

// equal says whether two stores are the same at all revisions.
func (s *store) equal(other *store) bool {
	return s.compacted == other.compacted && s.rev == other.rev && bytes.Equal(s.sum(), other.sum())
}

func (s *store) sum() []byte {
	if s.hash == nil {
		h := sha256.New()
		if s.before != nil {
			h.Write(s.before.sum())
		}
		for _, key := range slices.Sorted(maps.Keys(s.state)) {
			item := s.state[key]
			fmt.Fprintf(h, "%q=%q,%d,%d,%d;", key, item.Value, item.CreateRevision, item.ModRevision, item.Version)
		}
		s.hash = h.Sum(nil)
	}
	return s.hash
}

// do gives the answer to a request and the store after it.
func (s *store) do(r check.Request) (check.Result, *store) {
	switch r := r.(type) {
	case check.Put:
		_, next := s.txn(model.Do(model.Put(r.Key, r.Value)))
		return check.Revised{Revision: next.rev}, next
	case check.Delete:
		result, next := s.txn(model.Do(r.Op))
		return check.Deleted{DeleteResult: model.DeleteResult{Revision: next.rev, Deleted: result.Results[0].Deleted}}, next
	case check.Swap:
		result, next := s.txn(model.If(model.ModRevision(r.Key).Equals(r.Expected)).Then(model.Put(r.Key, r.Value)).Else(model.Get(r.Key)))
		swap := model.SwapResult{Swapped: result.Succeeded, Revision: next.rev}
		if !swap.Swapped {
			swap.Found, swap.Current = result.Results[0].Found, result.Results[0].Item
		}
		return check.Swapped{SwapResult: swap}, next
	case check.Txn:
		result, next := s.txn(r.Txn)
		return check.TxnDone{TxnResult: result}, next
	case check.Compact:
		if r.Revision > s.rev {
			return s.refuse(r.Revision, model.ErrFutureRevision), s
		}
		next := *s
		next.compacted = max(s.compacted, r.Revision)
		return check.Done{}, &next
	}
	return s.read(r), s
}

// read gives the answer to a Get or a Range.
func (s *store) read(r check.Request) check.Result {
	get, isGet := r.(check.Get)
	rng, _ := r.(check.Range)
	at := max(get.At, rng.Opts.Revision)
	switch {
	case at > s.rev:
		return s.refuse(at, model.ErrFutureRevision)
	case at == model.Latest:
		at = s.rev
	case at < s.compacted:
		return s.refuse(at, model.ErrCompacted)
	}
	if isGet {
		item, found := s.at(at)[string(get.Key)]
		return check.Got{GetResult: model.GetResult{Item: item, Revision: at}, Found: found}
	}
	result := rangeOf(s.at(at), rng.Opts)
	result.Revision = at
	return check.Ranged{RangeResult: result}
}

func (s *store) refuse(asked model.Revision, reason error) check.Result {
	bound := s.rev
	if reason == model.ErrCompacted {
		bound = s.compacted
	}
	return check.RevisionRefused{RevisionError: model.RevisionError{Asked: asked, Bound: bound, Err: reason}}
}

func (s *store) txn(t model.Txn) (model.TxnResult, *store) {
	state := maps.Clone(s.state)
	result := model.TxnResult{Succeeded: true}
	for _, c := range t.Compares {
		item, found := state[string(c.Key)]
		result.Succeeded = result.Succeeded && c.Holds(item, found)
	}
	ops := t.Success
	if !result.Succeeded {
		ops = t.Failure
	}
	wrote := false
	for _, op := range ops {
		r := operate(state, s.rev+1, op)
		wrote = wrote || r.Kind == model.OpPut || r.Deleted > 0
		result.Results = append(result.Results, r)
	}
	next := s
	if wrote {
		next = &store{state: state, rev: s.rev + 1, before: s, compacted: s.compacted}
	}
	result.Revision = next.rev
	for i := range result.Results {
		if result.Results[i].Range != nil {
			result.Results[i].Range.Revision = result.Revision
		}
	}
	return result, next
}

func operate(state map[string]model.Item, rev model.Revision, op model.Op) model.OpResult {
	result := model.OpResult{Kind: op.Kind}
	item, found := state[string(op.Key)]
	switch op.Kind {
	case model.OpPut:
		if !found {
			item = model.Item{Key: op.Key, CreateRevision: rev}
		}
		item.Value, item.ModRevision, item.Version = op.Value, rev, item.Version+1
		state[string(op.Key)] = item
	case model.OpDelete:
		if found {
			delete(state, string(op.Key))
			result.Deleted = 1
		}
	case model.OpDeleteRange:
		for _, item := range rangeOf(state, op.Range).Items {
			delete(state, string(item.Key))
			result.Deleted++
		}
	case model.OpGet:
		result.Item, result.Found = item, found
	case model.OpRange:
		r := rangeOf(state, op.Range)
		result.Range = &r
	}
	return result
}

func rangeOf(state map[string]model.Item, opts model.RangeOptions) model.RangeResult {
	from, to := opts.Bounds()
	var result model.RangeResult
	keys := slices.Sorted(maps.Keys(state))
	if opts.Reverse {
		slices.Reverse(keys)
	}
	for _, key := range keys {
		if key < string(from) || to != nil && key >= string(to) {
			continue
		}
		if opts.Limit > 0 && result.Count == opts.Limit {
			result.More = true
			break
		}
		item := state[key]
		if opts.KeysOnly {
			item.Value = nil
		}
		if !opts.CountOnly {
			result.Items = append(result.Items, item)
		}
		result.Count++
	}
	return result
}
