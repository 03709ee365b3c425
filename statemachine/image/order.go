package image

import (
	"bytes"
	"fmt"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// order checks that versions follow each other as those of an engine do: writer and reader hold them to the same rules.
type order struct {
	head           Header
	key            []byte // the key at hand; a copy
	last           statemachine.Event
	keys, versions uint64
}

// check accepts the next version and says whether it is the first of its key.
func (o *order) check(ev statemachine.Event) (fresh bool, err error) {
	compared := 1
	if o.keys > 0 {
		compared = bytes.Compare(ev.Item.Key, o.key)
	}
	if compared < 0 {
		return false, fmt.Errorf("key %q comes after key %q, expected ascending keys", ev.Item.Key, o.key)
	}
	fresh = compared > 0
	if ev.Item.Mod == 0 || ev.Item.Mod > o.head.Revision {
		return false, fmt.Errorf("key %q has a version at revision %d, expected 1 to %d", ev.Item.Key, ev.Item.Mod, o.head.Revision)
	}
	if !fresh && (ev.Item.Mod <= o.last.Item.Mod || ev.Item.Mod <= o.head.Compacted) {
		return false, fmt.Errorf("key %q has a version at revision %d after one at %d, expected ascending ones above the compacted revision %d",
			ev.Item.Key, ev.Item.Mod, o.last.Item.Mod, o.head.Compacted)
	}
	if err := o.lineage(ev, fresh); err != nil {
		return false, err
	}
	if fresh {
		o.key = append(o.key[:0], ev.Item.Key...)
		o.keys++
	}
	o.versions++
	o.last = ev
	return fresh, nil
}

// lineage checks a version against the one before it: what a put counts, and what a delete deletes.
func (o *order) lineage(ev statemachine.Event, fresh bool) error {
	item := ev.Item
	if ev.Deleted {
		if fresh || o.last.Deleted {
			return fmt.Errorf("key %q is deleted at revision %d without being there", item.Key, item.Mod)
		}
		return nil
	}
	// A key's first version continues one that was compacted away only if it is itself at or below the compacted revision.
	born := item.Mod > o.head.Compacted
	create, version := item.Mod, uint64(1)
	if !fresh && !o.last.Deleted {
		born, create, version = true, o.last.Item.Create, o.last.Item.Version+1
	}
	if born && (item.Create != create || item.Version != version) {
		return fmt.Errorf("key %q at revision %d has create %d and version %d, expected %d and %d",
			item.Key, item.Mod, item.Create, item.Version, create, version)
	}
	if item.Create == 0 || item.Create > item.Mod || item.Version == 0 || (item.Version == 1) != (item.Create == item.Mod) {
		return fmt.Errorf("key %q at revision %d can't have create %d and version %d", item.Key, item.Mod, item.Create, item.Version)
	}
	return nil
}
