package ledger

import (
	"sort"

	"github.com/ledgerkv/ledgerkv/raft"
)

// TermAt gives the term of an entry of the log, or of its base. Errors: *CompactedError, ErrMismatch above the last entry. Any goroutine; it
// never touches the disk.
func (l *Ledger) TermAt(i raft.Index) (raft.Term, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t, ok := l.idx.termAt(i); ok {
		return t, nil
	}
	if i < l.idx.base.ID.Index {
		return 0, l.idx.compacted()
	}
	return 0, mismatch("entry %d, the last one is %v", i, l.idx.tip.ID)
}

// FormatAt is the format in force behind entry i, as the last entry of raft.KindFormat up to i says; behind the last entry, committed or not, it is
// that with which the next one is written. Below the base it is the base's. Any goroutine; it never touches the disk.
func (l *Ledger) FormatAt(i raft.Index) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idx.formatAt(i)
}

// Format is the format in force behind the last entry. Any goroutine; it never touches the disk.
func (l *Ledger) Format() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idx.formatAt(l.idx.tip.ID.Index)
}

// IndexAt gives the last entry that is known, from memory, to begin at or before pos; the first entry when all begin behind it. It is exact to
// one waypoint (64 KiB and a record; a MiB and a record in segments that are not among the last 16). Any goroutine; it never touches the disk.
func (l *Ledger) IndexAt(pos raft.Position) raft.Index {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &l.idx
	n := sort.Search(len(x.segs), func(i int) bool { return x.segs[i].points[0].pos > pos })
	if n == 0 {
		return x.first()
	}
	points := x.segs[n-1].points
	return points[sort.Search(len(points), func(i int) bool { return points[i].pos > pos })-1].index
}

// IndexSince gives the first entry of the first segment that has an entry appended at or after a time (nanoseconds since the Unix epoch); the index
// after the last one when there is none. Any goroutine; it never touches the disk.
func (l *Ledger) IndexSince(time int64) raft.Index {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &l.idx
	if n := sort.Search(len(x.segs), func(i int) bool { return x.segs[i].tip.Time >= time }); n < len(x.segs) {
		return x.segs[n].first.Index
	}
	return x.tip.ID.Index + 1
}
