package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/raft"
)

// TCPOptions are the settings of a TCP transport. Zero values mean the defaults.
type TCPOptions struct {
	// Address is where to listen, host:port. Port 0 takes a free one; Addr tells which.
	Address string
	// Listen and Dial make listeners and connections; the default is plain TCP. TLS goes here. Dial must return when its
	// context ends: Close waits for it.
	Listen func(address string) (net.Listener, error)
	Dial   func(ctx context.Context, address string) (net.Conn, error)
	// Limits bound a frame. They must be the same on all nodes. The defaults are those of package wire.
	Limits wire.Limits
	// HandshakeTimeout bounds dialing and each step of a handshake, the peer's disk included. Default 10 s.
	HandshakeTimeout time.Duration
	// Timeout is after how long a peer that takes nothing, or says nothing, counts as gone. A batch gets a second more for
	// each MiB. Default 5 s.
	Timeout time.Duration
	// PingInterval is the time between the pings that keep a link from being silent. Default 1 s; at most half of Timeout.
	PingInterval time.Duration
	// RedialMin and RedialMax bound the time between attempts to reach a peer. Defaults 20 ms and 1 s. A peer that
	// connects to us is dialed at once.
	RedialMin, RedialMax time.Duration
	// MaxHandshakes bounds the accepted connections that have not proven yet who they are. Default 64. More are closed.
	MaxHandshakes int
	// Logger is told of what concerns no peer in particular. Default: nothing is logged.
	Logger *slog.Logger
}

// keepAlive finds dead connections below ours; pings find dead peers.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}

func (o TCPOptions) withDefaults() TCPOptions {
	setDefault := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	setDefault(&o.HandshakeTimeout, 10*time.Second)
	setDefault(&o.Timeout, 5*time.Second)
	setDefault(&o.PingInterval, min(time.Second, o.Timeout/2))
	setDefault(&o.RedialMin, 20*time.Millisecond)
	setDefault(&o.RedialMax, max(time.Second, o.RedialMin))
	if o.MaxHandshakes == 0 {
		o.MaxHandshakes = 64
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Listen == nil {
		o.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	return o
}

// Validate reports every fault of the options at once.
func (o TCPOptions) Validate() error {
	var faults []error
	if o.Address == "" {
		faults = append(faults, errors.New("expected an Address of the form host:port, found none"))
	}
	d := o.withDefaults()
	if d.HandshakeTimeout < 0 || d.Timeout < 0 || d.PingInterval < 0 || d.RedialMin < 0 || d.MaxHandshakes < 0 {
		faults = append(faults, errors.New("expected no negative time or number"))
	}
	if d.PingInterval > d.Timeout/2 {
		faults = append(faults, fmt.Errorf("expected a PingInterval of at most half of Timeout (%v), found %v", d.Timeout, d.PingInterval))
	}
	if d.RedialMin > d.RedialMax {
		faults = append(faults, fmt.Errorf("expected a RedialMin of at most RedialMax (%v), found %v", d.RedialMax, d.RedialMin))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("transport: bad options: %w", errors.Join(faults...))
}

// linkKey names a link: a peer and what the connection is for.
type linkKey struct {
	peer  raft.NodeID
	class Class
}

// TCP is the Transport over TCP. Its goroutines are: one that accepts, one for each connection that came in, and for each peer
// and class one that dials and listens for the peer's answers, and one that pings while the link is up.
type TCP struct {
	opts     TCPOptions
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	// goroutines counts all of them. Add is called under mu with closed unset, or by a goroutine that is counted.
	goroutines sync.WaitGroup
	// links is replaced, never changed, so that Send takes no lock. Writers hold mu.
	links atomic.Pointer[map[linkKey]*link]
	// handshakes holds a token for each accepted connection that has not been admitted yet.
	handshakes chan struct{}

	// hello and handler are set by Start before any goroutine runs.
	hello   Hello
	handler Handler

	closed atomic.Bool // set under mu
	mu     sync.Mutex
	// guarded by mu:
	started bool
	peers   map[raft.NodeID]string
	// stopping holds links that were stopped and may not have ended yet.
	stopping map[linkKey]*link
	// accepted holds every connection that came in, inbound those that are admitted.
	accepted map[net.Conn]struct{}
	inbound  map[linkKey]*inbound
}

var _ Transport = (*TCP)(nil)

// NewTCP takes hold of the address, so that Addr is known and a port in use is found at once. Nobody is accepted before Start.
// Close gives the address back.
func NewTCP(opts TCPOptions) (*TCP, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	listener, err := opts.Listen(opts.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("transport: expected to listen on %s, found the port in use: stop the process that has it or choose another address: %w",
			opts.Address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("transport: expected to listen on %s: %w", opts.Address, err)
	}
	t := &TCP{
		opts:       opts,
		listener:   listener,
		handshakes: make(chan struct{}, opts.MaxHandshakes),
		stopping:   make(map[linkKey]*link),
		accepted:   make(map[net.Conn]struct{}),
		inbound:    make(map[linkKey]*inbound),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.links.Store(&map[linkKey]*link{})
	return t, nil
}

// Addr is the address that the listener has.
func (t *TCP) Addr() string { return t.listener.Addr().String() }

// Start implements Transport.
func (t *TCP) Start(hello Hello, handler Handler) error {
	hello, err := prepareHello(hello, handler)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return ErrClosed
	}
	if t.started {
		return errors.New("transport: expected one call of Start, found another")
	}
	t.started, t.hello, t.handler = true, hello, handler
	t.goroutines.Add(1)
	go t.acceptAll()
	t.dialPeers()
	return nil
}

// SetPeers implements Transport.
func (t *TCP) SetPeers(peers map[raft.NodeID]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.peers = make(map[raft.NodeID]string, len(peers))
	for id, address := range peers {
		t.peers[id] = address
	}
	if t.started && !t.closed.Load() {
		t.dialPeers()
	}
}

// dialPeers makes the links be those of t.peers. The caller holds mu.
func (t *TCP) dialPeers() {
	old := *t.links.Load()
	links := make(map[linkKey]*link, len(t.peers)*len(Classes))
	for id, address := range t.peers {
		if id == t.hello.Node {
			continue
		}
		for _, class := range Classes {
			key := linkKey{id, class}
			if l, ok := old[key]; ok && l.address == address {
				links[key] = l
				continue
			}
			links[key] = t.newLink(key, address)
		}
	}
	for key, l := range old {
		if links[key] != l {
			t.stopping[key] = l
			l.stop(ErrRemoved)
		}
	}
	t.links.Store(&links)
	for key, l := range links {
		if old[key] != l {
			l.previous = t.stopping[key]
			t.goroutines.Add(1)
			go l.run()
		}
	}
}

// Send implements Transport.
func (t *TCP) Send(to raft.NodeID, c Class, frames []Frame) error {
	if l, ok := (*t.links.Load())[linkKey{to, c}]; ok {
		if o := l.up.Load(); o != nil {
			return o.send(frames)
		}
	}
	if t.closed.Load() {
		return ErrClosed
	}
	return ErrNotConnected
}

// Close implements Transport. It may be called again.
func (t *TCP) Close() error {
	t.mu.Lock()
	first := !t.closed.Swap(true)
	var err error
	if first {
		t.cancel()
		err = t.listener.Close()
		for _, l := range *t.links.Load() {
			l.stop(ErrClosed)
		}
		for conn := range t.accepted {
			_ = conn.Close()
		}
	}
	t.mu.Unlock()
	t.goroutines.Wait()
	if err != nil {
		return fmt.Errorf("transport: closing the listener: %w", err)
	}
	return nil
}

// tune sets what is to be set on a TCP connection; others are left as they are.
func tune(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetNoDelay(true)
		_ = tcp.SetKeepAliveConfig(keepAlive)
	}
}

// reportRefusal tells the handler of a handshake that was ended on purpose, and reports whether it was.
func (t *TCP) reportRefusal(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	if !t.closed.Load() {
		t.handler.Refused(r.peer, r.Error())
	}
	return true
}
