package check

import (
	"cmp"
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
	pinned map[OpID]pin
}

type watcher struct {
	op OpID
	at uint64
}

func (h *History) checkStore(report *Report) *Violation {
	s, v := h.gatherStore()
	if v != nil {
		return v
	}
	report.Revision = s.top
	steps := []func() *Violation{s.order, s.replicas, s.levels, s.appliedIndexes, s.compactions}
	for _, step := range steps {
		if v := step(); v != nil {
			return v
		}
	}
	return s.replay(report)
}

// gatherStore puts the part of a history that is about the store in order.
func (h *History) gatherStore() (*storeCheck, *Violation) {
	s := &storeCheck{h: h, keys: newKeyspace(h.ops), authors: map[authorKey]author{}, pinned: map[OpID]pin{}}
	if v := s.gather(); v != nil {
		return nil, v
	}
	s.collectAuthors()
	for _, step := range []func() *Violation{s.pin, s.claim, s.claimPinned} {
		if v := step(); v != nil {
			return nil, v
		}
	}
	return s, nil
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
		if v := s.asked(id, rev); v != nil {
			return v
		}
		s.stamps = append(s.stamps, stamped{op: id, from: op.Invoked, to: op.Returned, at: rev, after: newest(op), first: write})
		if !write {
			s.watchers = append(s.watchers, watcher{id, rev})
		}
	}
	slices.SortStableFunc(s.watchers, func(a, b watcher) int { return cmp.Compare(a.at, b.at) })
	return nil
}

// asked holds the revision in an answer against the one that was asked for.
func (s *storeCheck) asked(id OpID, rev uint64) *Violation {
	op := &s.h.ops[id]
	asked := askedRevision(op)
	r, isRefusal := op.Result.(RevisionRefused)
	switch {
	case asked == model.Latest && !isRefusal:
	case isRefusal && r.Asked != asked:
		return s.h.violation(RuleLevel, []OpID{id}, "expected a refusal of revision %d, found one of %d", asked, r.Asked)
	case refused(op, model.ErrFutureRevision) && uint64(asked) <= rev:
		return s.h.violation(RuleLevel, []OpID{id}, "expected revision %d to be given, as the newest is %d, found it refused", asked, rev)
	case refused(op, model.ErrCompacted) && uint64(asked) >= rev:
		return s.h.violation(RuleCompacted, []OpID{id}, "expected revision %d to be readable if the oldest is %d, found it refused", asked, rev)
	case !isRefusal && uint64(asked) != rev:
		return s.h.violation(RuleLevel, []OpID{id}, "expected revision %d, which was asked for, found an answer about %d", asked, rev)
	}
	return nil
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
