package check

import "slices"

// stamped is an operation with its place in an order that counts: a revision, or an index of the log.
type stamped struct {
	op       OpID
	from, to Moment
	at       uint64
	// after: the operation comes after everything that ended before it began. Otherwise it is only something that others come after.
	after bool
	// first: it is the first at its place, so that what ended before it began has a lower one.
	first bool
}

// disorder finds an operation whose place is too low for what had ended when it began. The least moment at which one of them begins
// is found first. ok is true if there is none.
func disorder(stamps []stamped) (earlier, later *stamped, ok bool) {
	byEnd := make([]*stamped, len(stamps))
	byBegin := make([]*stamped, 0, len(stamps))
	for i := range stamps {
		byEnd[i] = &stamps[i]
		if stamps[i].after {
			byBegin = append(byBegin, &stamps[i])
		}
	}
	slices.SortStableFunc(byEnd, func(a, b *stamped) int { return a.to.compare(b.to) })
	slices.SortStableFunc(byBegin, func(a, b *stamped) int { return a.from.compare(b.from) })
	var highest *stamped
	ended := 0
	for _, s := range byBegin {
		for ended < len(byEnd) && byEnd[ended].to.Before(s.from) {
			if highest == nil || byEnd[ended].at > highest.at {
				highest = byEnd[ended]
			}
			ended++
		}
		if highest != nil && (highest.at > s.at || highest.at == s.at && s.first) {
			return highest, s, false
		}
	}
	return nil, nil, true
}
