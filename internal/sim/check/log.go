package check

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
)

// logCheck is the part of a history that is about the log.
type logCheck struct {
	h *History
	// facts has what is known of each index.
	facts map[uint64]*fact
	// authors has the appends of each body, in the order of the history.
	authors map[string][]OpID
	// found has, for each uncertain append that no other has the body of, the index at which it was read.
	found map[OpID]uint64
	// data are the indexes that are known to hold data, in order.
	data []uint64
	// stamps are the operations that have an index.
	stamps []stamped
}

// fact is an entry that somebody was told of.
type fact struct {
	entry Entry
	// append is the acknowledged append at the index, noOp if there is none; reader is who read it first, noOp if nobody did.
	append, reader OpID
}

func (f *fact) witness() OpID {
	if f.append != noOp {
		return f.append
	}
	return f.reader
}

func (h *History) checkLog(report *Report) *Violation {
	l := &logCheck{h: h, facts: map[uint64]*fact{}, authors: map[string][]OpID{}, found: map[OpID]uint64{}}
	steps := []func() *Violation{l.appends, l.reads, l.positions, l.gaps, l.order, l.trims}
	for _, step := range steps {
		if v := step(); v != nil {
			return v
		}
	}
	report.Entries = len(l.facts)
	return nil
}

// appends collects what was appended, and where.
func (l *logCheck) appends() *Violation {
	for i := range l.h.ops {
		op, id := &l.h.ops[i], OpID(i)
		r, ok := op.Request.(Append)
		if !ok {
			continue
		}
		l.authors[string(r.Body)] = append(l.authors[string(r.Body)], id)
		at, acknowledged := op.Result.(Appended)
		if !acknowledged {
			continue
		}
		if at.Index == 0 {
			return l.h.violation(RuleEntry, []OpID{id}, "expected an index of 1 or more, found 0")
		}
		if other := l.facts[at.Index]; other != nil {
			return l.h.violation(RuleEntry, []OpID{other.append, id}, "expected one append at index %d, found two", at.Index)
		}
		entry := Entry{Index: at.Index, Position: at.Position, Data: true, Body: r.Body}
		l.facts[at.Index] = &fact{entry: entry, append: id, reader: noOp}
		l.stamps = append(l.stamps, stamped{op: id, from: op.Invoked, to: op.Returned, at: at.Index, after: true, first: true})
	}
	return nil
}

// reads holds what was read against what is known, and learns from it.
func (l *logCheck) reads() *Violation {
	for i := range l.h.ops {
		result, ok := l.h.ops[i].Result.(Entries)
		if !ok {
			continue
		}
		for j := range result.Entries {
			if v := l.read(OpID(i), &result.Entries[j]); v != nil {
				return v
			}
		}
	}
	for index, f := range l.facts {
		if f.entry.Data {
			l.data = append(l.data, index)
		}
	}
	slices.Sort(l.data)
	return nil
}

func (l *logCheck) read(reader OpID, e *Entry) *Violation {
	f := l.facts[e.Index]
	if f == nil {
		f = &fact{entry: *e, append: noOp, reader: reader}
		l.facts[e.Index] = f
		if e.Data {
			return l.readNew(reader, e)
		}
		return nil
	}
	known := &f.entry
	if known.Data != e.Data || !bytes.Equal(known.Body, e.Body) {
		return l.h.violation(RuleEntry, []OpID{f.witness(), reader}, "expected entry %d to be %s, found %s", e.Index, describeEntry(known), describeEntry(e))
	}
	if known.Term != 0 && e.Term != 0 && known.Term != e.Term || known.Position != 0 && e.Position != 0 && known.Position != e.Position {
		return l.h.violation(RuleEntry, []OpID{f.witness(), f.reader, reader}, "expected entry %d to be of term %d at position %d, found term %d and position %d",
			e.Index, known.Term, known.Position, e.Term, e.Position)
	}
	known.Term, known.Position = cmp.Or(known.Term, e.Term), cmp.Or(known.Position, e.Position)
	if f.reader == noOp {
		f.reader = reader
	}
	return nil
}

// readNew finds out who appended an entry that no acknowledged append is known to have made.
func (l *logCheck) readNew(reader OpID, e *Entry) *Violation {
	authors := l.authors[string(e.Body)]
	uncertain := 0
	author := noOp
	for _, id := range authors {
		if l.h.ops[id].Outcome == Uncertain {
			uncertain++
			author = id
		}
	}
	if uncertain == 0 {
		return l.unwritten(reader, e, authors)
	}
	if uncertain > 1 {
		return nil // which of them it is can't be told
	}
	op := &l.h.ops[author]
	if before, twice := l.found[author]; twice {
		return l.h.violation(RuleOnce, []OpID{author, l.facts[before].reader, reader}, "expected append #%d to be in the log once, found it at index %d and at %d", author, before, e.Index)
	}
	if l.h.ops[reader].Returned.Before(op.Invoked) {
		return l.h.violation(RuleOnce, []OpID{reader, author}, "expected only entries whose append had been invoked, found %s, which #%d appended later", quote(e.Body), author)
	}
	l.found[author] = e.Index
	l.stamps = append(l.stamps, stamped{op: author, from: op.Invoked, to: never, at: e.Index, after: true, first: true})
	return nil
}

// unwritten says what is wrong with an entry that none of the appends with its body can have made.
func (l *logCheck) unwritten(reader OpID, e *Entry, authors []OpID) *Violation {
	if len(authors) == 0 {
		return l.h.violation(RuleOnce, []OpID{reader}, "expected entries that somebody appended, found %s at index %d", quote(e.Body), e.Index)
	}
	author := authors[len(authors)-1]
	if at, ok := l.h.ops[author].Result.(Appended); ok {
		return l.h.violation(RuleOnce, []OpID{author, reader}, "expected append #%d to be at index %d alone, found it at %d", author, at.Index, e.Index)
	}
	return l.h.violation(RuleOnce, []OpID{author, reader}, "expected nothing of append #%d, which failed, found it at index %d", author, e.Index)
}

func describeEntry(e *Entry) string {
	if !e.Data {
		return "one of the group's own"
	}
	return "the data " + quote(e.Body)
}

// positions demands that positions and terms rise with the index.
func (l *logCheck) positions() *Violation {
	known := make([]*fact, 0, len(l.facts))
	for _, f := range l.facts {
		known = append(known, f)
	}
	slices.SortFunc(known, func(a, b *fact) int { return cmp.Compare(a.entry.Index, b.entry.Index) })
	var placed, dated *fact
	for _, f := range known {
		if f.entry.Position != 0 {
			if placed != nil && placed.entry.Position >= f.entry.Position {
				return l.h.violation(RuleEntry, []OpID{placed.witness(), f.witness()}, "expected positions to rise, found entry %d at %d and entry %d at %d",
					placed.entry.Index, placed.entry.Position, f.entry.Index, f.entry.Position)
			}
			placed = f
		}
		if f.entry.Term != 0 {
			if dated != nil && dated.entry.Term > f.entry.Term {
				return l.h.violation(RuleEntry, []OpID{dated.witness(), dated.reader, f.witness(), f.reader}, "expected terms not to fall, found entry %d of term %d and entry %d of term %d",
					dated.entry.Index, dated.entry.Term, f.entry.Index, f.entry.Term)
			}
			dated = f
		}
	}
	return nil
}

// order holds indexes against real time: of appends, and of reads that have to be complete. Reads count by the last entry of data
// that they show.
func (l *logCheck) order() *Violation {
	for i := range l.h.ops {
		op := &l.h.ops[i]
		switch result := op.Result.(type) {
		case Entries:
			last := lastData(result.Entries)
			l.stamps = append(l.stamps, stamped{op: OpID(i), from: op.Invoked, to: op.Returned, at: last})
			if r, ok := op.Request.(Tail); ok && r.Level == Linearizable && !r.Limited {
				l.ends(OpID(i), max(last, r.From-min(r.From, 1))) // what is below From was not asked for
			}
		case NoEntry:
			if r := op.Request.(LogGet); r.Level == Linearizable {
				l.ends(OpID(i), r.Index-min(r.Index, 1))
			}
		}
	}
	earlier, later, ok := disorder(l.stamps)
	if ok {
		return nil
	}
	if _, appends := l.h.ops[later.op].Request.(Append); appends {
		return l.h.violation(RuleRealTime, []OpID{earlier.op, later.op}, "expected append #%d, which began after #%d had ended with index %d, to have a higher index, found %d",
			later.op, earlier.op, earlier.at, later.at)
	}
	return l.h.violation(RuleRealTime, []OpID{earlier.op, later.op}, "expected read #%d, which began after #%d had ended with index %d, to show what is there, found the log to end at %d",
		later.op, earlier.op, earlier.at, later.at)
}

// ends notes that a read says that the log has nothing above an index.
func (l *logCheck) ends(id OpID, index uint64) {
	l.stamps = append(l.stamps, stamped{op: id, from: l.h.ops[id].Invoked, to: never, at: index, after: true})
}

func lastData(entries []Entry) uint64 {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].Data {
			return entries[i].Index
		}
	}
	return 0
}

// gaps demands that a reader is given what it asked for, entry by entry.
func (l *logCheck) gaps() *Violation {
	for i := range l.h.ops {
		op, id := &l.h.ops[i], OpID(i)
		result, ok := op.Result.(Entries)
		if !ok {
			continue
		}
		entries := result.Entries
		switch r := op.Request.(type) {
		case LogGet:
			if len(entries) != 1 || entries[0].Index != r.Index {
				return l.h.violation(RuleGap, []OpID{id}, "expected entry %d, found %s", r.Index, describeEntries(entries))
			}
		case Tail:
			if v := l.contiguous(id, &r, entries); v != nil {
				return v
			}
		}
	}
	return nil
}

// contiguous demands entries without gap from where they were asked for; of a reader of data alone, that no data is left out.
func (l *logCheck) contiguous(id OpID, r *Tail, entries []Entry) *Violation {
	next := max(r.From, 1)
	for i := range entries {
		index := entries[i].Index
		if index < next || index > next && !r.DataOnly {
			return l.h.violation(RuleGap, []OpID{id, l.at(next)}, "expected entry %d next, found %d", next, index)
		}
		if skipped, ok := l.dataIn(next, index); ok {
			return l.h.violation(RuleGap, []OpID{l.at(skipped), id}, "expected the data at index %d before entry %d, found that it was left out", skipped, index)
		}
		next = index + 1
	}
	return nil
}

// at gives an operation that knows of an index, noOp if there is none.
func (l *logCheck) at(index uint64) OpID {
	if f := l.facts[index]; f != nil {
		return f.witness()
	}
	return noOp
}

// dataIn gives the first index in [lo, hi) that is known to hold data.
func (l *logCheck) dataIn(lo, hi uint64) (uint64, bool) {
	if lo == hi {
		return 0, false
	}
	i := sort.Search(len(l.data), func(i int) bool { return l.data[i] >= lo })
	if i < len(l.data) && l.data[i] < hi {
		return l.data[i], true
	}
	return 0, false
}

// trims demands that what is said to be removed was trimmed by somebody.
func (l *logCheck) trims() *Violation {
	var trims []OpID // in the order in which they began
	for i := range l.h.ops {
		if _, ok := l.h.ops[i].Request.(Trim); ok && l.h.ops[i].Outcome != Failed {
			trims = append(trims, OpID(i))
		}
	}
	slices.SortStableFunc(trims, func(a, b OpID) int { return l.h.ops[a].Invoked.compare(l.h.ops[b].Invoked) })
	highest := make([]uint64, len(trims)+1) // of the first so many trims
	for i, id := range trims {
		highest[i+1] = max(highest[i], l.h.ops[id].Request.(Trim).First)
	}
	for i := range l.h.ops {
		op, id := &l.h.ops[i], OpID(i)
		result, ok := op.Result.(LogCompacted)
		if !ok {
			continue
		}
		asked := askedIndex(op.Request)
		begun := sort.Search(len(trims), func(j int) bool { return op.Returned.Before(l.h.ops[trims[j]].Invoked) })
		if result.First <= asked {
			return l.h.violation(RuleTrim, []OpID{l.at(asked), id}, "expected entry %d of a log that begins at %d, found it removed", asked, result.First)
		}
		if result.First > max(highest[begun], 1) {
			return l.h.violation(RuleTrim, []OpID{l.at(asked), id}, "expected the log to begin at index %d or below, which is as far as it was trimmed, found %d", max(highest[begun], 1), result.First)
		}
	}
	return nil
}

func askedIndex(r Request) uint64 {
	switch r := r.(type) {
	case LogGet:
		return r.Index
	case Tail:
		return max(r.From, 1)
	}
	return 0
}
