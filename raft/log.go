package raft

import (
	"slices"
	"sort"
)

// entryLog is what the core knows of its log: where it begins and ends, the first entry of each term, and sizes.
type entryLog struct {
	base EntryID
	last Index
	// runs holds the first entry of each run of entries with one term above the base.
	// Invariant: indexes and terms ascend strictly, but that the first run may go on with the base's term.
	runs  []EntryID
	sizes sizes
}

func (l *entryLog) lastID() EntryID { return EntryID{Index: l.last, Term: l.lastTerm()} }

func (l *entryLog) lastTerm() Term {
	if len(l.runs) > 0 {
		return l.runs[len(l.runs)-1].Term
	}
	return l.base.Term
}

// run is the number of runs that begin at or below i.
func (l *entryLog) run(i Index) int {
	if n := len(l.runs); n == 0 || i >= l.runs[n-1].Index {
		return n
	}
	return sort.Search(len(l.runs), func(k int) bool { return l.runs[k].Index > i })
}

// id names the entry at i. REQUIRES: base ≤ i ≤ last.
func (l *entryLog) id(i Index) EntryID {
	if k := l.run(i); k > 0 && i > l.base.Index {
		return EntryID{Index: i, Term: l.runs[k-1].Term}
	}
	return EntryID{Index: i, Term: l.base.Term}
}

// has says whether the log, its base included, holds the entry.
func (l *entryLog) has(id EntryID) bool {
	return id.Index >= l.base.Index && id.Index <= l.last && l.id(id.Index) == id
}

func (l *entryLog) append(id EntryID, size uint32) {
	if len(l.runs) == 0 || id.Term > l.lastTerm() {
		l.runs = append(l.runs, id)
	}
	l.last = id.Index
	l.sizes.append(id.Index, size)
}

// truncate removes the entries [from, …).
func (l *entryLog) truncate(from Index) {
	l.sizes.truncate(from)
	l.last = from - 1
	l.runs = l.runs[:l.run(l.last)]
}

// compact moves the base up. REQUIRES: has(base).
func (l *entryLog) compact(base EntryID) {
	l.sizes.compact(base.Index)
	l.runs = slices.Delete(l.runs, 0, max(l.run(base.Index)-1, 0))
	switch {
	case base.Index == l.last:
		l.runs = l.runs[:0]
	case len(l.runs) > 0 && l.runs[0].Index <= base.Index:
		if len(l.runs) > 1 && l.runs[1].Index == base.Index+1 {
			l.runs = slices.Delete(l.runs, 0, 1)
		} else {
			l.runs[0].Index = base.Index + 1
		}
	}
	l.base = base
}

// reset empties the log: it begins and ends at base.
func (l *entryLog) reset(base EntryID) {
	l.base, l.last = base, base.Index
	l.runs = l.runs[:0]
	l.sizes.reset(base.Index)
}

// atMost is the last entry at or below i whose term is at most t. It is false when that would be below the base.
func (l *entryLog) atMost(i Index, t Term) (EntryID, bool) {
	i = min(i, l.last)
	for i > l.base.Index {
		k := l.run(i) - 1
		if l.runs[k].Term <= t {
			return EntryID{Index: i, Term: l.runs[k].Term}, true
		}
		i = l.runs[k].Index - 1
	}
	return l.base, i == l.base.Index && l.base.Term <= t
}
