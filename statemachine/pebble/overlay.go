package pebble

import (
	"bytes"
	"slices"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// overlay holds the newest version of each key that a batch has written, and the memory of what the batch gave out.
type overlay struct {
	index  map[string]int // into events
	events []statemachine.Event
	sorted []int // events in order of key, made by merge
	arena  []byte
}

const (
	// arenaBytes is the size of a piece of memory that slices are cut from.
	arenaBytes = 64 << 10
	// keptEvents is how large an overlay may be to be used again.
	keptEvents = 16 << 10
)

// reset empties the overlay. What it gave out stays as it is until garbage is collected.
func (o *overlay) reset() {
	if o.index == nil || len(o.events) > keptEvents {
		*o = overlay{index: make(map[string]int)}
		return
	}
	clear(o.index)
	clear(o.events)
	o.events, o.sorted, o.arena = o.events[:0], o.sorted[:0], o.arena[:0]
}

// copy gives a copy that is valid until reset.
func (o *overlay) copy(b []byte) []byte {
	if len(b) > cap(o.arena)-len(o.arena) {
		if len(b) > arenaBytes/4 {
			return bytes.Clone(b)
		}
		o.arena = make([]byte, 0, arenaBytes)
	}
	at := len(o.arena)
	o.arena = append(o.arena, b...)
	return o.arena[at:len(o.arena):len(o.arena)]
}

func (o *overlay) get(key []byte) (statemachine.Event, bool) {
	if i, ok := o.index[string(key)]; ok {
		return o.events[i], true
	}
	return statemachine.Event{}, false
}

// set replaces the version of a key. The event's slices are the overlay's own, by copy.
func (o *overlay) set(ev statemachine.Event) {
	if i, ok := o.index[string(ev.Item.Key)]; ok {
		o.events[i] = ev
		return
	}
	o.index[string(ev.Item.Key)] = len(o.events)
	o.events = append(o.events, ev)
}

// order sorts the keys, if any was added since it was last done.
func (o *overlay) order() {
	if len(o.sorted) == len(o.events) {
		return
	}
	for i := len(o.sorted); i < len(o.events); i++ {
		o.sorted = append(o.sorted, i)
	}
	slices.SortFunc(o.sorted, func(i, j int) int { return bytes.Compare(o.events[i].Item.Key, o.events[j].Item.Key) })
}

// merge calls fn for the live keys in [from, to): those that stored gives, unless the overlay has them, and the overlay's.
func (o *overlay) merge(from, to []byte, stored func() (statemachine.Item, bool, error), fn func(statemachine.Item) bool) error {
	o.order()
	at, _ := slices.BinarySearchFunc(o.sorted, from, func(i int, from []byte) int {
		return bytes.Compare(o.events[i].Item.Key, from)
	})
	item, more, err := stored()
	for err == nil {
		var own *statemachine.Event
		if at < len(o.sorted) {
			own = &o.events[o.sorted[at]]
			if to != nil && bytes.Compare(own.Item.Key, to) >= 0 {
				own = nil
			}
		}
		if own == nil && !more {
			return nil
		}
		if own == nil || more && bytes.Compare(item.Key, own.Item.Key) < 0 {
			if !fn(item) {
				return nil
			}
			item, more, err = stored()
			continue
		}
		at++
		if more && bytes.Equal(item.Key, own.Item.Key) {
			if item, more, err = stored(); err != nil {
				return err
			}
		}
		if !own.Deleted && !fn(own.Item) {
			return nil
		}
	}
	return err
}
