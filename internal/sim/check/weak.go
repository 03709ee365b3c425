package check

import (
	"cmp"
	"errors"
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

// compactions demands that a revision can be read until it was compacted, and no longer.
func (s *storeCheck) compactions() *Violation {
	asked := map[model.Revision]OpID{} // the compaction to a revision that was invoked first
	for i := range s.h.ops {
		if r, ok := s.h.ops[i].Request.(Compact); ok && s.h.ops[i].Outcome != Failed && !refusedRevision(&s.h.ops[i]) {
			if first, known := asked[r.Revision]; !known || s.h.ops[i].Invoked.Before(s.h.ops[first].Invoked) {
				asked[r.Revision] = OpID(i)
			}
		}
	}
	var ends []stamped
	for i := range s.h.ops {
		v := s.compaction(OpID(i), asked, &ends)
		if v != nil {
			return v
		}
	}
	if earlier, later, ok := disorder(ends); !ok {
		return s.h.violation(RuleCompacted, []OpID{earlier.op, later.op}, "expected revisions below %d to be compacted, found %d to be the oldest that is readable, or readable itself", earlier.at, later.at)
	}
	return nil
}

// compaction checks what one operation tells about compactions, and adds what it says of the oldest readable revision.
func (s *storeCheck) compaction(id OpID, asked map[model.Revision]OpID, ends *[]stamped) *Violation {
	op := &s.h.ops[id]
	read, _, isRead := readOf(op)
	at := askedRevision(op)
	if _, compacts := op.Request.(Compact); compacts && op.Outcome == OK && !refusedRevision(op) {
		*ends = append(*ends, stamped{op: id, from: op.Invoked, to: op.Returned, at: uint64(at)})
		return s.reached(id, at)
	}
	st := stamped{op: id, from: op.Invoked, to: op.Returned, after: isRead && read.Level == Linearizable}
	if refusal, ok := op.Result.(RevisionRefused); ok && errors.Is(refusal.Err, model.ErrCompacted) {
		st.at = uint64(refusal.Bound)
		*ends = append(*ends, st)
		by, known := asked[refusal.Bound]
		switch {
		case refusal.Bound <= at:
			return s.h.violation(RuleCompacted, []OpID{id}, "expected revision %d to be readable if the oldest is %d, found it refused", at, refusal.Bound)
		case !known:
			return s.h.violation(RuleCompacted, []OpID{id}, "expected a compaction that somebody asked for, found one to revision %d", refusal.Bound)
		case op.Returned.Before(s.h.ops[by].Invoked):
			return s.h.violation(RuleCompacted, []OpID{id, by}, "expected revision %d to be readable before a compaction, found it refused", at)
		}
		return nil
	}
	if _, past, _ := readOf(op); past && op.Outcome == OK && st.after {
		st.at = uint64(at)
		st.to = never // that a revision is readable says nothing about what is compacted later
		*ends = append(*ends, st)
	}
	return nil
}

// reached demands that the revision of a compaction that was carried out had been reached.
func (s *storeCheck) reached(id OpID, rev model.Revision) *Violation {
	if uint64(rev) > s.top {
		if uint64(rev) > s.top+uint64(len(s.uncertain)) {
			return s.h.violation(RuleCompacted, []OpID{id}, "expected a compaction to revision %d to be refused, as the newest that anybody was told of is %d", rev, s.top)
		}
		return nil
	}
	if by := s.writer[rev]; by != noOp && s.h.ops[id].Returned.Before(s.h.ops[by].Invoked) {
		return s.h.violation(RuleCompacted, []OpID{id, by}, "expected a compaction to revision %d to be refused before the revision was reached, found it done", rev)
	}
	return nil
}
