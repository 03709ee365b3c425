package check

// explain carries out the attempt that came furthest once more and says what was wrong with it.
func (r *replay) explain() *Violation {
	s := newState(r.keys)
	s.explaining, s.at = true, -1
	watched, path := 0, r.worstPath
	for rev := uint64(0); rev <= r.top; rev++ {
		if rev > 0 {
			id := r.writer[rev]
			guessed := id == noOp
			if guessed {
				if len(path) == 0 {
					return r.nobody(rev)
				}
				id, path = path[0], path[1:]
			}
			wrote, ok := s.run(&r.h.ops[id], rev)
			switch {
			case guessed && !wrote:
				return r.nobody(rev)
			case !ok:
				return r.mismatch(s, id, rev)
			case !wrote:
				return r.h.violation(RuleState, []OpID{id}, "expected the write at revision %d to change something, found that it does not", rev)
			}
		}
		for ; watched < len(r.watchers) && r.watchers[watched].at == rev; watched++ {
			if id := r.watchers[watched].op; !s.observe(&r.h.ops[id]) {
				return r.mismatch(s, id, rev)
			}
		}
	}
	panic("check: a history was refused and then found good")
}

// nobody says that a revision has no write.
func (r *replay) nobody(rev uint64) *Violation {
	involved := []OpID{r.writer[rev-1]}
	if next := rev + 1; next <= r.top {
		involved = append(involved, r.writer[next])
	}
	for _, w := range r.watchers {
		if w.at >= rev {
			involved = append(involved, w.op)
			break
		}
	}
	free := 0
	for _, id := range r.free {
		if !r.bound[rev].Before(r.h.ops[id].Invoked) {
			free++
		}
	}
	return r.h.violation(RuleRevision, involved,
		"expected a write at revision %d, of which no write was told; none of the %d uncertain writes that began in time and were not seen elsewhere fits", rev, free)
}

// mismatch says that an answer is not the state at its revision, and who is involved.
func (r *replay) mismatch(s *state, id OpID, rev uint64) *Violation {
	involved := []OpID{id}
	if s.at >= 0 {
		if mod := s.cells[s.at].mod; mod > 0 && mod < rev || mod == rev && r.writer[mod] != id {
			involved = append(involved, r.writer[mod])
		} else {
			involved = append(involved, r.lastWrite(s.at, rev, id))
		}
	}
	if s.seen != nil {
		if author, several := r.authorOf(s.seen); !several {
			involved = append(involved, author)
		}
	}
	note := ""
	if len(r.worstPath) > 0 {
		note = "; other choices of which uncertain write has which unclaimed revision fit no better"
	}
	return r.h.violation(RuleState, involved, "operation #%d at revision %d: %s%s", id, rev, s.problem, note)
}

// lastWrite gives the known write of a key that came last, up to a revision and besides an operation.
func (r *replay) lastWrite(key int32, rev uint64, besides OpID) OpID {
	for ; rev > 0; rev-- {
		id := r.writer[rev]
		if id == noOp || id == besides {
			continue
		}
		found := false
		r.eachWrite(&r.h.ops[id], branchTaken, func(k int32, _ []byte, _ bool) { found = found || k == key })
		if found {
			return id
		}
	}
	return noOp
}
