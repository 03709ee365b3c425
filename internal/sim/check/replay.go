package check

import (
	"slices"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// guessesPerOp and leastGuesses bound the work of guessing which uncertain writes have the revisions that nobody claims: so many
// operations may be carried out again after a guess was taken back.
const (
	guessesPerOp = 20
	leastGuesses = 500_000
)

// guess is a revision of which it is not known which write it is, and the uncertain writes that it could be.
type guess struct {
	rev uint64
	// candidates are tried in this order; next is the one to try next.
	candidates []OpID
	next       int
	// trail and watched are where the state and the watchers stood before it.
	trail, watched int
}

// replay carries the writes out in the order of revisions and holds every answer against the state at its revision. Revisions that nobody
// claims are guessed, depth first, with the guess that was made last taken back first.
type replay struct {
	*storeCheck
	state *state
	// free are the uncertain writes that no read has given a revision, those invoked last first.
	free []OpID
	used map[OpID]bool
	// hidden says of which keys' writes some may be unknown; see hidden.go.
	hidden hidden
	// bound is, by revision, the first moment at which an operation at it or above it had ended: its write was invoked before.
	bound []Moment
	// guesses are those in force.
	guesses []guess
	// work counts operations carried out after the first guess was taken back.
	work, limit int
	// worst is the revision at which it went wrong after the most revisions, and the guesses of that attempt.
	worst      uint64
	worstFound bool
	worstPath  []OpID
}

func (s *storeCheck) newReplay() *replay {
	r := &replay{storeCheck: s, state: newState(s.keys), used: map[OpID]bool{}, limit: max(leastGuesses, guessesPerOp*len(s.h.ops))}
	for _, id := range s.uncertain {
		if _, known := s.pinned[id]; !known {
			r.free = append(r.free, id)
		}
	}
	slices.SortStableFunc(r.free, func(a, b OpID) int { return s.h.ops[b].Invoked.compare(s.h.ops[a].Invoked) })
	return r
}

func (s *storeCheck) replay(report *Report) *Violation {
	r := s.newReplay()
	for rev := uint64(1); rev <= s.top; rev++ {
		switch id := s.writer[rev]; {
		case id == noOp:
			report.Unclaimed++
			report.Guessed++
		case s.h.ops[id].Outcome == Uncertain:
			report.Unclaimed++
		}
	}
	if report.Guessed > 0 {
		r.bound, r.hidden = s.bounds(), s.findHidden()
	}
	if r.search() {
		return nil
	}
	if r.work <= r.limit {
		return r.explain()
	}
	if v := r.eachKey(); v != nil {
		return v
	}
	report.Undecided, report.UndecidedFrom = true, r.worst
	return nil
}

// bounds gives, by revision, the least moment at which an operation at that revision or a higher one ended.
func (s *storeCheck) bounds() []Moment {
	bound := slices.Repeat([]Moment{never}, int(s.top)+2)
	for i := range s.stamps {
		st := &s.stamps[i]
		if st.to.Before(bound[st.at]) {
			bound[st.at] = st.to
		}
	}
	for rev := int(s.top) - 1; rev >= 0; rev-- {
		if bound[rev+1].Before(bound[rev]) {
			bound[rev] = bound[rev+1]
		}
	}
	return bound
}

// search finds guesses with which everything fits.
func (r *replay) search() bool {
	watched, ok := r.watch(0, 0)
	for rev := uint64(1); ; {
		if ok && rev > r.top {
			return true
		}
		if ok {
			watched, ok = r.step(rev, watched)
		}
		if ok {
			rev++
			continue
		}
		r.remember(rev)
		if rev, watched, ok = r.takeBack(); !ok {
			return false
		}
		rev++
	}
}

// step goes from the revision before to rev, guessing its write if nobody claims it.
func (r *replay) step(rev uint64, watched int) (int, bool) {
	if !r.count() {
		return watched, false
	}
	id := r.writer[rev]
	if id == noOp {
		r.guesses = append(r.guesses, guess{rev: rev, candidates: r.candidates(rev), trail: len(r.state.trail), watched: watched})
		return r.next()
	}
	if len(r.guesses) == 0 {
		r.state.trail = r.state.trail[:0]
	}
	if wrote, ok := r.state.run(&r.h.ops[id], rev); !ok || !wrote {
		if ok {
			r.state.fail(-1, nil, "expected the write at revision %d to change something, found that it does not", rev)
		}
		return watched, false
	}
	return r.watch(rev, watched)
}

// next carries out the next candidate of the last guess that fits. ok is false when there is none left.
func (r *replay) next() (watched int, ok bool) {
	g := &r.guesses[len(r.guesses)-1]
	for g.next < len(g.candidates) {
		if g.next > 0 {
			r.used[g.candidates[g.next-1]] = false
		}
		id := g.candidates[g.next]
		g.next++
		r.used[id] = true
		r.state.undo(g.trail)
		if !r.count() {
			return 0, false
		}
		if wrote, _ := r.state.run(&r.h.ops[id], g.rev); !wrote || r.hidden.forbids(r.state.trail[g.trail:], r.state, g.rev) {
			continue
		}
		if watched, ok := r.watch(g.rev, g.watched); ok {
			return watched, true
		}
		r.remember(g.rev)
	}
	return 0, false
}

// takeBack goes back to the last guess that has another candidate, and takes that.
func (r *replay) takeBack() (rev uint64, watched int, ok bool) {
	for len(r.guesses) > 0 && r.work <= r.limit {
		r.work++
		if watched, ok := r.next(); ok {
			return r.guesses[len(r.guesses)-1].rev, watched, true
		}
		g := &r.guesses[len(r.guesses)-1]
		r.state.undo(g.trail)
		if g.next > 0 {
			r.used[g.candidates[g.next-1]] = false
		}
		r.guesses = r.guesses[:len(r.guesses)-1]
	}
	return 0, 0, false
}

// count counts work once guesses are taken back, and says whether there may be more.
func (r *replay) count() bool {
	if r.work > 0 {
		r.work++
	}
	return r.work <= r.limit
}

// watch holds the answers of those that saw the state at a revision against it.
func (r *replay) watch(rev uint64, watched int) (int, bool) {
	for ; watched < len(r.watchers) && r.watchers[watched].at == rev; watched++ {
		if !r.state.observe(&r.h.ops[r.watchers[watched].op]) {
			return watched, false
		}
		if r.work > 0 {
			r.work++
		}
	}
	return watched, true
}

// candidates gives the uncertain writes that could have an unclaimed revision: nothing at it or above it had ended when they began. Of
// deletes of the same keys one is enough.
func (r *replay) candidates(rev uint64) []OpID {
	var found []OpID
	deletes := map[deletion]bool{}
	for _, id := range r.free {
		op := &r.h.ops[id]
		if r.used[id] || r.bound[rev].Before(op.Invoked) {
			continue
		}
		if d, ok := op.Request.(Delete); ok {
			what := deletionOf(&d.Op)
			if deletes[what] {
				continue
			}
			deletes[what] = true
		}
		found = append(found, id)
	}
	return found
}

// remember keeps the guesses of the attempt that came furthest.
func (r *replay) remember(rev uint64) {
	if r.worstFound && rev <= r.worst {
		return
	}
	r.worst, r.worstFound = rev, true
	r.worstPath = r.worstPath[:0]
	for i := range r.guesses {
		g := &r.guesses[i]
		if g.next > 0 {
			r.worstPath = append(r.worstPath, g.candidates[g.next-1])
		}
	}
}

// deletion is what a delete removes.
type deletion struct {
	from, to string
	point    bool
}

func deletionOf(op *model.Op) deletion {
	if op.Kind == model.OpDelete {
		return deletion{from: string(op.Key), point: true}
	}
	from, to := op.Range.Bounds()
	return deletion{from: string(from), to: string(to)}
}
