package transport

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

const (
	// pipeFrames bounds what waits on a link of a Network.
	pipeFrames = 256
	// memoryTimeout is after how long a peer on a Network that takes nothing counts as gone.
	memoryTimeout = 2 * time.Second
)

// memory is a node's transport on a Network. Its goroutines are one for each link that it has to a peer, and one for each
// that a peer has to it, which delivers.
type memory struct {
	network    *Network
	id         raft.NodeID
	party      party // set by Start before any goroutine runs
	ctx        context.Context
	cancel     context.CancelFunc
	goroutines sync.WaitGroup // Add is called under mu with closed unset, or by a goroutine that is counted

	mu sync.Mutex
	// guarded by mu:
	started, closed bool
	peers           map[raft.NodeID]string
	links           map[linkKey]*memoryLink
	stopping        map[linkKey]*memoryLink
	inbound         map[linkKey]*pipe
}

var _ Transport = (*memory)(nil)

func newMemory(n *Network, id raft.NodeID) *memory {
	m := &memory{
		network: n, id: id,
		links:    make(map[linkKey]*memoryLink),
		stopping: make(map[linkKey]*memoryLink),
		inbound:  make(map[linkKey]*pipe),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

func (m *memory) Addr() string { return memoryAddress(m.id) }

func (m *memory) Start(hello Hello, handler Handler) error {
	hello, err := prepareHello(hello, handler)
	if err != nil {
		return err
	}
	if hello.Node != m.id {
		return fmt.Errorf("%w: expected node %s, found %s", ErrHello, m.id, hello.Node)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if m.started {
		return fmt.Errorf("transport: expected one call of Start, found another")
	}
	m.party = party{hello, handler}
	if !m.network.enter(m) {
		return fmt.Errorf("transport: expected no node %s on the network, found one", m.id)
	}
	m.started = true
	m.dialPeers()
	return nil
}

func (m *memory) SetPeers(peers map[raft.NodeID]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peers = make(map[raft.NodeID]string, len(peers))
	for id, address := range peers {
		m.peers[id] = address
	}
	if m.started && !m.closed {
		m.dialPeers()
	}
}

// dialPeers makes the links be those of m.peers. The caller holds mu.
func (m *memory) dialPeers() {
	for key, l := range m.links {
		if m.peers[key.peer] != l.address {
			delete(m.links, key)
			m.stopping[key] = l
			l.cancel(ErrRemoved)
		}
	}
	for id, address := range m.peers {
		for _, class := range Classes {
			key := linkKey{id, class}
			if id == m.id || m.links[key] != nil {
				continue
			}
			l := &memoryLink{owner: m, key: key, address: address, previous: m.stopping[key], ended: make(chan struct{})}
			l.ctx, l.cancel = context.WithCancelCause(m.ctx)
			m.links[key] = l
			m.goroutines.Add(1)
			go l.run()
		}
	}
}

func (m *memory) Send(to raft.NodeID, c Class, frames []Frame) error {
	m.mu.Lock()
	l, closed := m.links[linkKey{to, c}], m.closed
	m.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if l != nil {
		if p := l.up.Load(); p != nil {
			return p.send(frames)
		}
	}
	return ErrNotConnected
}

func (m *memory) Disconnect(peer raft.NodeID, c Class, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.inbound[linkKey{peer, c}]; p != nil {
		p.fail(err)
	}
}

func (m *memory) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.network.leave(m)
	m.goroutines.Wait()
	return nil
}

// hold keeps Close waiting until release, so that the handler may be called. It fails when the transport was closed.
func (m *memory) hold() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.goroutines.Add(1)
	return true
}

func (m *memory) release() { m.goroutines.Done() }

// tell calls fn with the handler unless the transport was closed.
func (m *memory) tell(fn func(Handler)) {
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if !closed {
		fn(m.party.handler)
	}
}

// accept takes in a pipe of a peer that was admitted and starts to deliver from it. The caller holds m.
func (m *memory) accept(p *pipe) {
	key := linkKey{p.from.id, p.class}
	m.mu.Lock()
	previous := m.inbound[key]
	m.inbound[key] = p
	m.mu.Unlock()
	if previous != nil {
		previous.fail(ErrReplaced)
	}
	m.goroutines.Add(1)
	go func() {
		defer m.goroutines.Done()
		defer close(p.ended)
		if previous != nil {
			<-previous.ended
		}
		p.deliver()
		m.mu.Lock()
		if m.inbound[key] == p {
			delete(m.inbound, key)
		}
		m.mu.Unlock()
		m.tell(func(h Handler) { h.Disconnected(key.peer, key.class, p.cause) })
	}()
}

// memoryLink is the way to one peer for one class.
type memoryLink struct {
	owner    *memory
	key      linkKey
	address  string
	previous *memoryLink // the link that this one replaces
	ended    chan struct{}
	ctx      context.Context
	cancel   context.CancelCauseFunc
	up       atomic.Pointer[pipe]
}

// run is the link's goroutine.
func (l *memoryLink) run() {
	defer l.owner.goroutines.Done()
	defer l.retire()
	if l.previous != nil {
		<-l.previous.ended
		l.previous = nil
	}
	wait := backoff{least: time.Millisecond, most: 50 * time.Millisecond}
	for l.ctx.Err() == nil {
		to, changed := l.owner.network.reach(l.owner.id, l.address)
		if to == nil {
			select {
			case <-changed:
			case <-l.ctx.Done():
			}
			continue
		}
		if l.session(to) {
			wait.reset()
			continue
		}
		timer := time.NewTimer(wait.delay())
		select {
		case <-timer.C:
		case <-changed:
		case <-l.ctx.Done():
		}
		timer.Stop()
	}
}

func (l *memoryLink) retire() {
	l.cancel(nil)
	close(l.ended)
	m := l.owner
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping[l.key] == l {
		delete(m.stopping, l.key)
	}
}

// session is one connection, from the handshake until it breaks. It returns false when there was none.
func (l *memoryLink) session(to *memory) bool {
	m := l.owner
	if !to.hold() {
		return false
	}
	if !introduce(m.party, to.party, l.key) {
		to.release()
		return false
	}
	p := &pipe{
		from: m, to: to, class: l.key.class,
		queue: make(chan parcel, pipeFrames), broken: make(chan struct{}), ended: make(chan struct{}),
	}
	m.network.add(p)
	defer m.network.remove(p)
	to.accept(p)
	to.release()
	l.up.Store(p)
	m.tell(func(h Handler) { h.Connected(l.key.peer, l.key.class) })
	select {
	case <-p.broken:
	case <-to.ctx.Done():
		p.fail(fmt.Errorf("transport: %s is gone", to.id))
	case <-l.ctx.Done():
		p.fail(context.Cause(l.ctx))
	}
	l.up.Store(nil)
	m.tell(func(h Handler) { h.Disconnected(l.key.peer, l.key.class, p.cause) })
	return true
}

// pipe is a link that is up.
type pipe struct {
	from, to *memory
	class    Class
	sending  sync.Mutex // held while a batch is put on the queue
	queue    chan parcel
	once     sync.Once
	cause    error         // why it broke; set before broken is closed
	broken   chan struct{} // closed when it broke
	ended    chan struct{} // closed when the last frame was delivered and the handler was told
}

func (p *pipe) fail(err error) {
	p.once.Do(func() {
		p.cause = err
		close(p.broken)
	})
}

// send copies frames onto the queue.
func (p *pipe) send(frames []Frame) error {
	parcels, _, err := packAll(frames)
	if err != nil {
		return err
	}
	p.sending.Lock()
	defer p.sending.Unlock()
	timer := time.NewTimer(memoryTimeout)
	defer timer.Stop()
	for _, parcel := range parcels {
		if p.from.network.loses(p.from.id, p.to.id, false) {
			continue
		}
		select {
		case p.queue <- parcel:
		case <-p.broken:
			return p.cause
		case <-timer.C:
			p.fail(errStalled)
			return errStalled
		}
	}
	return nil
}

// deliver hands frames to the receiver until the pipe breaks.
func (p *pipe) deliver() {
	for {
		select {
		case <-p.broken:
			return
		default:
		}
		select {
		case <-p.broken:
			return
		case parcel := <-p.queue:
			if !p.from.network.loses(p.from.id, p.to.id, true) {
				p.to.party.handler.Receive(p.from.id, p.class, parcel.kind, parcel.head, parcel.body)
			}
		}
	}
}
