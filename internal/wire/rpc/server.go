package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

// Handler serves requests.
type Handler interface {
	// Handle serves one request and gives its result: a value of the verb's result type, or an error, best an *Error. It is
	// called on a goroutine of its own and returns soon after ctx is done: the client's time has passed, or it has gone. The
	// error of ctx, returned, means that nothing was done; a write whose fate is unknown ends with CodeUncertain. A verb
	// with many answers sends them with call.Send, and its result is not sent.
	Handle(ctx context.Context, call *Call) (result any, err error)
}

// ServerOptions are the settings of a Server. Zero values mean the defaults.
type ServerOptions struct {
	// Cluster and Node are what clients are told; clients of another cluster are refused.
	Cluster string
	Node    string
	// Handler is required.
	Handler Handler
	// Log gets what happens to connections; by default nothing is logged.
	Log *slog.Logger
	// MaxConns bounds the connections. Default 1,024; more are refused with a reason, and twice as many without one.
	MaxConns int
	// MaxPortBytes bounds the requests of all connections that are being served, and in the same way the answers of all connections that
	// wait to be written: requests past it, and reads whose answer would be past it, are answered CodeBusy. Default 256 MiB.
	MaxPortBytes int
	// MaxInflightBytes bounds the requests of a connection that are being served; past it nothing more is read from the
	// connection. Default 48 MiB. A request counts its frame, a transaction ElementBytes for each comparison and operation besides.
	MaxInflightBytes int
	// MaxDecodedBytes bounds what one transaction counts; more is answered CodeTooLarge. Default 48 MiB, which any transaction that the
	// store takes keeps to.
	MaxDecodedBytes int
	// MaxQueueBytes bounds the answers of a connection that wait to be written. Default 32 MiB.
	MaxQueueBytes int
	// MaxStreams bounds the verbs with many answers under way on a connection; more are answered CodeBusy. Default 64.
	MaxStreams int
	// MaxFrame bounds a request's or an answer's body, in bytes. Default DefaultMaxFrame.
	MaxFrame int
	// HelloTimeout bounds the time a new connection has to introduce itself. Default 5 s.
	HelloTimeout time.Duration
	// BodyTimeout bounds the time that a request's body of more than 64 KiB may take to arrive, and a second more for each MiB. Default 10 s.
	BodyTimeout time.Duration
	// IdleTimeout is about how long a connection without a request under way may stay. Default 10 min; then it is closed as by Shutdown,
	// and the client connects again when it has something to ask.
	IdleTimeout time.Duration
	// LingerTimeout bounds the time that a client has to close its connection after a Shutdown's last answer. Default 2 s.
	LingerTimeout time.Duration
	// WriteTimeout: a client that takes nothing for so long is disconnected. Default 20 s.
	WriteTimeout time.Duration
}

func (o ServerOptions) withDefaults() ServerOptions {
	orDefault(&o.MaxConns, 1024)
	orDefault(&o.MaxPortBytes, 256<<20)
	orDefault(&o.MaxInflightBytes, 48<<20)
	orDefault(&o.MaxDecodedBytes, 48<<20)
	orDefault(&o.MaxQueueBytes, 32<<20)
	orDefault(&o.MaxStreams, 64)
	orDefault(&o.MaxFrame, DefaultMaxFrame)
	orDefault(&o.HelloTimeout, 5*time.Second)
	orDefault(&o.BodyTimeout, 10*time.Second)
	orDefault(&o.IdleTimeout, 10*time.Minute)
	orDefault(&o.LingerTimeout, 2*time.Second)
	orDefault(&o.WriteTimeout, 20*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server serves the client port of a node. All methods are safe for concurrent use.
type Server struct {
	opts ServerOptions
	wg   sync.WaitGroup
	stop chan struct{}
	// requests and answers are the bytes of all connections: requests being served, answers that wait to be written.
	requests gauge
	answers  gauge
	warned   warnings

	mu        sync.Mutex
	listeners map[net.Listener]bool
	conns     map[*serverConn]bool
	stopping  bool
	watching  bool // closeIdle runs
}

// NewServer makes a server. REQUIRES: opts.Handler is set.
func NewServer(opts ServerOptions) *Server {
	if opts.Handler == nil {
		panic("rpc: NewServer without a Handler")
	}
	s := &Server{opts: opts.withDefaults(), stop: make(chan struct{}), listeners: map[net.Listener]bool{}, conns: map[*serverConn]bool{}}
	s.requests.size, s.answers.size = int64(s.opts.MaxPortBytes), int64(s.opts.MaxPortBytes)
	return s
}

// Serve takes connections from a listener, which it closes in the end, until Shutdown or Close. It returns ErrClosed then, or
// why the listener failed.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.listening(l, true) {
		return ErrClosed
	}
	defer s.listening(l, false)
	const firstWait, longestWait = 5 * time.Millisecond, time.Second
	wait := firstWait
	for {
		conn, err := l.Accept()
		if err == nil {
			wait = firstWait
			s.take(conn)
			continue
		}
		select {
		case <-s.stop:
			return ErrClosed
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("rpc: taking connections at %s: %w", l.Addr(), err)
		}
		// Out of file descriptors, say: it passes.
		s.opts.Log.Warn("taking a connection failed; trying again", "address", l.Addr(), "err", err, "wait", wait)
		select {
		case <-time.After(wait):
			wait = min(2*wait, longestWait)
		case <-s.stop:
			return ErrClosed
		}
	}
}

// listening notes a listener, or forgets it. It gives false when the server is stopping.
func (s *Server) listening(l net.Listener, on bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !on {
		delete(s.listeners, l)
		return true
	}
	if s.stopping {
		return false
	}
	s.listeners[l] = true
	if !s.watching {
		s.watching = true
		s.wg.Go(s.closeIdle)
	}
	return true
}

// take serves a connection on goroutines of its own.
func (s *Server) take(conn net.Conn) {
	c := newServerConn(s, conn)
	stand, ok := s.enrol(c)
	if !ok {
		if stand > 0 {
			s.warn(conn, "a connection was closed at once: there are twice as many as are allowed", "connections", stand, "allowed", s.opts.MaxConns)
		}
		conn.Close()
		return
	}
	go func() {
		defer s.wg.Done()
		s.ended(conn, c.serve())
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}()
}

// enrol notes a connection. It gives false when it can't be served: the server is stopping, or too many stand, even to be refused with a
// reason. stand is how many do then.
func (s *Server) enrol(c *serverConn) (stand int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return 0, false
	}
	if len(s.conns) >= 2*s.opts.MaxConns {
		return len(s.conns), false
	}
	c.surplus = len(s.conns) >= s.opts.MaxConns
	s.conns[c] = true
	s.wg.Add(1)
	return len(s.conns), true
}

// ended logs how a connection ended: loudly where it was no client that spoke, or one that is faulty.
func (s *Server) ended(conn net.Conn, err error) {
	var frame *wire.FrameError
	if errors.As(err, &frame) || errors.Is(err, ErrMalformed) {
		s.warn(conn, "what came on the client port is not what clients send", "err", err)
		return
	}
	s.opts.Log.Debug("a client's connection ended", "address", conn.RemoteAddr(), "err", err)
}

// begin stops listening and gives the connections that stand.
func (s *Server) begin() []*serverConn {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stop)
	}
	for l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	return s.standing()
}

// standing gives the connections that stand.
func (s *Server) standing() []*serverConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var conns []*serverConn
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

// Shutdown closes gracefully: it listens no more, tells clients to go elsewhere, refuses new requests, ends streams, lets the
// requests under way finish, and waits for the clients to close their connections. When ctx is done before that it closes at once, and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.begin() {
		c.drain()
	}
	finished := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		s.Close()
		<-finished
		return ctx.Err()
	}
}

// Close closes at once: the contexts of requests under way are cancelled, and their answers do not leave. It returns when
// every Handle has returned.
func (s *Server) Close() error {
	for _, c := range s.begin() {
		c.fail(ErrClosed)
	}
	s.wg.Wait()
	return nil
}
