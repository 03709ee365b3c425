package history

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// registers: each key is linearizable. It is looked at twice.
//
// By times, trusting no revision: an order in which every operation has its place between its call and its return. Where many operations are
// under way for seconds the search for it may take too long.
//
// By revisions: each answer says from which state of the store it is, and these are in an order already; that this order fits the times is the rule of
// revisions. What is to be found is a place for writes of uncertain outcome whose values nobody has read, among the revisions that are left. Local
// reads have their place here too.
func (c *checker) registers(perKey time.Duration) {
	byTime, byRevision := map[string][]porcupine.Operation{}, map[string][]porcupine.Operation{}
	seen := map[sight]bool{}
	for i := range c.ops {
		o := &c.ops[i]
		c.project(o, func(key string, s step) {
			if s.until = math.MaxUint64; !o.Local {
				call, end := c.times(o)
				byTime[key] = append(byTime[key], porcupine.Operation{ClientId: o.Client, Input: s, Call: call, Return: end, Metadata: o})
			}
			call, end := c.place(o)
			if s.action == read {
				same := sight{key: key, place: call}
				if s.item != nil {
					same.item = *s.item
				}
				if seen[same] {
					return // reads of one revision that say the same can't be told apart, and need not be
				}
				seen[same] = true
			}
			s.until = c.lastHole(o)
			if revision, ok := c.observed[o]; ok {
				s.known, s.revision, s.swapped = true, revision, true
			}
			byRevision[key] = append(byRevision[key], porcupine.Operation{ClientId: o.Client, Input: s, Call: call, Return: end, Metadata: o})
		})
	}
	for _, key := range c.keys {
		steps, how := byRevision[key], "by revisions"
		verdict := porcupine.CheckOperationsTimeout(register, steps, perKey)
		if verdict == porcupine.Ok {
			steps, how = byTime[key], "by times"
			if verdict = porcupine.CheckOperationsTimeout(register, steps, perKey/30); verdict == porcupine.Unknown {
				c.result.ByRevision++
				continue
			}
		}
		switch verdict {
		case porcupine.Illegal:
			var ops []*Op
			for _, s := range steps {
				ops = append(ops, s.Metadata.(*Op))
			}
			c.violate("a key is linearizable", fmt.Sprintf("no order of the %d operations on %s %s explains their answers", len(ops), key, how), ops...)
		case porcupine.Unknown:
			c.result.Undecided = append(c.result.Undecided, key)
		}
	}
}

// sight is what a read has seen of a key: place is where in the order of the store's states, item what was there, zero for nothing.
type sight struct {
	key   string
	place int64
	item  Item
}

// times is when an operation took place at the earliest and at the latest.
func (c *checker) times(o *Op) (call, end int64) {
	if o.Outcome == Uncertain {
		return int64(o.Call), math.MaxInt64
	}
	return int64(o.Call), int64(o.Return)
}

// place is where an operation stands in the order of the store's states: a write at its revision, what was answered from a state between that
// and the next, and a write of which nothing is known anywhere above what had been answered when it began.
func (c *checker) place(o *Op) (call, end int64) {
	const step = 4
	revision, changes, known := c.revision(o)
	switch {
	case !known:
		first, _ := slices.BinarySearch(c.holes, c.newest[o]+1)
		if first == len(c.holes) {
			return 0, math.MaxInt64 // it never was; see lastHole
		}
		return step * int64(c.holes[first]), math.MaxInt64
	case changes:
		return step * int64(revision), step * int64(revision)
	}
	return step*int64(revision) + 1, step*int64(revision) + 2
}

// lastHole is the highest revision that an operation of uncertain outcome can have; 0 when there is none.
func (c *checker) lastHole(o *Op) uint64 {
	if n := len(c.holes); n > 0 && c.holes[n-1] > c.newest[o] {
		return c.holes[n-1]
	}
	return 0
}

// action is what an operation does to one key.
type action uint8

const (
	read   action = iota // the key is as in item
	write                // the key is set to value
	swap                 // the key is set to value if it holds expected
	remove               // the key is removed, if it is there
)

// step is an operation as far as it concerns one key.
type step struct {
	action   action
	value    string
	expected string // of a swap: "" for a missing key
	// known: the answer is known. It is then in the fields below.
	known bool
	// revision is the write's own; 0 when nothing was changed.
	revision uint64
	// item is what was read, of a swap what was in its way; nil for a missing key.
	item *Item
	// until is the highest revision that the step can have if its answer is not known: above, it never was.
	until uint64
	// swapped says whether a swap found what it expected; all of the answer to a removal is revision, unless some of several keys were removed.
	swapped, several bool
}

// project gives the steps of an operation, by key. Operations that certainly did not take place have none.
func (c *checker) project(o *Op, add func(key string, s step)) {
	if o.Outcome == Failed || o.Outcome == Uncertain && (o.Kind == Get || o.Kind == Range) {
		return
	}
	s := step{value: o.Value, expected: o.ExpectedValue, known: o.Outcome == OK, swapped: o.Swapped}
	if o.changes() {
		s.revision = o.Revision
	}
	for i := range o.Items {
		if o.Items[i].Key == o.Key {
			s.item = &o.Items[i]
		}
	}
	switch o.Kind {
	case Put:
		s.action = write
	case Get:
		s.action = read
	case Delete:
		s.action = remove
	case Swap, Txn:
		s.action = swap
		if o.Second != "" && (o.Swapped || !s.known) {
			add(o.Second, step{action: write, value: o.SecondValue, known: s.known, revision: s.revision})
		}
	case Range, DeletePrefix:
		c.projectMany(o, s, add)
		return
	default:
		return
	}
	add(o.Key, s)
}

// projectMany is project for operations on a prefix.
func (c *checker) projectMany(o *Op, s step, add func(key string, s step)) {
	found := map[string]*Item{}
	for i := range o.Items {
		found[o.Items[i].Key] = &o.Items[i]
	}
	for _, key := range c.covered(o.Prefix) {
		if o.Kind == Range {
			add(key, step{action: read, known: true, item: found[key]})
		} else {
			add(key, step{action: remove, known: s.known, revision: s.revision, several: true})
		}
	}
}

// state is what a key holds: Item as far as it is known, as a write of uncertain outcome has no revision until it is read.
type state struct {
	present bool
	value   string
	// mod is the revision of the last change, 0 where it is not known; above is the last revision known before it.
	mod, above uint64
	version    uint64
}

// register is the model of a key.
var register = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, input, _ any) (bool, any) { return s.(state).after(input.(step)) },
}

// after is what follows from a step, and whether its answer can be.
func (s state) after(in step) (bool, state) {
	if !in.known && s.above >= in.until {
		return true, s
	}
	switch in.action {
	case read:
		return s.reads(in.item)
	case write:
		return s.writes(in)
	case swap:
		holds := !s.present
		if in.expected != "" {
			holds = s.present && s.value == in.expected
		}
		switch {
		case in.known && holds != in.swapped:
			return false, s
		case holds:
			return s.writes(in)
		case in.known:
			return s.reads(in.item)
		}
		return true, s
	}
	return s.removes(in)
}

func (s state) reads(item *Item) (bool, state) {
	if item == nil || !s.present {
		return item == nil && !s.present, s
	}
	if s.value != item.Value || s.version != item.Version || s.mod != 0 && s.mod != item.Mod || s.mod == 0 && item.Mod <= s.above {
		return false, s
	}
	s.mod, s.above = item.Mod, item.Mod
	return true, s
}

func (s state) writes(in step) (bool, state) {
	if in.known && in.revision <= s.above {
		return false, s
	}
	next := state{present: true, value: in.value, mod: in.revision, above: max(s.above, in.revision), version: 1}
	if s.present {
		next.version = s.version + 1
	}
	return true, next
}

func (s state) removes(in step) (bool, state) {
	removed := in.revision != 0
	switch {
	case !s.present:
		return !in.known || !removed || in.several, s
	case in.known && (!removed || in.revision <= s.above):
		return false, s
	}
	return true, state{above: max(s.above, in.revision)}
}
