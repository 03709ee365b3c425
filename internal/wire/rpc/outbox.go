package rpc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

// flushBytes is about how much is written with one deadline: frames are staged until they are this long.
const flushBytes = 1 << 20

// outgoing is a frame that waits to be written.
type outgoing struct {
	kind uint8
	head []byte
	body []byte
	// claim, when not nil, is the state of a request: one that was withdrawn is not written.
	claim *atomic.Uint32
	// took is what the frame took of the outbox's room.
	took int
	// counted is what it counts at the port.
	counted int
}

// The states of a request that waits to be written.
const (
	claimWaiting uint32 = iota
	claimWritten
	claimWithdrawn
)

// outbox collects frames, and one goroutine writes them: what comes while a write runs leaves with the next, in one system
// call. It is bounded in bytes: put waits while it is full, and a peer that does not read ends the connection.
type outbox struct {
	conn    net.Conn
	writer  *wire.Writer
	limits  wire.Limits
	timeout time.Duration
	room    *budget
	// stop ends put and run at once.
	stop <-chan struct{}
	wake chan struct{}

	// port, when not nil, bounds what waits in all outboxes of a port.
	port *gauge

	mu    sync.Mutex
	queue []outgoing
	// counted is what the outbox holds of the port. Once closed is set it holds nothing.
	counted int
	closed  bool
}

func newOutbox(conn net.Conn, limits wire.Limits, room int, timeout time.Duration, stop <-chan struct{}) *outbox {
	return &outbox{conn: conn, writer: wire.NewWriter(conn, limits), limits: limits, timeout: timeout, room: newBudget(room),
		stop: stop, wake: make(chan struct{}, 1)}
}

// reserve counts a frame at the port. It gives false, unless the frame is to be sent always, when there is too much already.
func (o *outbox) reserve(f *outgoing, always bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return true // put will refuse it, or nobody will take it
	}
	n, ok := wire.HeaderSize+len(f.head)+len(f.body), true
	if always {
		f.counted = o.port.take(n)
	} else {
		f.counted, ok = o.port.try(n)
	}
	o.counted += f.counted
	return ok
}

// release gives back what frames counted that were written.
func (o *outbox) release(counted int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if counted > 0 && !o.closed {
		o.counted -= counted
		o.port.give(counted)
	}
}

// close gives back what frames count that will not be written.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counted > 0 {
		o.port.give(o.counted)
	}
	o.counted, o.closed, o.queue = 0, true, nil
}

// put queues a frame, waiting for room. It gives false when the connection ended or cancel was closed before.
func (o *outbox) put(f outgoing, cancel <-chan struct{}) bool {
	took, ok := o.room.take(wire.HeaderSize+len(f.head)+len(f.body), o.stop, cancel)
	if !ok {
		return false
	}
	f.took = took
	o.push(f)
	return true
}

// push queues a frame without asking for room: for the few bytes that say something about a request under way.
func (o *outbox) push(f outgoing) {
	o.mu.Lock()
	if !o.closed {
		o.queue = append(o.queue, f)
	}
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// swap gives what is queued and takes an empty slice in its place.
func (o *outbox) swap(empty []outgoing) []outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.queue
	o.queue = empty
	return batch
}

// run writes until the connection's end, or an error.
func (o *outbox) run() error {
	defer o.close()
	var spare []outgoing
	for {
		batch := o.swap(spare[:0])
		if len(batch) == 0 {
			select {
			case <-o.wake:
			case <-o.stop:
				return nil
			}
		} else if err := o.write(batch); err != nil {
			return err
		}
		clear(batch)
		spare = batch
	}
}

// write writes a batch, as few times as its size allows.
func (o *outbox) write(batch []outgoing) error {
	var staged outgoing // the sums of what is staged
	for i := range batch {
		f := &batch[i]
		if f.claim != nil && !f.claim.CompareAndSwap(claimWaiting, claimWritten) {
			o.room.give(f.took)
			continue
		}
		if err := o.writer.Append(f.kind, true, f.head, f.body); err != nil {
			return err
		}
		staged.took += f.took
		staged.counted += f.counted
		if o.writer.Staged() >= flushBytes {
			if err := o.flush(&staged); err != nil {
				return err
			}
		}
	}
	return o.flush(&staged)
}

func (o *outbox) flush(staged *outgoing) error {
	if err := o.conn.SetWriteDeadline(time.Now().Add(o.timeout)); err != nil {
		return err
	}
	err := o.writer.Flush()
	o.room.give(staged.took)
	o.release(staged.counted)
	*staged = outgoing{}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: for %v: %w", ErrSlowReader, o.timeout, err)
	}
	return err
}
