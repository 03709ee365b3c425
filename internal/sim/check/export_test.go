package check

// EachKey is the weaker check of one key at a time that stands in where a search would take too long.
func (h *History) EachKey() error {
	s, v := h.gatherStore()
	if v != nil {
		return v
	}
	r := s.newReplay()
	r.bound, r.hidden = s.bounds(), s.findHidden()
	if v := r.eachKey(); v != nil {
		return v
	}
	return nil
}

// Forbidden carries out a history that happened, with the revisions that its uncertain writes had, and gives the first of them that would not
// have been guessed because of what was read; ok is true if there is none.
func (h *History) Forbidden(truth map[OpID]uint64) (id OpID, ok bool) {
	s, v := h.gatherStore()
	if v != nil {
		panic(v)
	}
	hidden := s.findHidden()
	for id, rev := range truth {
		if rev <= s.top {
			s.writer[rev] = id
		}
	}
	state := newState(s.keys)
	for rev := uint64(1); rev <= s.top; rev++ {
		id := s.writer[rev]
		state.trail = state.trail[:0]
		state.run(&h.ops[id], rev)
		if _, pinned := s.pinned[id]; h.ops[id].Outcome == Uncertain && !pinned && hidden.forbids(state.trail, state, rev) {
			return id, false
		}
	}
	return 0, true
}
