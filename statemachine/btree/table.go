package btree

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
)

const (
	// shardBits is the base-2 logarithm of the number of shards. A shard is rebuilt when it fills up, so the pause is that of a
	// 256th of all keys.
	shardBits = 8
	// minSlots is the size at which a shard starts. A power of two.
	minSlots = 8
)

// removed marks a slot whose item is gone, so that a search goes on past it.
var removed = new(item)

// table leads from a key to its item: a hash table with open addressing, in shards. One goroutine adds and removes; any
// number get, without a lock. Why that is sound:
//
//   - A slot is a single atomic pointer, and an item's key never changes.
//   - A shard that is rebuilt is replaced as a whole. Who still searches the old one sees it as it was when it was replaced; what
//     was added since is of a later revision than any that the searcher may look at, for a searcher fixes its revision first.
//   - A slot is used once: what is removed leaves a mark until the shard is rebuilt. An item is only removed when it is not
//     there for any reader (see reclaim), so a search that comes too late for it rightly finds nothing.
//
// The seed differs from process to process; it decides where an item is kept and nothing that can be observed.
type table struct {
	seed   maphash.Seed
	shards [1 << shardBits]atomic.Pointer[shard]
}

// shard holds the items whose hash begins with its number.
type shard struct {
	slots []atomic.Pointer[item] // a power of two of them, at least a quarter empty
	// live counts the items; used counts them and the removed. Only the writing goroutine looks at them.
	live, used int
}

func newTable() *table { return &table{seed: maphash.MakeSeed()} }

// get finds an item, or nil.
func (t *table) get(key []byte) *item {
	h := maphash.Bytes(t.seed, key)
	s := t.shards[h>>(64-shardBits)].Load()
	if s == nil {
		return nil
	}
	mask := uint64(len(s.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		it := s.slots[i].Load()
		if it == nil {
			return nil
		}
		if it != removed && bytes.Equal(it.key, key) {
			return it
		}
	}
}

// add puts an item into the table. REQUIRES: its key is not there.
func (t *table) add(it *item) {
	h := maphash.Bytes(t.seed, it.key)
	at := &t.shards[h>>(64-shardBits)]
	s := at.Load()
	if s == nil || (s.used+1)*4 > len(s.slots)*3 {
		s = t.rebuilt(s)
		at.Store(s)
	}
	s.put(h, it)
}

// put uses the first slot that has not been used. The items of a shard under construction are put before it can be reached.
func (s *shard) put(h uint64, it *item) {
	mask := uint64(len(s.slots) - 1)
	i := h & mask
	for s.slots[i].Load() != nil {
		i = (i + 1) & mask
	}
	s.slots[i].Store(it)
	s.live++
	s.used++
}

// rebuilt copies a shard into one of which at most three eighths are used.
func (t *table) rebuilt(old *shard) *shard {
	size := minSlots
	if old != nil {
		for (old.live+1)*8 > size*3 {
			size *= 2
		}
	}
	s := &shard{slots: make([]atomic.Pointer[item], size)}
	if old == nil {
		return s
	}
	for i := range old.slots {
		if it := old.slots[i].Load(); it != nil && it != removed {
			s.put(maphash.Bytes(t.seed, it.key), it)
		}
	}
	return s
}

// remove takes an item out. REQUIRES: it is there.
func (t *table) remove(it *item) {
	h := maphash.Bytes(t.seed, it.key)
	at := &t.shards[h>>(64-shardBits)]
	s := at.Load()
	mask := uint64(len(s.slots) - 1)
	i := h & mask
	for s.slots[i].Load() != it {
		i = (i + 1) & mask
	}
	s.slots[i].Store(removed)
	s.live--
	if len(s.slots) > minSlots && s.live*16 < len(s.slots) {
		at.Store(t.rebuilt(s))
	}
}
