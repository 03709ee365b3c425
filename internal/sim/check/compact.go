package check

import "github.com/ledgerkv/ledgerkv/kv/model"

// compactions demands that a revision can be read until it was compacted, and no longer.
func (s *storeCheck) compactions() *Violation {
	first := map[model.Revision]OpID{} // the compaction to a revision that was invoked first
	for i := range s.h.ops {
		op := &s.h.ops[i]
		if r, ok := op.Request.(Compact); ok && op.Outcome != Failed && !refused(op, model.ErrFutureRevision) {
			if known, ok := first[r.Revision]; !ok || op.Invoked.Before(s.h.ops[known].Invoked) {
				first[r.Revision] = OpID(i)
			}
		}
	}
	var ends []stamped
	for i := range s.h.ops {
		if v := s.compaction(OpID(i), first, &ends); v != nil {
			return v
		}
	}
	if earlier, later, ok := disorder(ends); !ok {
		return s.h.violation(RuleCompacted, []OpID{earlier.op, later.op}, "expected revisions below %d to be compacted, found %d to be the oldest that is readable, or readable itself", earlier.at, later.at)
	}
	return nil
}

// compaction checks what one operation tells about compactions, and adds what it says of the oldest readable revision.
func (s *storeCheck) compaction(id OpID, first map[model.Revision]OpID, ends *[]stamped) *Violation {
	op := &s.h.ops[id]
	if op.Outcome != OK {
		return nil
	}
	read, past, isRead := readOf(op)
	st := stamped{op: id, from: op.Invoked, to: op.Returned, after: isRead && read.Level == Linearizable}
	r, isRefusal := op.Result.(RevisionRefused)
	_, compacts := op.Request.(Compact)
	switch {
	case refused(op, model.ErrCompacted):
		st.at = uint64(r.Bound)
		by, known := first[r.Bound]
		if !known {
			return s.h.violation(RuleCompacted, []OpID{id}, "expected a compaction that somebody asked for, found one to revision %d", r.Bound)
		}
		if op.Returned.Before(s.h.ops[by].Invoked) {
			return s.h.violation(RuleCompacted, []OpID{id, by}, "expected revision %d to be readable before a compaction, found it refused", r.Asked)
		}
	case compacts && !isRefusal:
		st.at = uint64(askedRevision(op))
	case past && st.after:
		st.at, st.to = uint64(askedRevision(op)), never // that a revision is readable says nothing about what is compacted later
	default:
		return nil
	}
	*ends = append(*ends, st)
	return nil
}
