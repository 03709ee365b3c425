package history

import (
	"cmp"
	"fmt"
	"slices"
)

// changes says whether an operation is known to have made a revision of its own.
func (o *Op) changes() bool {
	if o.Outcome != OK {
		return false
	}
	switch o.Kind {
	case Put:
		return true
	case Swap, Txn:
		return o.Swapped
	case Delete, DeletePrefix:
		return o.Deleted > 0
	}
	return false
}

// observe finds the revisions of writes whose outcome was uncertain and whose values were read.
func (c *checker) observe() {
	c.observed = map[*Op]uint64{}
	for i := range c.ops {
		for _, item := range c.ops[i].Items {
			if w := c.writers[item.Value]; w != nil && w.Outcome == Uncertain {
				c.observed[w] = item.Mod
			}
		}
	}
}

// revision is what is known of an operation's place in the order of the store's states: the write's own, or, of one that changed nothing, the one that it
// was answered from.
func (c *checker) revision(o *Op) (revision uint64, changes, known bool) {
	if r, ok := c.observed[o]; ok {
		return r, true, true
	}
	return o.Revision, o.changes(), o.Outcome == OK
}

// revisions: they rise in real time, and no two writes share one.
func (c *checker) revisions() {
	const rule = "revisions rise in real time"
	ended := slices.Clone(c.ops)
	slices.SortStableFunc(ended, func(a, b Op) int { return cmp.Compare(a.Return, b.Return) })
	owners, last := map[uint64]*Op{}, uint64(0)
	var newest *Op // of those that had ended when an operation began
	next := 0
	c.newest = map[*Op]uint64{}
	for i := range c.ops {
		o := &c.ops[i]
		for ; next < len(ended) && ended[next].Return < o.Call; next++ {
			if e := &ended[next]; e.Outcome == OK && (newest == nil || e.Revision > newest.Revision) {
				newest = e
			}
		}
		if newest != nil {
			c.newest[o] = newest.Revision
		}
		revision, changes, known := c.revision(o)
		if !known || o.onLog() {
			continue
		}
		last = max(last, revision)
		if changes {
			if other := owners[revision]; other != nil {
				c.violate(rule, fmt.Sprintf("two writes have revision %d", revision), o, other)
			}
			owners[revision] = o
		}
		if newest != nil && !o.Local && (revision < newest.Revision || changes && revision == newest.Revision) {
			c.violate(rule, fmt.Sprintf("revision %d had been answered before this one began", newest.Revision), o, newest)
		}
	}
	for revision := uint64(1); revision <= last; revision++ {
		if owners[revision] == nil {
			c.holes = append(c.holes, revision)
		}
	}
}

func (o *Op) onLog() bool { return o.Kind == Append || o.Kind == LogGet || o.Kind == Follow }
