package node

import (
	"context"
	"sync"

	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Proposed is the outcome of an entry that was committed and, in a group with a machine, applied.
type Proposed struct {
	Index raft.Index
	Term  raft.Term
	// Position is where the entry's record begins in the log, and Length its bytes there, header and padding included.
	Position raft.Position
	Length   uint32
	// Result is the machine's.
	Result statemachine.Result
}

// Pending is a proposal or read that is under way. One goroutine waits for it.
type Pending struct {
	kind raft.Kind
	body []byte
	crc  uint32

	// done gets one token when out and err are set.
	done     chan struct{}
	finished bool
	out      Proposed
	err      error
}

var pendings = sync.Pool{New: func() any { return &Pending{done: make(chan struct{}, 1)} }}

func newPending(kind raft.Kind, body []byte, crc uint32) *Pending {
	p := pendings.Get().(*Pending)
	p.kind, p.body, p.crc = kind, body, crc
	return p
}

// recycle gives a Pending back that its only waiter is done with.
func (p *Pending) recycle() {
	*p = Pending{done: p.done}
	pendings.Put(p)
}

// complete ends the wait. It is called once.
func (p *Pending) complete(out Proposed, err error) {
	p.out, p.err = out, err
	p.done <- struct{}{}
}

// Wait blocks until the outcome is known or ctx is done. In the latter case a proposal's error is ErrUncertain (with the context's): it
// can't be taken back.
func (p *Pending) Wait(ctx context.Context) (Proposed, error) {
	if !p.finished {
		select {
		case <-p.done:
			p.finished = true
		case <-ctx.Done():
			if p.kind == 0 {
				return Proposed{}, ctx.Err()
			}
			return Proposed{}, uncertain(ctx.Err())
		}
	}
	return p.out, p.err
}

// Poll gives the outcome if it is known. It never blocks.
func (p *Pending) Poll() (out Proposed, known bool, err error) {
	if !p.finished {
		select {
		case <-p.done:
			p.finished = true
		default:
			return Proposed{}, false, nil
		}
	}
	return p.out, true, p.err
}

// pendingQueue takes proposals from any goroutine to the owner, bounded in bytes.
type pendingQueue struct {
	limit int // bytes

	mu     sync.Mutex
	closed error
	items  []*Pending
	spare  []*Pending
	bytes  int
}

// pendingCost is what a queued item counts for besides its body.
const pendingCost = 128

// push queues p, or says why not: ErrBusy past the limit, or why the queue is closed.
func (q *pendingQueue) push(p *Pending) error {
	cost := pendingCost + len(p.body)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	if q.bytes+cost > q.limit && len(q.items) > 0 {
		return ErrBusy
	}
	q.items = append(q.items, p)
	q.bytes += cost
	return nil
}

// take removes and returns the longest prefix whose records take at most room bytes in the log. The result is valid until the next take.
func (q *pendingQueue) take(room uint64) []*Pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, used, bytes := 0, uint64(0), 0
	for ; n < len(q.items); n++ {
		size := uint64(raft.RecordSize(len(q.items[n].body)))
		if used+size > room {
			break
		}
		used += size
		bytes += pendingCost + len(q.items[n].body)
	}
	taken := q.items[:n:n]
	q.items, q.spare = append(q.spare[:0], q.items[n:]...), taken
	q.bytes -= bytes
	return taken
}

// first is the size in the log of the item that is taken next, in bytes; 0 when nothing is queued.
func (q *pendingQueue) first() uint32 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return 0
	}
	return raft.RecordSize(len(q.items[0].body))
}

// largest is the size in the log of the largest queued item, in bytes.
func (q *pendingQueue) largest() uint32 {
	q.mu.Lock()
	defer q.mu.Unlock()
	largest := uint32(0)
	for _, p := range q.items {
		largest = max(largest, raft.RecordSize(len(p.body)))
	}
	return largest
}

// empty reports whether nothing is queued.
func (q *pendingQueue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) == 0
}

// close refuses what comes from now on and hands back what is queued.
func (q *pendingQueue) close(err error) []*Pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = err
	taken := q.items
	q.items, q.spare, q.bytes = nil, nil, 0
	return taken
}
