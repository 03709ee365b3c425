package kv

import (
	"fmt"
	"math"
	"slices"

	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// txn carries a transaction out: comparisons against the state before it, then the operations of one branch, each seeing what
// those before it did.
func (s *step) txn(t *model.Txn) (data any, err error) {
	holds, err := holds(s.batch, t.Compares)
	if err != nil {
		return nil, err
	}
	ops := t.Success
	if !holds {
		ops = t.Failure
	}
	// Everything that can refuse the transaction comes before its first write: a batch has no way back.
	if refusal, err := s.refuseReads(ops); refusal != nil || err != nil {
		return refusal, err
	}
	if refusal, err := s.refuseVisits(ops); refusal != nil || err != nil {
		return refusal, err
	}
	result := &model.TxnResult{Succeeded: holds, Results: make([]model.OpResult, len(ops))}
	rangeBytes := model.MaxTxnReadBytes
	for i := range ops {
		if err := s.operation(&ops[i], &result.Results[i], &rangeBytes); err != nil {
			return nil, err
		}
	}
	result.Revision = model.Revision(s.revision)
	for i := range result.Results {
		if r := result.Results[i].Range; r != nil {
			r.Revision = result.Revision
		}
	}
	return result, nil
}

// getter gives the item of a key, as a batch and a view do.
type getter interface {
	Get(key []byte) (statemachine.Item, bool, error)
}

// holds says whether all comparisons hold.
func holds(state getter, compares []model.Compare) (bool, error) {
	for i := range compares {
		item, found, err := state.Get(compares[i].Key)
		if err != nil {
			return false, err
		}
		if !compares[i].Holds(borrowItem(item), found) {
			return false, nil
		}
	}
	return true, nil
}

func (s *step) operation(op *model.Op, result *model.OpResult, rangeBytes *int) (err error) {
	result.Kind = op.Kind
	switch op.Kind {
	case model.OpPut:
		return s.put(op)
	case model.OpDelete, model.OpDeleteRange:
		result.Deleted, _, err = s.delete(op, math.MaxUint64)
		return err
	case model.OpGet:
		item, found, err := s.batch.Get(op.Key)
		if found && err == nil {
			result.Found, result.Item = true, ownItem(item, false)
		}
		return err
	}
	result.Range, err = s.readRange(op.Range, rangeBytes)
	return err
}

// refuseReads gives the reason to refuse a branch whose gets would return more than MaxTxnReadBytes: its result is held in memory
// by every replica. A single get can't, since an item came in an entry.
func (s *step) refuseReads(ops []model.Op) (refusal any, err error) {
	gets := 0
	for i := range ops {
		if ops[i].Kind == model.OpGet {
			gets++
		}
	}
	if gets < 2 {
		return nil, nil
	}
	total := 0
	written := map[string]int{} // what the operations before have written, by key; looked up, never iterated over
	for i := range ops {
		op := &ops[i]
		switch op.Kind {
		case model.OpPut:
			written[string(op.Key)] = itemBytes(len(op.Key), len(op.Value))
		case model.OpGet:
			size, ok := written[string(op.Key)]
			if !ok {
				item, found, err := s.batch.Get(op.Key)
				if err != nil {
					return nil, err
				}
				if found {
					size = itemBytes(len(item.Key), len(item.Value))
				}
			}
			total += size
		}
	}
	if total > model.MaxTxnReadBytes {
		return &model.InvalidError{Field: "transaction", Err: model.ErrTooLarge,
			Problem: fmt.Sprintf("expected its gets to return at most %d bytes, found %d", model.MaxTxnReadBytes, total)}, nil
	}
	return nil, nil
}

// refuseVisits gives the reason to refuse a branch whose deletes and ranges would visit more than MaxTxnVisits keys. Ranges in ascending order
// that return what they visit are bounded by that. What the state was before and the operations decide, so that every replica agrees.
func (s *step) refuseVisits(ops []model.Op) (refusal any, err error) {
	left, puts := model.MaxTxnVisits, 0
	for i := range ops {
		switch op := &ops[i]; {
		case op.Kind == model.OpPut:
			puts++
		case op.Kind == model.OpDeleteRange || op.Kind == model.OpRange && (op.Range.CountOnly || op.Range.Reverse):
			n, err := s.visits(&op.Range, puts, left+1)
			if err != nil {
				return nil, err
			}
			if left -= n; left < 0 {
				return &model.InvalidError{Field: "transaction", Err: model.ErrTooLarge,
					Problem: fmt.Sprintf("expected its counts, descending ranges and deletes of ranges to visit at most %d keys, found more by operation %d: give counts a limit, read outside the transaction, or delete in parts",
						model.MaxTxnVisits, i+1)}, nil
			}
		}
	}
	return nil, nil
}

// visits is the number of keys that a range counts for, no more than bound. The state is that before the transaction, and puts is how
// many the branch has before the range.
func (s *step) visits(opts *model.RangeOptions, puts, bound int) (int, error) {
	if opts.CountOnly && opts.Limit > 0 {
		bound = min(bound, opts.Limit)
	}
	from, to := opts.Bounds()
	if puts >= bound || emptyInterval(from, to) {
		return min(puts, bound), nil
	}
	n := puts
	err := s.batch.Range(from, to, func(statemachine.Item) bool {
		n++
		return n < bound
	})
	return n, err
}

// readRange reads an interval within the batch. It takes what it returns from budget, in bytes, and stops when that is used up.
func (s *step) readRange(opts model.RangeOptions, budget *int) (*model.RangeResult, error) {
	from, to := opts.Bounds()
	result := &model.RangeResult{}
	if emptyInterval(from, to) {
		return result, nil
	}
	skip := 0
	if opts.Reverse && !opts.CountOnly {
		// A batch ranges in ascending order only, so what is left out of a descending one is passed over first.
		var err error
		if skip, err = s.beforeTail(from, to, opts, *budget); err != nil {
			return nil, err
		}
		result.More, opts.Limit = skip > 0, 0
	}
	sink := rangeSink{opts: opts, result: result, budget: *budget, bounded: true}
	err := s.batch.Range(from, to, func(item statemachine.Item) bool {
		if skip > 0 {
			skip--
			return true
		}
		return sink.add(item)
	})
	if opts.Reverse {
		slices.Reverse(result.Items)
	}
	*budget = sink.budget
	return result, err
}

// beforeTail counts the items of [from, to) that are not among the last ones which fit into the limit and the budget.
func (s *step) beforeTail(from, to []byte, opts model.RangeOptions, budget int) (int, error) {
	var sizes []int // of the last items, the oldest first
	skipped, total := 0, 0
	err := s.batch.Range(from, to, func(item statemachine.Item) bool {
		size := resultBytes(item, opts.KeysOnly)
		sizes = append(sizes, size)
		total += size
		for len(sizes) > 0 && (total > budget || opts.Limit > 0 && len(sizes) > opts.Limit) {
			total -= sizes[0]
			sizes = sizes[1:]
			skipped++
		}
		return true
	})
	return skipped, err
}
