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

	mu    sync.Mutex
	queue []outgoing
}

func newOutbox(conn net.Conn, limits wire.Limits, room int, timeout time.Duration, stop <-chan struct{}) *outbox {
	return &outbox{conn: conn, writer: wire.NewWriter(conn, limits), limits: limits, timeout: timeout, room: newBudget(room),
		stop: stop, wake: make(chan struct{}, 1)}
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
	o.queue = append(o.queue, f)
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
	staged := 0
	for i := range batch {
		f := &batch[i]
		if f.claim != nil && !f.claim.CompareAndSwap(claimWaiting, claimWritten) {
			o.room.give(f.took)
			continue
		}
		if err := o.writer.Append(f.kind, true, f.head, f.body); err != nil {
			return err
		}
		staged += f.took
		if o.writer.Staged() >= flushBytes {
			if err := o.flush(&staged); err != nil {
				return err
			}
		}
	}
	return o.flush(&staged)
}

func (o *outbox) flush(staged *int) error {
	if err := o.conn.SetWriteDeadline(time.Now().Add(o.timeout)); err != nil {
		return err
	}
	err := o.writer.Flush()
	o.room.give(*staged)
	*staged = 0
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: for %v: %w", ErrSlowReader, o.timeout, err)
	}
	return err
}
