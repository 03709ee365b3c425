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

// revisions: they rise in real time, and no two writes share one.
func (c *checker) revisions() {
	const rule = "revisions rise in real time"
	ended := slices.Clone(c.ops)
	slices.SortStableFunc(ended, func(a, b Op) int { return cmp.Compare(a.Return, b.Return) })
	owners := map[uint64]*Op{}
	var newest *Op // of those that had ended when an operation began
	next := 0
	for i := range c.ops {
		o := &c.ops[i]
		for ; next < len(ended) && ended[next].Return < o.Call; next++ {
			if e := &ended[next]; e.Outcome == OK && (newest == nil || e.Revision > newest.Revision) {
				newest = e
			}
		}
		if o.Outcome != OK || o.onLog() {
			continue
		}
		if o.changes() {
			if other := owners[o.Revision]; other != nil {
				c.violate(rule, fmt.Sprintf("two writes have revision %d", o.Revision), o, other)
			}
			owners[o.Revision] = o
		}
		if newest != nil && !o.Local && (o.Revision < newest.Revision || o.changes() && o.Revision == newest.Revision) {
			c.violate(rule, fmt.Sprintf("revision %d had been answered before this one began", newest.Revision), o, newest)
		}
	}
}

func (o *Op) onLog() bool { return o.Kind == Append || o.Kind == LogGet || o.Kind == Follow }

// event is what a key is known to be from a revision on: a value, or nothing.
type event struct {
	revision uint64
	value    string
	present  bool
	version  uint64 // 0 where it is not known
	by       *Op
}

// reads says whether an operation was answered with the state of a key or of a prefix at its revision.
func (o *Op) reads() bool {
	return o.Outcome == OK && (o.Kind == Get || o.Kind == Range || (o.Kind == Swap || o.Kind == Txn) && !o.Swapped)
}

// snapshots: a read gives the state at its revision.
func (c *checker) snapshots() {
	const rule = "a read gives the state at its revision"
	events := c.events()
	for i := range c.ops {
		o := &c.ops[i]
		if !o.reads() {
			continue
		}
		found := map[string]Item{}
		for _, item := range o.Items {
			found[item.Key] = item
			if item.Mod > o.Revision {
				c.violate(rule, fmt.Sprintf("%s was changed at revision %d, above the one that was read", item.Key, item.Mod), o)
			}
		}
		keys := []string{o.Key}
		if o.Kind == Range {
			keys = c.covered(o.Prefix)
		}
		for _, key := range keys {
			last := lastAt(events[key], o.Revision)
			item, ok := found[key]
			switch {
			case last == nil: // nothing is known; an item makes an event of its own
			case ok && (last.revision != item.Mod || last.value != item.Value || !last.present):
				c.violate(rule, fmt.Sprintf("at revision %d, %s was what it became at %d", o.Revision, key, last.revision), o, last.by)
			case !ok && last.present && !c.mayBeDeleted(key, o):
				c.violate(rule, fmt.Sprintf("at revision %d, %s was there, since %d", o.Revision, key, last.revision), o, last.by)
			}
		}
	}
}

// events gives what is known of each key, by revision.
func (c *checker) events() map[string][]event {
	events := map[string][]event{}
	add := func(key string, e event) { events[key] = append(events[key], e) }
	for i := range c.ops {
		o := &c.ops[i]
		for _, item := range o.Items {
			add(item.Key, event{item.Mod, item.Value, true, item.Version, o})
		}
		if !o.changes() {
			continue
		}
		switch o.Kind {
		case Delete:
			add(o.Key, event{revision: o.Revision, by: o})
		case DeletePrefix:
			for _, key := range c.covered(o.Prefix) {
				add(key, event{revision: o.Revision, by: o})
			}
		default:
			for _, value := range o.writes() {
				add(o.target(value), event{o.Revision, value, true, 0, o})
			}
		}
	}
	for key, all := range events {
		slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.revision, b.revision) })
		for i := 1; i < len(all); i++ {
			a, b := all[i-1], all[i]
			if a.revision == b.revision && (a.value != b.value || a.present != b.present || a.version != b.version && a.version != 0 && b.version != 0) {
				c.violate("a revision is one state", fmt.Sprintf("%s differs between two answers about revision %d", key, a.revision), a.by, b.by)
			}
		}
	}
	return events
}

// lastAt is the last event at or below a revision.
func lastAt(events []event, revision uint64) *event {
	i, _ := slices.BinarySearchFunc(events, revision+1, func(e event, r uint64) int { return cmp.Compare(e.revision, r) })
	if i == 0 {
		return nil
	}
	return &events[i-1]
}

// mayBeDeleted says whether a deletion of uncertain outcome explains that a read did not find a key.
func (c *checker) mayBeDeleted(key string, read *Op) bool {
	for i := range c.ops {
		o := &c.ops[i]
		if o.Call > read.Return {
			return false
		}
		if o.Outcome != Uncertain {
			continue
		}
		if o.Kind == Delete && o.Key == key || o.Kind == DeletePrefix && slices.Contains(c.covered(o.Prefix), key) {
			return true
		}
	}
	return false
}
