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
