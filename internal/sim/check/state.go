package check

import (
	"bytes"
	"fmt"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// cell is a key's item in a state. An absent key has version 0.
type cell struct {
	value                []byte
	create, mod, version uint64
}

// is says whether the cell of a key is what a client was told.
func (c *cell) is(key string, found bool, seen *model.Item, keysOnly bool) bool {
	return found == (c.version > 0) && (!found || string(seen.Key) == key &&
		(keysOnly && len(seen.Value) == 0 || !keysOnly && bytes.Equal(seen.Value, c.value)) &&
		uint64(seen.CreateRevision) == c.create && uint64(seen.ModRevision) == c.mod && seen.Version == c.version)
}

// change is what a key was before it was written.
type change struct {
	key int32
	old cell
}

// state is the store at one revision, as the history says that it must be. It carries operations out and holds their answers against it.
type state struct {
	keys  *keyspace
	cells []cell
	// trail has what was overwritten since it was emptied, so that a guess can be taken back.
	trail []change
	// explaining: say in problem what was wrong, for the last answer that was.
	explaining bool
	problem    string
	// at is the key that problem is about, -1 for none, and seen the item that the client was shown, if it was.
	at   int32
	seen *model.Item
}

func newState(keys *keyspace) *state { return &state{keys: keys, cells: make([]cell, len(keys.names))} }

// undo takes back what was done since the trail had so many changes.
func (s *state) undo(length int) {
	for i := len(s.trail) - 1; i >= length; i-- {
		s.cells[s.trail[i].key] = s.trail[i].old
	}
	s.trail = s.trail[:length]
}

func (s *state) put(key int32, value []byte, rev uint64) {
	c := &s.cells[key]
	s.trail = append(s.trail, change{key, *c})
	if c.version == 0 {
		c.create = rev
	}
	c.value, c.mod, c.version = value, rev, c.version+1
}

func (s *state) delete(key int32) (deleted uint64) {
	c := &s.cells[key]
	if c.version == 0 {
		return 0
	}
	s.trail = append(s.trail, change{key, *c})
	*c = cell{}
	return 1
}

// item gives a key's item. Its slices are the history's, but for the key.
func (s *state) item(key int32) (item model.Item, found bool) {
	c := &s.cells[key]
	if c.version == 0 {
		return model.Item{}, false
	}
	return model.Item{Value: c.value, CreateRevision: model.Revision(c.create), ModRevision: model.Revision(c.mod), Version: c.version}, true
}

// fail says why an answer is wrong, if somebody wants to know, and gives false.
func (s *state) fail(key int32, seen *model.Item, format string, args ...any) bool {
	if s.explaining {
		s.problem, s.at, s.seen = fmt.Sprintf(format, args...), key, seen
	}
	return false
}

// run carries out a write, or what could have been one, as the transaction of a revision. It says whether something was written and whether the
// answer, if there is one, is right. REQUIRES: op is a Put, Delete, Swap or Txn.
func (s *state) run(op *Op, rev uint64) (wrote, ok bool) {
	before := len(s.trail)
	switch r := op.Request.(type) {
	case Put:
		s.put(s.keys.id(r.Key), r.Value, rev)
		ok = true
	case Delete:
		deleted := s.deleteOp(&r.Op)
		ok = true
		if result, known := op.Result.(Deleted); known {
			ok = s.sameCount(&r.Op, deleted, result.Deleted)
		}
	case Swap:
		ok = s.swap(r, op.Result, rev)
	case Txn:
		ok = s.txn(&r.Txn, op.Result, rev)
	}
	return len(s.trail) > before, ok
}

func (s *state) sameCount(op *model.Op, expected, found uint64) bool {
	if expected == found {
		return true
	}
	key := int32(-1)
	if op.Kind == model.OpDelete {
		key = s.keys.id(op.Key)
	}
	return s.fail(key, nil, "expected %s to remove %d, it says %d", describeOp(op), expected, found)
}

func (s *state) deleteOp(op *model.Op) (deleted uint64) {
	if op.Kind == model.OpDelete {
		return s.delete(s.keys.id(op.Key))
	}
	lo, hi := s.keys.span(op.Range.Bounds())
	for key := lo; key < hi; key++ {
		deleted += s.delete(int32(key))
	}
	return deleted
}

func (s *state) swap(r Swap, result Result, rev uint64) bool {
	key := s.keys.id(r.Key)
	swaps := s.cells[key].mod == uint64(r.Expected)
	answer, known := result.(Swapped)
	switch {
	case known && answer.Swapped != swaps:
		return s.fail(key, nil, "expected swapped to be %v, as the key was last changed at revision %d, found %v", swaps, s.cells[key].mod, answer.Swapped)
	case swaps:
		s.put(key, r.Value, rev)
	case known:
		return s.sameItem(key, answer.Found, &answer.Current, false)
	}
	return true
}

func (s *state) txn(t *model.Txn, result Result, rev uint64) bool {
	holds := true
	for i := range t.Compares {
		item, found := s.item(s.keys.id(t.Compares[i].Key))
		if !t.Compares[i].Holds(item, found) {
			holds = false
			break
		}
	}
	answer, known := result.(TxnDone)
	if known && answer.Succeeded != holds {
		return s.refuseBranch(t, holds)
	}
	ops := t.Success
	if !holds {
		ops = t.Failure
	}
	if known && len(answer.Results) != len(ops) {
		return s.fail(-1, nil, "expected %d results, found %d", len(ops), len(answer.Results))
	}
	for i := range ops {
		var r *model.OpResult
		if known {
			r = &answer.Results[i]
		}
		if !s.operation(&ops[i], r, rev, uint64(answer.Revision)) {
			return false
		}
	}
	return true
}

// refuseBranch says why the other branch should have been carried out.
func (s *state) refuseBranch(t *model.Txn, holds bool) bool {
	for i := range t.Compares {
		key := s.keys.id(t.Compares[i].Key)
		if item, found := s.item(key); !t.Compares[i].Holds(item, found) || holds && i == len(t.Compares)-1 {
			return s.fail(key, nil, "expected succeeded to be %v: %s is %s", holds, quote(t.Compares[i].Key), describeItem(found, &item))
		}
	}
	return s.fail(-1, nil, "expected succeeded to be true: there is no comparison")
}

// operation carries out one operation of a transaction; r is what the client was told, nil if it was told nothing.
func (s *state) operation(op *model.Op, r *model.OpResult, rev, told uint64) bool {
	if r != nil && r.Kind != op.Kind {
		return s.fail(-1, nil, "expected the result of a %v, found that of a %v", op.Kind, r.Kind)
	}
	switch op.Kind {
	case model.OpPut:
		s.put(s.keys.id(op.Key), op.Value, rev)
	case model.OpDelete, model.OpDeleteRange:
		deleted := s.deleteOp(op)
		return r == nil || s.sameCount(op, deleted, r.Deleted)
	case model.OpGet:
		return r == nil || s.sameItem(s.keys.id(op.Key), r.Found, &r.Item, false)
	case model.OpRange:
		if r == nil {
			return true
		}
		if r.Range == nil || uint64(r.Range.Revision) != told {
			return s.fail(-1, nil, "expected a range of the transaction's revision %d", told)
		}
		return s.sameRange(&op.Range, r.Range)
	}
	return true
}

// sameItem holds what a client was told of a key against the state.
func (s *state) sameItem(key int32, found bool, seen *model.Item, keysOnly bool) bool {
	if !found {
		seen = nil
	}
	if s.cells[key].is(s.keys.names[key], found, seen, keysOnly) {
		return true
	}
	if !s.explaining {
		return false
	}
	item, there := s.item(key)
	what := describeItem(found, seen)
	if found && string(seen.Key) != s.keys.names[key] {
		what += " of key " + quote(seen.Key)
	}
	return s.fail(key, seen, "expected %s to be %s, found %s", quote([]byte(s.keys.names[key])), describeItem(there, &item), what)
}

// sameRange holds the answer of a range against the state.
func (s *state) sameRange(opts *model.RangeOptions, r *model.RangeResult) bool {
	lo, hi := s.keys.span(opts.Bounds())
	count, more := 0, false
	for i := range hi - lo {
		key := int32(lo + i)
		if opts.Reverse {
			key = int32(hi - 1 - i)
		}
		if s.cells[key].version == 0 {
			continue
		}
		if opts.Limit > 0 && count == opts.Limit || opts.MaxBytes > 0 && !opts.CountOnly && count > 0 && count == len(r.Items) {
			more = true
			break
		}
		if !opts.CountOnly && !s.sameNext(key, r.Items, count, opts.KeysOnly) {
			return false
		}
		count++
	}
	if !opts.CountOnly && len(r.Items) > count {
		extra := &r.Items[count]
		return s.fail(s.keys.id(extra.Key), extra, "expected %d items, found %d, the next being %s, %s",
			count, len(r.Items), quote(extra.Key), describeItem(true, extra))
	}
	if opts.CountOnly && len(r.Items) > 0 || r.Count != count || r.More != more {
		return s.fail(-1, nil, "expected a count of %d and more to be %v, found %d and %v with %d items", count, more, r.Count, r.More, len(r.Items))
	}
	return true
}

// sameNext holds the next item of a range against the key that comes next in the state.
func (s *state) sameNext(key int32, items []model.Item, next int, keysOnly bool) bool {
	if next < len(items) && string(items[next].Key) == s.keys.names[key] {
		return s.sameItem(key, true, &items[next], keysOnly)
	}
	if !s.explaining {
		return false
	}
	item, _ := s.item(key)
	if next == len(items) {
		return s.fail(key, nil, "expected %s, %s, as the next item, found the end after %d items", quote([]byte(s.keys.names[key])), describeItem(true, &item), next)
	}
	return s.fail(key, nil, "expected %s, %s, as item %d, found %s", quote([]byte(s.keys.names[key])), describeItem(true, &item), next+1, quote(items[next].Key))
}

// observe holds the answer of an operation that wrote nothing against the state.
func (s *state) observe(op *Op) bool {
	switch r := op.Request.(type) {
	case Get:
		if answer, ok := op.Result.(Got); ok {
			return s.sameItem(s.keys.id(r.Key), answer.Found, &answer.Item, false)
		}
	case Range:
		if answer, ok := op.Result.(Ranged); ok {
			return s.sameRange(&r.Opts, &answer.RangeResult)
		}
	case Delete, Swap, Txn:
		wrote, ok := s.run(op, 0)
		if ok && wrote {
			panic(fmt.Sprintf("check: %T changed the state though its answer says that it did not", op.Request))
		}
		return ok
	}
	return true // a refusal tells a revision, and nothing of what is there
}
