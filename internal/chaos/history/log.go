package history

import (
	"cmp"
	"fmt"
	"slices"
)

// entry is what was seen of an index of the log.
type entry struct {
	by             *Op
	term, position uint64
	value          string
	data           bool
	// read: a reader has seen it, and not the append's answer alone.
	read bool
}

// log holds appends and readers against each other.
func (c *checker) log() {
	entries := map[uint64]*entry{}
	for i := range c.ops {
		o := &c.ops[i]
		if o.onLog() && o.Outcome == OK && !o.Missing && o.First == 0 {
			c.entry(entries, o)
		}
	}
	c.appended(entries)
	c.appendOrder()
	c.gaps()
	c.missing()
	c.result.Entries = len(entries)
}

// entry: an index holds the same for everybody.
func (c *checker) entry(entries map[uint64]*entry, o *Op) {
	e := entries[o.Index]
	if e == nil {
		e = &entry{o, o.Term, o.Position, o.Value, o.Data || o.Kind == Append, false}
		entries[o.Index] = e
	}
	e.read = e.read || o.Kind != Append
	if e.term != o.Term || e.position != o.Position || e.value != o.Value || e.data != (o.Data || o.Kind == Append) {
		c.violate("an entry is the same for everybody", fmt.Sprintf("two answers about index %d differ", o.Index), e.by, o)
	}
}

// appended: what is in the log was appended, once.
func (c *checker) appended(entries map[uint64]*entry) {
	const rule = "an entry was appended, once"
	places := map[string]*entry{}
	indexes := sortedIndexes(entries)
	end := -1
	for i, index := range indexes {
		if entries[index].read {
			end = i
		}
	}
	for i, index := range indexes {
		e := entries[index]
		if !e.read {
			c.result.Unread++
		}
		if i > end {
			c.violate("what was appended is there", fmt.Sprintf("nobody has read index %d or a later one; it is lost, or the history has no read of the log to its end", index), e.by)
		}
		if !e.data {
			continue
		}
		w := c.writers[e.value]
		switch {
		case w == nil || w.Kind != Append:
			c.violate(rule, fmt.Sprintf("nobody appended %s, which is at %d", e.value, index), e.by)
		case w.Outcome == Failed:
			c.violate(rule, fmt.Sprintf("the append of %s failed for certain, and it is at %d", e.value, index), e.by, w)
		case w.Call > e.by.Return:
			c.violate(rule, fmt.Sprintf("%s was read before it was appended", e.value), e.by, w)
		case w.Outcome == OK && w.Index != index:
			c.violate(rule, fmt.Sprintf("%s was said to be at %d and is at %d", e.value, w.Index, index), e.by, w)
		case places[e.value] != nil:
			c.violate(rule, fmt.Sprintf("%s is there twice", e.value), e.by, places[e.value].by)
		}
		places[e.value] = e
	}
}

func sortedIndexes(entries map[uint64]*entry) []uint64 {
	var all []uint64
	for index := range entries {
		all = append(all, index)
	}
	slices.Sort(all)
	return all
}

// appendOrder: indexes rise in real time.
func (c *checker) appendOrder() {
	appends := c.of(func(o *Op) bool { return o.Kind == Append && o.Outcome == OK })
	ended := slices.Clone(appends)
	slices.SortStableFunc(ended, func(a, b *Op) int { return cmp.Compare(a.Return, b.Return) })
	var newest *Op
	for _, o := range appends {
		for len(ended) > 0 && ended[0].Return < o.Call {
			if newest == nil || ended[0].Index > newest.Index {
				newest = ended[0]
			}
			ended = ended[1:]
		}
		if newest != nil && newest.Index >= o.Index {
			c.violate("indexes rise in real time", fmt.Sprintf("index %d had been answered before the append at %d began", newest.Index, o.Index), o, newest)
		}
	}
}

// of gives the operations of which something holds, in the order of their calls.
func (c *checker) of(holds func(*Op) bool) (ops []*Op) {
	for i := range c.ops {
		if holds(&c.ops[i]) {
			ops = append(ops, &c.ops[i])
		}
	}
	return ops
}

// gaps: a reader leaves no index out.
func (c *checker) gaps() {
	last := map[int]*Op{}
	for _, o := range c.of(func(o *Op) bool { return o.Kind == Follow && o.Outcome == OK }) {
		if before := last[o.Reader]; before != nil && o.Index != before.Index+1 {
			c.violate("a reader leaves nothing out", fmt.Sprintf("reader %d was given %d after %d", o.Reader, o.Index, before.Index), before, o)
		}
		last[o.Reader] = o
	}
}

// missing: what was acknowledged before a read began is there, or trimmed.
func (c *checker) missing() {
	appends := c.of(func(o *Op) bool { return o.Kind == Append && o.Outcome == OK })
	slices.SortStableFunc(appends, func(a, b *Op) int { return cmp.Compare(a.Return, b.Return) })
	var newest *Op
	for _, o := range c.of(func(o *Op) bool { return o.Kind == LogGet && o.Outcome == OK }) {
		for len(appends) > 0 && appends[0].Return < o.Call {
			if newest == nil || appends[0].Index > newest.Index {
				newest = appends[0]
			}
			appends = appends[1:]
		}
		switch {
		case o.Missing && newest != nil && newest.Index >= o.Index:
			c.violate("what was appended is there", fmt.Sprintf("the log was said to end below %d", o.Index), newest, o)
		case o.First != 0 && o.First <= o.Index:
			c.violate("what was appended is there", fmt.Sprintf("%d was said to be trimmed from a log that begins at %d", o.Index, o.First), o)
		}
	}
}
