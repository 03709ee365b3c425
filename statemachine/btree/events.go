package btree

import (
	"sort"
	"sync"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// blockEvents is the number of events in a block of the queue.
const blockEvents = 256

// events is a queue of all versions above the revision up to which space was given back, in order of revision and sub-revision.
// Events are numbered from 0 for ever. The writing goroutine appends at the tail and takes from the head; readers look only at
// what was published to them: events below the tail of the state that they read, and of those only at the ones that their
// view holds.
type events struct {
	mu     sync.RWMutex
	blocks []*block // guarded by mu; elements are never overwritten
	first  uint64   // guarded by mu: the number of the first event of blocks[0]

	// The rest belongs to the writing goroutine.
	head, tail uint64
	// dropped counts the blocks that were cut off the front of blocks since its array was made: the array still holds them.
	dropped int
}

// block is a run of events.
type block [blockEvents]event

// event is a version and whose it is. Both are cleared when the event leaves the queue.
type event struct {
	item    *item
	version atomic.Pointer[version]
}

// push appends a version.
func (q *events) push(it *item, v *version) {
	if q.tail%blockEvents == 0 {
		q.mu.Lock()
		q.blocks = append(q.blocks, new(block))
		q.mu.Unlock()
	}
	ev := &q.blocks[len(q.blocks)-1][q.tail%blockEvents]
	ev.item = it
	ev.version.Store(v)
	q.tail++
}

// front gives the oldest event, or nil. Writing goroutine only.
func (q *events) front() *event {
	if q.head == q.tail {
		return nil
	}
	return &q.blocks[0][q.head%blockEvents]
}

// pop takes the oldest event off. Writing goroutine only. REQUIRES: there is one, and no open view holds it.
func (q *events) pop() {
	ev := q.front()
	ev.item = nil
	ev.version.Store(nil)
	q.head++
	if q.head%blockEvents != 0 {
		return
	}
	q.mu.Lock()
	q.blocks = q.blocks[1:]
	q.first += blockEvents
	q.dropped++
	if q.dropped > len(q.blocks) {
		q.blocks, q.dropped = append([]*block(nil), q.blocks...), 0
	}
	q.mu.Unlock()
}

// visit calls fn for the events from revision from on and numbered below tail, until it returns false. REQUIRES: the caller
// pins the engine at a compacted revision below from, and tail is of a state published to it.
func (q *events) visit(from statemachine.Revision, tail uint64, fn func(*item, *version) bool) {
	q.mu.RLock()
	blocks, first := q.blocks, q.first
	q.mu.RUnlock()
	if tail <= first {
		return
	}
	at := func(i uint64) *event { return &blocks[i/blockEvents][i%blockEvents] }
	n := tail - first
	// An event that was popped is below from: the pin would have kept it otherwise.
	i := uint64(sort.Search(int(n), func(i int) bool {
		v := at(uint64(i)).version.Load()
		return v != nil && v.mod >= from
	}))
	for ; i < n; i++ {
		ev := at(i)
		if !fn(ev.item, ev.version.Load()) {
			return
		}
	}
}
