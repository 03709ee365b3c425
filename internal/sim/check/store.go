package check

import (
	"errors"
	"slices"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// storeCheck is the part of a history that is about the store, put in order.
type storeCheck struct {
	h    *History
	keys *keyspace
	// top is the newest revision that somebody was told of.
	top uint64
	// writer is the write of each revision up to top, noOp where it is not known.
	writer []OpID
	// stamps are the operations that have a revision.
	stamps []stamped
	// watchers are the operations that saw the state at a revision and wrote nothing, in the order of revisions.
	watchers []watcher
	// uncertain are the writes without an answer.
	uncertain []OpID
	// authors has the writes of each value.
	authors map[authorKey]author
	// pinned are the uncertain writes of which a read says the revision.
	pinned map[OpID]uint64
}

type watcher struct {
	op OpID
	at uint64
}

func (h *History) checkStore(report *Report) *Violation {
	s := &storeCheck{h: h, keys: newKeyspace(h.ops), authors: map[authorKey]author{}, pinned: map[OpID]uint64{}}
	if v := s.gather(); v != nil {
		return v
	}
	report.Revision = s.top
	s.collectAuthors()
	steps := []func() *Violation{s.pin, s.order, s.replicas, s.levels, s.appliedIndexes, s.compactions}
	for _, step := range steps {
		if v := step(); v != nil {
			return v
		}
	}
	return s.replay(report)
}

// told gives the revision in an answer. write says that the operation is that revision's write.
func told(op *Op) (rev uint64, write, ok bool) {
	switch r := op.Result.(type) {
	case Revised:
		return uint64(r.Revision), true, true
	case Deleted:
		return uint64(r.Revision), r.Deleted > 0, true
	case Swapped:
		return uint64(r.Revision), r.Swapped, true
	case TxnDone:
		return uint64(r.Revision), txnWrote(op.Request.(Txn).Txn, &r), true
	case Got:
		return uint64(r.Revision), false, true
	case Ranged:
		return uint64(r.Revision), false, true
	case RevisionRefused:
		return uint64(r.Bound), false, errors.Is(r.Err, model.ErrFutureRevision)
	}
	return 0, false, false
}

// txnWrote says whether a transaction changed something, as its answer has it.
func txnWrote(t model.Txn, r *TxnDone) bool {
	ops := t.Success
	if !r.Succeeded {
		ops = t.Failure
	}
	if slices.ContainsFunc(ops, func(op model.Op) bool { return op.Kind == model.OpPut }) {
		return true
	}
	return slices.ContainsFunc(r.Results, func(r model.OpResult) bool { return r.Deleted > 0 })
}

// readOf gives how a read was asked for. past: it is of a revision that was asked for, so it says nothing about which is the newest; a
// refusal does.
func readOf(op *Op) (read Read, past, ok bool) {
	switch r := op.Request.(type) {
	case Get:
		read, ok = r.Read, true
	case Range:
		read, ok = r.Read, true
	}
	return read, ok && askedRevision(op) != model.Latest && !refusedRevision(op), ok
}

// askedRevision gives the revision that an operation is about, model.Latest if it is about the newest.
func askedRevision(op *Op) model.Revision {
	switch r := op.Request.(type) {
	case Get:
		return r.At
	case Range:
		return r.Opts.Revision
	case Compact:
		return r.Revision
	}
	return model.Latest
}

// refusedRevision says whether an operation was told that a revision can't be had.
func refusedRevision(op *Op) bool {
	_, refused := op.Result.(RevisionRefused)
	return refused
}

func (s *storeCheck) gather() *Violation {
	for i := range s.h.ops {
		op, id := &s.h.ops[i], OpID(i)
		if op.Outcome == Uncertain && writesStore(op.Request) {
			s.uncertain = append(s.uncertain, id)
		}
		rev, write, ok := told(op)
		if !ok {
			continue
		}
		s.top = max(s.top, rev)
		read, past, isRead := readOf(op)
		if asked := uint64(askedRevision(op)); past && rev != asked || refusedRevision(op) && asked <= rev {
			return s.h.violation(RuleLevel, []OpID{id}, "expected revision %d, which was asked for and reached, found an answer about %d", asked, rev)
		}
		s.stamps = append(s.stamps, stamped{op: id, from: op.Invoked, to: op.Returned, at: rev,
			after: !isRead || read.Level == Linearizable && !past, first: write})
		if !write {
			s.watchers = append(s.watchers, watcher{id, rev})
		}
	}
	slices.SortStableFunc(s.watchers, func(a, b watcher) int { return compareRevisions(a.at, b.at) })
	return s.claim()
}

func compareRevisions(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// claim gives each acknowledged write its revision.
func (s *storeCheck) claim() *Violation {
	written := 0
	for i := range s.stamps {
		if s.stamps[i].first {
			written++
		}
	}
	if s.top > uint64(written+len(s.uncertain)) {
		last := s.latest()
		return s.h.violation(RuleRevision, []OpID{last}, "expected a revision of at most %d, for that many writes were acknowledged (%d) or are uncertain (%d), found %d",
			written+len(s.uncertain), written, len(s.uncertain), s.top)
	}
	s.writer = slices.Repeat([]OpID{noOp}, int(s.top)+1)
	for i := range s.stamps {
		w := &s.stamps[i]
		switch {
		case !w.first:
			continue
		case w.at == 0:
			return s.h.violation(RuleRevision, []OpID{w.op}, "expected a write to have a revision of 1 or more, found 0, that of the empty store")
		case s.writer[w.at] != noOp:
			return s.h.violation(RuleRevision, []OpID{s.writer[w.at], w.op}, "expected one write at revision %d, found two", w.at)
		}
		s.writer[w.at] = w.op
	}
	return nil
}

// latest is an operation that was told the newest revision.
func (s *storeCheck) latest() OpID {
	for i := range s.stamps {
		if s.stamps[i].at == s.top {
			return s.stamps[i].op
		}
	}
	return noOp
}

// order holds revisions against real time.
func (s *storeCheck) order() *Violation {
	if earlier, later, ok := disorder(s.stamps); !ok {
		return s.h.violation(RuleRealTime, []OpID{earlier.op, later.op},
			"expected operation #%d, which began after #%d had ended at revision %d, to be at %s, found %d; what was completed or read before is lost",
			later.op, earlier.op, earlier.at, expectedPlace(later.first), later.at)
	}
	return nil
}

func expectedPlace(first bool) string {
	if first {
		return "a higher revision"
	}
	return "that or a higher one"
}
