package history

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// registers: each key is linearizable.
func (c *checker) registers(perKey time.Duration) {
	steps := map[string][]porcupine.Operation{}
	for i := range c.ops {
		c.project(&c.ops[i], func(key string, s step) {
			o := &c.ops[i]
			at := porcupine.Operation{ClientId: o.Client, Input: s, Call: int64(o.Call), Return: int64(o.Return), Metadata: o}
			if o.Outcome == Uncertain {
				at.Return = math.MaxInt64
			}
			steps[key] = append(steps[key], at)
		})
	}
	for _, key := range c.keys {
		switch porcupine.CheckOperationsTimeout(register, steps[key], perKey) {
		case porcupine.Illegal:
			var ops []*Op
			for _, s := range steps[key] {
				ops = append(ops, s.Metadata.(*Op))
			}
			c.violate("a key is linearizable", fmt.Sprintf("no order of the %d operations on %s explains their answers", len(ops), key), ops...)
		case porcupine.Unknown:
			c.result.Undecided = append(c.result.Undecided, key)
		}
	}
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
	// swapped says whether a swap found what it expected; all of the answer to a removal is revision, unless some of several keys were removed.
	swapped, several bool
}

// project gives the steps of an operation, by key. Operations that certainly did not take place have none.
func (c *checker) project(o *Op, add func(key string, s step)) {
	if o.Outcome == Failed || o.Local || o.Outcome == Uncertain && (o.Kind == Get || o.Kind == Range) {
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
