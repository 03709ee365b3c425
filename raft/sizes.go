package raft

import (
	"math/bits"
	"slices"
	"sort"
)

const (
	// waypointBytes is the distance between waypoints, and with it the granularity of what the core believes of sizes.
	waypointBytes = 64 << 10
	// maxWaypoints bounds the table: past it every second waypoint of the older half goes.
	maxWaypoints = 1 << 15
)

// sizes estimates the bytes between two entries. It keeps the exact end of about one entry for each waypointBytes and takes the
// entries between two of them as equally large. An entry of waypointBytes or more has a waypoint before and after it, so it is
// never averaged with its small neighbours while the table is whole. Ends count from an arbitrary origin.
type sizes struct {
	// points ascends; points[0] is at the base.
	points []Waypoint
	// tip is the last entry.
	tip Waypoint
}

func (s *sizes) reset(base Index) {
	s.tip = Waypoint{Index: base}
	s.points = append(s.points[:0], s.tip)
}

// seed takes over what the ledger knows of its sizes. Entries behind the last waypoint count as bodies of no length.
func (s *sizes) seed(base Base, last Index, waypoints []Waypoint) {
	s.reset(base.ID.Index)
	for _, w := range waypoints {
		if w.Index > s.tip.Index && w.Index <= last && w.End > base.Position {
			s.tip = Waypoint{Index: w.Index, End: w.End - base.Position}
			s.points = append(s.points, s.tip)
		}
	}
	s.tip.End += Position(last-s.tip.Index) * RecordHeaderSize
	s.tip.Index = last
}

func (s *sizes) append(i Index, size uint32) {
	if size >= waypointBytes {
		s.mark()
	}
	s.tip = Waypoint{Index: i, End: s.tip.End + Position(size)}
	if s.tip.End-s.points[len(s.points)-1].End >= waypointBytes {
		s.mark()
	}
}

// mark makes the tip a waypoint.
func (s *sizes) mark() {
	if s.points[len(s.points)-1].Index == s.tip.Index {
		return
	}
	s.points = append(s.points, s.tip)
	if len(s.points) > maxWaypoints {
		s.thin()
	}
}

// thin drops every second waypoint of the older half, but for the first.
func (s *sizes) thin() {
	half := len(s.points) / 2
	kept := s.points[:1]
	for k := 2; k < half; k += 2 {
		kept = append(kept, s.points[k])
	}
	s.points = append(kept, s.points[half:]...)
}

func (s *sizes) truncate(from Index) {
	if from > s.tip.Index {
		return
	}
	end := s.at(from - 1)
	s.points = s.points[:s.after(from-1)]
	s.tip = Waypoint{Index: from - 1, End: end}
}

func (s *sizes) compact(base Index) {
	end := s.at(base)
	s.points = slices.Delete(s.points, 0, s.after(base)-1)
	s.points[0] = Waypoint{Index: base, End: end}
}

// after is the number of waypoints at or below i. It is at least 1 for i at or above the base.
func (s *sizes) after(i Index) int {
	return sort.Search(len(s.points), func(k int) bool { return s.points[k].Index > i })
}

// span is what the table knows around points[k-1]: that waypoint and the next one, or the tip.
func (s *sizes) span(k int) (lo, hi Waypoint) {
	if k < len(s.points) {
		return s.points[k-1], s.points[k]
	}
	return s.points[k-1], s.tip
}

// at estimates where entry i ends. REQUIRES: base ≤ i ≤ last.
func (s *sizes) at(i Index) Position {
	lo, hi := s.span(s.after(i))
	if i >= hi.Index {
		return hi.End
	}
	return lo.End + Position(portion(uint64(hi.End-lo.End), uint64(i-lo.Index), uint64(hi.Index-lo.Index)))
}

// between estimates the bytes of the entries (lo, hi].
func (s *sizes) between(lo, hi Index) uint64 { return uint64(s.at(hi) - s.at(lo)) }

// fit is the last of the entries after prev that together take at most maxBytes by estimate; at least prev+1.
// REQUIRES: base ≤ prev < last.
func (s *sizes) fit(prev Index, maxBytes uint64) Index {
	target := s.at(prev) + Position(maxBytes)
	if target >= s.tip.End || target < Position(maxBytes) {
		return s.tip.Index
	}
	k := sort.Search(len(s.points), func(k int) bool { return s.points[k].End > target })
	lo, hi := s.span(k)
	i := lo.Index + Index(portion(uint64(hi.Index-lo.Index), uint64(target-lo.End), uint64(hi.End-lo.End)))
	return max(i, prev+1)
}

// portion is whole × part / of, without overflow, for part < of.
func portion(whole, part, of uint64) uint64 {
	hi, lo := bits.Mul64(whole, part)
	q, _ := bits.Div64(hi, lo, of)
	return q
}
