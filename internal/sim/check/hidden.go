package check

import (
	"cmp"
	"slices"
	"sort"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// hidden says at which revisions no write of a key can be that nobody was told of, because of what was read. It spares replay most wrong
// guesses:
//
//   - who reads an item at a revision knows that the key was not written since the item's mod revision;
//   - if as many writes of the key are known since the item's create revision as its version counts, there is no other among them either;
//   - who finds a key absent knows that it was not put since its last deletion, if no delete can be hidden.
//
// It leaves out only what can't be: a guess that it allows may still be wrong.
type hidden struct {
	// of has what is known of the keys that an uncertain write may have written, nil for every other.
	of []*keyFacts
	// touched are those keys, in order.
	touched []int32
}

// keyFacts are the revisions at which a key was not written (quiet), or not put (absent), by somebody unknown.
type keyFacts struct {
	quiet, absent spans
	// puts and deletes are the revisions of the known writes, in order.
	puts, deletes []uint64
	// mayDelete: an uncertain write may have deleted the key. unsure: the known writes may not be all that were read.
	mayDelete, unsure bool
}

// span is the revisions [lo, hi], both included.
type span struct{ lo, hi uint64 }

// spans is a set of spans. Once sorted, reach has the highest hi up to each of them.
type spans struct {
	list  []span
	reach []uint64
}

func (s *spans) sort() {
	slices.SortFunc(s.list, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	s.reach = make([]uint64, len(s.list))
	highest := uint64(0)
	for i, each := range s.list {
		highest = max(highest, each.hi)
		s.reach[i] = highest
	}
}

func (s *spans) contain(rev uint64) bool {
	i := sort.Search(len(s.list), func(i int) bool { return s.list[i].lo > rev })
	return i > 0 && s.reach[i-1] >= rev
}

// forbids says whether one of the changes can't have been made at a revision by somebody unknown.
func (h *hidden) forbids(changes []change, state *state, rev uint64) bool {
	for i := range changes {
		facts := h.of[changes[i].key]
		if facts.quiet.contain(rev) || state.cells[changes[i].key].version > 0 && facts.absent.contain(rev) {
			return true
		}
	}
	return false
}

func (s *storeCheck) findHidden() hidden {
	h := hidden{of: make([]*keyFacts, len(s.keys.names))}
	for _, id := range s.uncertain {
		_, known := s.pinned[id]
		s.eachWrite(&s.h.ops[id], bothBranches, func(key int32, _ []byte, deletes bool) {
			if h.of[key] == nil {
				h.of[key] = &keyFacts{}
				h.touched = append(h.touched, key)
			}
			// Of a transaction that a read has given a revision it is not known which branch that was.
			_, isTxn := s.h.ops[id].Request.(Txn)
			h.of[key].unsure = h.of[key].unsure || known && isTxn
			h.of[key].mayDelete = h.of[key].mayDelete || deletes && (!known || isTxn)
		})
	}
	slices.Sort(h.touched)
	s.findKnown(&h)
	for i := range s.stamps {
		s.findQuiet(&h, &s.stamps[i])
	}
	for _, key := range h.touched {
		h.of[key].quiet.sort()
		h.of[key].absent.sort()
	}
	return h
}

// findKnown collects the known writes of the keys that matter.
func (s *storeCheck) findKnown(h *hidden) {
	for rev, id := range s.writer {
		if id == noOp {
			continue
		}
		s.eachWrite(&s.h.ops[id], branchTaken, func(key int32, _ []byte, deletes bool) {
			facts := h.of[key]
			switch {
			case facts == nil:
			case deletes:
				facts.deletes = append(facts.deletes, uint64(rev))
			default:
				facts.puts = append(facts.puts, uint64(rev))
			}
		})
	}
}

// branches says which branches of a transaction are meant.
type branches int

const (
	bothBranches branches = iota
	// branchTaken is the one that the answer tells, none without an answer.
	branchTaken
)

// eachWrite visits the keys that an operation writes, with the values put.
func (s *storeCheck) eachWrite(op *Op, which branches, visit func(key int32, value []byte, deletes bool)) {
	switch r := op.Request.(type) {
	case Put:
		visit(s.keys.id(r.Key), r.Value, false)
	case Swap:
		visit(s.keys.id(r.Key), r.Value, false)
	case Delete:
		s.eachWritten(&r.Op, visit)
	case Txn:
		answer, known := op.Result.(TxnDone)
		if which == bothBranches || known && answer.Succeeded {
			for i := range r.Txn.Success {
				s.eachWritten(&r.Txn.Success[i], visit)
			}
		}
		if which == bothBranches || known && !answer.Succeeded {
			for i := range r.Txn.Failure {
				s.eachWritten(&r.Txn.Failure[i], visit)
			}
		}
	}
}

func (s *storeCheck) eachWritten(op *model.Op, visit func(key int32, value []byte, deletes bool)) {
	switch op.Kind {
	case model.OpPut, model.OpDelete:
		visit(s.keys.id(op.Key), op.Value, op.Kind == model.OpDelete)
	case model.OpDeleteRange:
		lo, hi := s.keys.span(op.Range.Bounds())
		for key := lo; key < hi; key++ {
			visit(int32(key), nil, true)
		}
	}
}

// findQuiet learns from what an operation was shown.
func (s *storeCheck) findQuiet(h *hidden, st *stamped) {
	switch r := s.h.ops[st.op].Result.(type) {
	case Got:
		h.saw(s.keys.id(s.h.ops[st.op].Request.(Get).Key), r.Found, &r.Item, st.at)
	case Swapped:
		if !r.Swapped {
			h.saw(s.keys.id(s.h.ops[st.op].Request.(Swap).Key), r.Found, &r.Current, st.at)
		}
	case Ranged:
		s.sawRange(h, s.h.ops[st.op].Request.(Range).Opts, &r.RangeResult, st.at)
	}
}

// sawRange learns from a range, unless something was left out of it.
func (s *storeCheck) sawRange(h *hidden, opts model.RangeOptions, r *model.RangeResult, at uint64) {
	if opts.CountOnly || r.More {
		return
	}
	items := map[string]*model.Item{}
	for i := range r.Items {
		items[string(r.Items[i].Key)] = &r.Items[i]
	}
	lo, hi := s.keys.span(opts.Bounds())
	first, _ := slices.BinarySearch(h.touched, int32(lo))
	for _, key := range h.touched[first:] {
		if int(key) >= hi {
			return
		}
		item, found := items[s.keys.names[key]]
		h.saw(key, found, item, at)
	}
}

// saw learns from a key that was read at a revision.
func (h *hidden) saw(key int32, found bool, item *model.Item, at uint64) {
	facts := h.of[key]
	switch {
	case facts == nil:
	case found:
		create, mod := uint64(item.CreateRevision), uint64(item.ModRevision)
		lo := mod + 1
		if !facts.unsure && uint64(between(facts.puts, create, mod)) == item.Version {
			lo = create
		}
		facts.quiet.list = append(facts.quiet.list, span{lo, at})
	case !facts.mayDelete:
		lo := uint64(1)
		if i := sort.Search(len(facts.deletes), func(i int) bool { return facts.deletes[i] > at }); i > 0 {
			lo = facts.deletes[i-1] + 1
		}
		facts.absent.list = append(facts.absent.list, span{lo, at})
	}
}

// between counts the sorted revisions in [lo, hi], both included.
func between(revisions []uint64, lo, hi uint64) int {
	from := sort.Search(len(revisions), func(i int) bool { return revisions[i] >= lo })
	to := sort.Search(len(revisions), func(i int) bool { return revisions[i] > hi })
	return max(to-from, 0)
}
