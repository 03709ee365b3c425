package node

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// link is the loop that sends one peer one class of messages. It resolves the entries that appends name from the ledger, in the
// bytes in which they were appended.
type link struct {
	node  *Node
	peer  raft.NodeID
	class transport.Class
	loop  *Loop
	limit int // messages

	// beatDue: the peer is to be told that this node lives. Ticker to the loop.
	beatDue atomic.Bool
	// spoke: something was sent since the last beat was due, which says the same. Loop to ticker.
	spoke atomic.Bool

	mu     sync.Mutex
	queue  []outbound
	spare  []outbound
	broken bool // messages were dropped since the last turn
	// waiting are closed when what is in the queue has been sent, or dropped.
	waiting []chan<- struct{}

	// Only the loop touches these.
	frames []transport.Frame
	heads  [][]byte
	bodies [][]byte
}

// outbound is a message to be sent.
type outbound struct {
	replica *replica
	message raft.Message
}

const (
	// linkMessages bounds a link's queue. What a core has in flight to a peer is far below it; past it messages are dropped, as a
	// network would.
	linkMessages = 1 << 16
	// frameBytes is the size at which a frame of appends is closed.
	frameBytes = 1 << 20
	// frameMessages is the number of messages at which a frame is closed.
	frameMessages = 1024
)

func newLink(n *Node, peer raft.NodeID, class transport.Class) *link {
	l := &link{node: n, peer: peer, class: class, limit: linkMessages}
	l.loop = n.newLoop(fmt.Sprintf("%s-%s", class, peer), l.turn)
	return l
}

// classOf says which connection a message takes: what carries entries must not hold up what keeps a leader in office.
func classOf(m *raft.Message) transport.Class {
	if m.Type == raft.MsgAppend {
		return transport.Bulk
	}
	return transport.Control
}

// send queues messages to their peers. Any goroutine.
func (n *Node) send(r *replica, messages []raft.Message) {
	for i := range messages {
		m := &messages[i]
		if m.Type == raft.MsgImage {
			n.images.offer(r, m.To)
			continue
		}
		if p := n.peers.find(m.To); p != nil {
			l := p.control
			if classOf(m) == transport.Bulk {
				l = p.bulk
			}
			l.push(outbound{r, *m})
		}
	}
}

func (l *link) push(o outbound) {
	l.mu.Lock()
	full := len(l.queue) >= l.limit
	if full {
		l.broken = true
	} else {
		l.queue = append(l.queue, o)
	}
	l.mu.Unlock()
	l.loop.notify()
	if full {
		l.node.dropped(l.peer, 1)
	}
}

func (l *link) turn() (more bool) {
	l.mu.Lock()
	batch := l.queue
	l.queue = l.spare[:0]
	l.spare = batch
	broken, waiting := l.broken, l.waiting
	l.broken, l.waiting = false, nil
	l.mu.Unlock()
	if broken {
		l.node.unreachable(l.peer)
	}
	if len(batch) > 0 {
		l.spoke.Store(true)
	}
	l.sendBeat(len(batch) > 0)
	for len(batch) > 0 {
		n := l.fill(batch)
		if len(l.frames) > 0 {
			if err := l.node.transport.Send(l.peer, l.class, l.frames); err != nil {
				l.dropped(err)
				l.node.dropped(l.peer, len(batch)) // all that are left; some may have arrived
				break
			}
		}
		batch = batch[n:]
	}
	l.clear()
	for _, done := range waiting {
		close(done)
	}
	return false
}

// sent gives a channel that is closed when everything that is queued now has been sent, or dropped. Any goroutine.
func (l *link) sent() <-chan struct{} {
	done := make(chan struct{})
	l.mu.Lock()
	l.waiting = append(l.waiting, done)
	l.mu.Unlock()
	l.loop.notify()
	return done
}

// dropped tells the cores that what they sent is lost. A broken connection tells them too, through Disconnected; that there was none
// has to be told here.
func (l *link) dropped(err error) {
	if l.class == transport.Bulk && errors.Is(err, transport.ErrNotConnected) {
		l.node.unreachable(l.peer)
	}
}

// sendBytes bounds what one call of the transport is given.
const sendBytes = 8 << 20

// fill makes frames from the head of the batch and reports how many messages it used up.
func (l *link) fill(batch []outbound) (used int) {
	l.frames, l.bodies = l.frames[:0], l.bodies[:0]
	total, bytes, count, first := 0, 0, 0, 0
	head := l.head()
	seal := func() {
		if count > 0 {
			l.frames = append(l.frames, transport.Frame{Kind: transport.KindMessages, Head: head, Body: l.bodies[first:]})
			l.heads[len(l.frames)-1] = head
			total += bytes
		}
		bytes, count, first = 0, 0, len(l.bodies)
	}
	for used < len(batch) && total < sendBytes {
		o := &batch[used]
		used++
		if o.replica.failed() && o.message.Type != raft.MsgTransfer {
			continue
		}
		size, ok := 0, true
		if o.message.Type == raft.MsgAppend && o.message.Last != o.message.Prev {
			size, ok = l.resolve(o)
		}
		if !ok {
			continue
		}
		head = transport.AppendMessage(head, o.replica.opts.ID, &o.message, uint32(size))
		bytes, count = bytes+size, count+1
		if bytes >= frameBytes || count >= frameMessages {
			seal()
			head = l.head()
		}
	}
	seal()
	return used
}

// head is a buffer for the next frame's head, kept from turn to turn.
func (l *link) head() []byte {
	if len(l.frames) < len(l.heads) {
		return l.heads[len(l.frames)][:0]
	}
	l.heads = append(l.heads, nil)
	return nil
}

// resolve reads the entries that a message names, checked by both ends. It reports false, and the message is dropped, when they are not there any
// more: the node has been truncated or trimmed since. The core names about maxAppendBytes by estimates, which the slack covers; a message that is
// longer all the same is shortened, and what was left out counts as lost.
func (l *link) resolve(o *outbound) (size int, ok bool) {
	before, last := len(l.bodies), o.message.Last
	slack := int(o.replica.ledger.MaxRecordSize()) + maxAppendBytes
	bodies, got, size, err := o.replica.ledger.Records(o.message.Prev, last, maxAppendBytes+slack, l.bodies)
	if err != nil {
		l.bodies = bodies[:before]
		var corrupt *ledger.CorruptionError
		if errors.As(err, &corrupt) {
			l.unreadable(o.replica, corrupt, last.Index)
		} else {
			l.lost(o.replica)
		}
		return 0, false
	}
	if got != last {
		l.lost(o.replica)
	}
	l.bodies = bodies
	o.message.Last = got
	return size, true
}

// lost tells a leader's core that an append did not leave. A node that leads no more has nothing to be told: taking its own leader for
// unreachable would call an election.
func (l *link) lost(r *replica) {
	r.tell(func(r *replica) {
		if r.leading && !r.failed() {
			r.core.Unreachable(l.peer)
		}
	})
}

// unreadable tells a leader's core that the disk has lost an entry, at or below last, that the peer needs. Nothing but that entry is lost, so the replica
// goes on: others have the entry, and one of them is to lead, or the peer gets an image.
func (l *link) unreadable(r *replica, damage *ledger.CorruptionError, last raft.Index) {
	if damage.Index != 0 {
		last = damage.Index
	}
	r.tell(func(r *replica) {
		if !r.leading || r.failed() {
			return
		}
		if r.unreadable != last {
			r.unreadable = last
			r.log.Error("the disk has lost an entry that a peer needs; another node is asked to lead, or the peer gets an image", "peer", l.peer, "err", damage)
			if h := r.node.opts.Hooks.Damaged; h != nil {
				h(r.opts.ID, r.opts.Name, damage)
			}
		}
		image := r.opts.Factory != nil && r.images.newest().index >= last
		if r.opts.Factory != nil && !image {
			r.images.wanted.Store(true)
			r.node.applier.work.add(r)
		}
		r.core.Unreadable(l.peer, image)
	})
}

// clear forgets what the frames pointed to, so that the memory can go.
func (l *link) clear() {
	clear(l.frames)
	clear(l.bodies[:cap(l.bodies)])
	l.bodies = l.bodies[:0]
	clear(l.spare)
}
