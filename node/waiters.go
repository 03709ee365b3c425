package node

import (
	"errors"
	"slices"
	"sync"

	"github.com/ledgerkv/ledgerkv/raft"
)

// waiters are the proposals of this replica that have an index and wait for its fate. They are keyed by (index, term): that an entry is
// lost is known only when one of a later term is committed at its index or below it, for a truncated entry may live on elsewhere and still
// be committed.
type waiters struct {
	mu     sync.Mutex
	closed error
	// queue is ascending by index; head is the first that still waits.
	queue []waiter
	head  int
}

type waiter struct {
	at      raft.EntryID
	place   place
	pending *Pending
}

// place is where an entry's record is.
type place struct {
	position raft.Position
	length   uint32
}

// add takes over proposals in the order of their indexes. Owner.
func (w *waiters) add(batch []waiter) {
	w.mu.Lock()
	closed := w.closed
	if closed == nil {
		if w.head > 0 && w.head == len(w.queue) {
			w.queue, w.head = w.queue[:0], 0
		}
		// A leader that was deposed and elected again may use indexes again that an earlier proposal of its own still waits for.
		w.insert(batch)
	}
	w.mu.Unlock()
	if closed != nil {
		for _, b := range batch {
			b.pending.complete(Proposed{}, closed)
		}
	}
}

// insert keeps the queue ascending. In the common case the batch goes to the end.
func (w *waiters) insert(batch []waiter) {
	if len(batch) == 0 {
		return
	}
	at := len(w.queue)
	for at > w.head && w.queue[at-1].at.Index > batch[0].at.Index {
		at--
	}
	if at == len(w.queue) {
		w.queue = append(w.queue, batch...)
		return
	}
	rest := append([]waiter(nil), w.queue[at:]...)
	w.queue = w.queue[:at]
	for _, b := range batch {
		for len(rest) > 0 && rest[0].at.Index <= b.at.Index {
			w.queue, rest = append(w.queue, rest[0]), rest[1:]
		}
		w.queue = append(w.queue, b)
	}
	w.queue = append(w.queue, rest...)
}

// upTo removes and returns the waiters at or below an index, appended to buf.
func (w *waiters) upTo(last raft.Index, buf []waiter) []waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	start := w.head
	for w.head < len(w.queue) && w.queue[w.head].at.Index <= last {
		w.head++
	}
	buf = append(buf, w.queue[start:w.head]...)
	clear(w.queue[start:w.head])
	if w.head > 1024 && w.head*2 > len(w.queue) {
		w.queue = append(w.queue[:0], w.queue[w.head:]...)
		w.head = 0
	}
	return buf
}

// overtaken removes and returns the waiters of terms below that of an entry that is committed, appended to buf. REQUIRES: those up to that
// entry were taken. Terms rise along every log, so no log that holds the entry can hold theirs behind it.
func (w *waiters) overtaken(term raft.Term, buf []waiter) []waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.queue[:w.head]
	for _, x := range w.queue[w.head:] {
		if x.at.Term < term {
			buf = append(buf, x)
		} else {
			kept = append(kept, x)
		}
	}
	clear(w.queue[len(kept):])
	w.queue = kept
	return buf
}

// beyond removes and returns the waiters above an index. Owner.
func (w *waiters) beyond(last raft.Index) []waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.head
	for at < len(w.queue) && w.queue[at].at.Index <= last {
		at++
	}
	rest := slices.Clone(w.queue[at:])
	clear(w.queue[at:])
	w.queue = w.queue[:at]
	return rest
}

// fail ends all waits with err, and those to come.
func (w *waiters) fail(err error) {
	w.mu.Lock()
	w.closed = err
	rest := w.queue[w.head:]
	w.queue, w.head = nil, 0
	w.mu.Unlock()
	for _, x := range rest {
		x.pending.complete(Proposed{}, err)
	}
}

// What makes an outcome uncertain.
var (
	errReplaced = errors.New("an image took the place of the log at its index")
	errRemoved  = errors.New("this node was removed from the group, and will not be told")
)

// readWaiters are reads whose index is known and not yet applied, or whose round is not confirmed yet.
type readWaiters struct {
	mu     sync.Mutex
	closed error
	// waiting is unordered; it is short, since reads are batched.
	waiting []readWait
}

type readWait struct {
	index raft.Index
	reads []*Pending
}

// add parks reads until index is applied. It reports false, and parks nothing, when that is the case already. applied is read under
// the lock, so that an applier that raises it either sees the reads or is seen.
func (w *readWaiters) add(index raft.Index, reads []*Pending, applied *watermark) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed != nil {
		for _, p := range reads {
			p.complete(Proposed{}, w.closed)
		}
		return true
	}
	if raft.Index(applied.load()) >= index {
		return false
	}
	w.waiting = append(w.waiting, readWait{index, reads})
	return true
}

// count is how many reads are parked.
func (w *readWaiters) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, x := range w.waiting {
		n += len(x.reads)
	}
	return n
}

// forget gives up the wait of the only read that waits for index by itself, unless it has ended.
func (w *readWaiters) forget(index raft.Index, read *Pending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = slices.DeleteFunc(w.waiting, func(x readWait) bool { return x.index == index && len(x.reads) == 1 && x.reads[0] == read })
}

// upTo completes the reads at or below applied.
func (w *readWaiters) upTo(applied raft.Index) {
	w.mu.Lock()
	if len(w.waiting) == 0 {
		w.mu.Unlock()
		return
	}
	var done []readWait
	kept := w.waiting[:0]
	for _, x := range w.waiting {
		if x.index <= applied {
			done = append(done, x)
		} else {
			kept = append(kept, x)
		}
	}
	clear(w.waiting[len(kept):])
	w.waiting = kept
	w.mu.Unlock()
	for _, x := range done {
		for _, p := range x.reads {
			p.complete(Proposed{Index: x.index}, nil)
		}
	}
}

// fail ends all waits with err, and those to come.
func (w *readWaiters) fail(err error) {
	w.mu.Lock()
	w.closed = err
	rest := w.waiting
	w.waiting = nil
	w.mu.Unlock()
	for _, x := range rest {
		for _, p := range x.reads {
			p.complete(Proposed{}, err)
		}
	}
}
