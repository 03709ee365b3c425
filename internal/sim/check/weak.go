package check

import (
	"cmp"
	"math"
	"slices"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// answeredBy gives the replica that answered a read.
func answeredBy(op *Op) (from Replica, ok bool) {
	switch r := op.Result.(type) {
	case Got:
		return r.From, r.From.Node != ""
	case Ranged:
		return r.From, r.From.Node != ""
	case RevisionRefused:
		return r.From, r.From.Node != ""
	}
	return Replica{}, false
}

// replicas demands of each replica that it does not go back from one read to the next.
func (s *storeCheck) replicas() *Violation {
	reads := map[Replica][]stamped{}
	var order []Replica
	for _, st := range s.stamps {
		op := &s.h.ops[st.op]
		from, known := answeredBy(op)
		if _, past, _ := readOf(op); !known || past {
			continue
		}
		if reads[from] == nil {
			order = append(order, from)
		}
		st.after, st.first = true, false
		reads[from] = append(reads[from], st)
	}
	for _, from := range order {
		if earlier, later, ok := disorder(reads[from]); !ok {
			return s.h.violation(RuleReplica, []OpID{earlier.op, later.op}, "expected %s to be at revision %d or a higher one, as it had been before, found %d",
				from.Node, earlier.at, later.at)
		}
	}
	return nil
}

// levels demands of each read what its level says.
func (s *storeCheck) levels() *Violation {
	var stale []stamped
	for _, st := range s.stamps {
		op := &s.h.ops[st.op]
		read, past, isRead := readOf(op)
		switch {
		case !isRead:
		case read.Level == AtLeast && !past:
			if v := s.atLeast(st.op, read, st.at); v != nil {
				return v
			}
			continue
		case read.Level == MaxStaleness && !past:
			if st.from.At < math.MinInt64+read.Staleness {
				continue
			}
			st.from = Moment{At: st.from.At - read.Staleness}
			st.after = true
			stale = append(stale, st)
			continue
		case read.Level != Linearizable:
			continue
		}
		st.after = false
		stale = append(stale, st)
	}
	if earlier, later, ok := disorder(stale); !ok {
		read, _, _ := readOf(&s.h.ops[later.op])
		return s.h.violation(RuleLevel, []OpID{earlier.op, later.op}, "expected a read at most %v stale to be at revision %d or a higher one, found %d",
			nanoseconds(read.Staleness), earlier.at, later.at)
	}
	return nil
}

func (s *storeCheck) atLeast(id OpID, read Read, at uint64) *Violation {
	applied := appliedBy(&s.h.ops[id])
	if applied > 0 && applied < read.Index || at < uint64(read.Revision) {
		return s.h.violation(RuleLevel, []OpID{id}, "expected at least index %d and revision %d, found index %d and revision %d", read.Index, read.Revision, applied, at)
	}
	return nil
}

// appliedBy gives the index that a replica said it had applied, 0 where it did not.
func appliedBy(op *Op) model.Index {
	switch r := op.Result.(type) {
	case Got:
		return r.Applied
	case Ranged:
		return r.Applied
	}
	return 0
}

// appliedIndexes demands that the revision is a function of the applied index, the same on every replica, and that it does not fall.
func (s *storeCheck) appliedIndexes() *Violation {
	type seen struct {
		index model.Index
		rev   uint64
		op    OpID
	}
	var all []seen
	for i := range s.stamps {
		op := &s.h.ops[s.stamps[i].op]
		if _, past, _ := readOf(op); past {
			continue
		}
		if index := appliedBy(op); index > 0 {
			all = append(all, seen{index, s.stamps[i].at, s.stamps[i].op})
		}
	}
	slices.SortStableFunc(all, func(a, b seen) int { return cmp.Compare(a.index, b.index) })
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		if a.rev > b.rev || a.index == b.index && a.rev != b.rev {
			return s.h.violation(RuleApplied, []OpID{a.op, b.op}, "expected revisions to follow the applied indexes, found revision %d at index %d and %d at index %d",
				a.rev, a.index, b.rev, b.index)
		}
	}
	return nil
}
