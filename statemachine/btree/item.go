package btree

import (
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// item is a key and the chain of its versions.
type item struct {
	key    []byte // never nil, so that it can be a bound of a walk
	newest atomic.Pointer[version]
	// short holds a key of up to 32 bytes, so that looking at an item is one cache line, and making it one allocation.
	short [32]byte
}

// newItem makes an item without a version, with a copy of the key.
func newItem(key []byte) *item {
	it := &item{}
	it.key = append(it.short[:0], key...)
	return it
}

// version is one change of a key. All but older is fixed before the version can be reached by a reader.
type version struct {
	// older is the version before this one, nil when there is none or none that may still be read.
	older  atomic.Pointer[version]
	value  []byte
	create statemachine.Revision
	mod    statemachine.Revision
	// count is statemachine.Item.Version; 0 marks a delete.
	count uint64
	lease uint64
	sub   uint32
}

func (v *version) deleted() bool { return v.count == 0 }

// at gives the version in force at a revision: a put, or nil when the key is not there.
func (it *item) at(rev statemachine.Revision) *version {
	v := it.newest.Load()
	for v != nil && v.mod > rev {
		v = v.older.Load()
	}
	if v == nil || v.deleted() {
		return nil
	}
	return v
}

// live gives the newest version of all, committed or not: a put, or nil when the key is not there.
func (it *item) live() *version {
	v := it.newest.Load()
	if v == nil || v.deleted() {
		return nil
	}
	return v
}

// with gives an item as callers see it.
func (it *item) with(v *version) statemachine.Item {
	return statemachine.Item{Key: it.key, Value: v.value, Create: v.create, Mod: v.mod, Version: v.count, Lease: v.lease}
}

// event gives a version as the change that made it.
func (it *item) event(v *version) statemachine.Event {
	if v.deleted() {
		return statemachine.Event{Item: statemachine.Item{Key: it.key, Mod: v.mod}, Sub: v.sub, Deleted: true}
	}
	return statemachine.Event{Item: it.with(v), Sub: v.sub}
}
