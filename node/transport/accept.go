package transport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/raft"
)

// inbound is a connection on which an admitted peer sends to us.
type inbound struct {
	key  linkKey
	conn net.Conn
	// cause, guarded by TCP.mu, is why we ended the connection, if we did; over says that we did.
	cause error
	over  atomic.Bool
	// ended is closed when the last frame was delivered and the handler was told of the end.
	ended chan struct{}
}

// acceptAll is the listener's goroutine. No error but the end of the transport ends it: a process that has run out of file
// descriptors gets some back.
func (t *TCP) acceptAll() {
	defer t.goroutines.Done()
	wait := backoff{least: 5 * time.Millisecond, most: time.Second}
	for {
		conn, err := t.listener.Accept()
		if t.ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil {
			delay := wait.delay()
			t.opts.Logger.Warn("accepting a peer's connection failed, trying again", "address", t.Addr(), "in", delay, "err", err)
			timer := time.NewTimer(delay)
			select {
			case <-timer.C:
			case <-t.ctx.Done():
			}
			timer.Stop()
			continue
		}
		wait.reset()
		t.take(conn)
	}
}

// take starts the goroutine of an accepted connection, or closes it when too many have not shown yet who they are.
func (t *TCP) take(conn net.Conn) {
	select {
	case t.handshakes <- struct{}{}:
	default:
		t.opts.Logger.Warn("too many handshakes at once, closing a connection", "from", conn.RemoteAddr(), "limit", t.opts.MaxHandshakes)
		_ = conn.Close()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		_ = conn.Close()
		return
	}
	t.accepted[conn] = struct{}{}
	t.goroutines.Add(1)
	go t.serve(conn)
}

// serve is the goroutine of an accepted connection.
func (t *TCP) serve(conn net.Conn) {
	defer t.goroutines.Done()
	defer t.forget(conn)
	tune(conn)
	patient := &patientReader{conn: conn}
	reader := wire.NewReader(patient, handshakeLimits)
	hello, err := receiveHello(conn, reader, t.hello, t.handler, t.opts.HandshakeTimeout)
	<-t.handshakes
	if err != nil {
		if !t.reportRefusal(err) {
			t.opts.Logger.Debug("a connection ended in the handshake", "from", conn.RemoteAddr(), "err", err)
		}
		return
	}
	patient.timeout = t.opts.Timeout + t.opts.PingInterval
	reader.SetLimits(t.opts.Limits)
	in := &inbound{key: linkKey{hello.Node, hello.Class}, conn: conn, ended: make(chan struct{})}
	defer close(in.ended)
	if previous := t.enter(in); previous != nil {
		<-previous.ended
	}
	err = t.receive(in, reader)
	err = t.leave(in, err)
	if !t.reportRefusal(err) && !t.closed.Load() {
		t.handler.Disconnected(in.key.peer, in.key.class, err)
	}
}

func (t *TCP) forget(conn net.Conn) {
	_ = conn.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.accepted, conn)
}

// enter makes in the connection of its peer and class, and returns the one whose place it takes, which it closes.
func (t *TCP) enter(in *inbound) *inbound {
	t.mu.Lock()
	defer t.mu.Unlock()
	previous := t.inbound[in.key]
	t.inbound[in.key] = in
	if previous != nil {
		previous.end(ErrReplaced)
	}
	return previous
}

// leave gives up a connection's place and says why it ended, as err or better.
func (t *TCP) leave(in *inbound, err error) error {
	_ = in.conn.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inbound[in.key] == in {
		delete(t.inbound, in.key)
	}
	if in.cause != nil {
		return in.cause
	}
	return err
}

// end closes the connection; the first cause is the one that counts. The caller holds TCP.mu.
func (in *inbound) end(cause error) {
	if in.cause == nil {
		in.cause = cause
	}
	in.over.Store(true)
	_ = in.conn.Close()
}

// Disconnect implements Transport.
func (t *TCP) Disconnect(peer raft.NodeID, c Class, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if in := t.inbound[linkKey{peer, c}]; in != nil {
		in.end(err)
	}
}

// receive welcomes a peer and delivers its frames until the connection breaks, and says why it did.
func (t *TCP) receive(in *inbound, reader *wire.Reader) error {
	welcome := t.hello
	welcome.To, welcome.Class = in.key.peer, in.key.class
	if err := writeFrame(in.conn, kindWelcome, appendHello(nil, welcome), time.Now().Add(t.opts.HandshakeTimeout)); err != nil {
		return err
	}
	t.kick(in.key)
	for {
		f, err := reader.Next()
		switch {
		case in.over.Load(): // what was read ahead is not delivered any more
			return net.ErrClosed
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("transport: the peer said nothing for %v: %w", t.opts.Timeout, err)
		case err != nil:
			return fmt.Errorf("transport: the connection broke: %w", err)
		case f.Kind == kindPing:
			if err := writeFrame(in.conn, kindPong, nil, time.Now().Add(t.opts.Timeout)); err != nil {
				return err
			}
		case f.Kind == kindRefuse:
			return &refusal{byPeer: true, peer: in.key.peer, reason: readReason(f.Head)}
		case f.Kind == 0 || f.Kind > MaxKind:
			return &wire.FrameError{Part: wire.PartKind, Offset: reader.Offset(), Expected: uint64(KindMessages), Found: uint64(f.Kind)}
		case f.Kind != KindMessages && !f.BodyChecked:
			return &wire.FrameError{Part: wire.PartFlags, Offset: reader.Offset(), Expected: 1, Found: 0}
		default:
			t.handler.Receive(in.key.peer, in.key.class, f.Kind, f.Head, f.Body)
		}
	}
}

// kick has the link to a peer dialed at once: the peer is there.
func (t *TCP) kick(key linkKey) {
	if l, ok := (*t.links.Load())[key]; ok && l.up.Load() == nil {
		l.kick()
	}
}

// patientReader reads from a connection, giving the peer a timeout for each read rather than for all of a frame: who sends
// slowly is not gone.
type patientReader struct {
	conn net.Conn
	// timeout is 0 during the handshake, which has one deadline for all of it.
	timeout time.Duration
	armed   time.Time
}

// Read moves the deadline on when a good part of it has gone by.
func (r *patientReader) Read(b []byte) (int, error) {
	if r.timeout == 0 {
		return r.conn.Read(b)
	}
	if now := time.Now(); now.Sub(r.armed) > r.timeout/4 {
		if err := r.conn.SetReadDeadline(now.Add(r.timeout)); err != nil {
			return 0, err
		}
		r.armed = now
	}
	return r.conn.Read(b)
}
