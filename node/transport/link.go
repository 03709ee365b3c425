package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

// link is the way to one peer for one class. It is dialed again whenever it breaks, until it is stopped.
type link struct {
	t       *TCP
	key     linkKey
	address string
	// previous is the link that this one replaces; nothing is dialed before it has ended.
	previous *link
	ended    chan struct{}
	// dialNow ends a wait between two attempts.
	dialNow chan struct{}
	ctx     context.Context
	cancel  context.CancelCauseFunc
	// up is the connection, nil while there is none.
	up atomic.Pointer[outbound]

	mu sync.Mutex
	// conn is the connection that stop has to close, handshake or not. Guarded by mu.
	conn net.Conn
}

func (t *TCP) newLink(key linkKey, address string) *link {
	l := &link{
		t: t, key: key, address: address,
		ended:   make(chan struct{}),
		dialNow: make(chan struct{}, 1),
	}
	l.ctx, l.cancel = context.WithCancelCause(t.ctx)
	return l
}

// stop makes run return soon. It does not wait.
func (l *link) stop(cause error) {
	l.cancel(cause)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

// own makes conn the connection that stop closes. It fails when the link was stopped already.
func (l *link) own(conn net.Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = conn
	return context.Cause(l.ctx)
}

// kick ends the wait for the next attempt.
func (l *link) kick() {
	select {
	case l.dialNow <- struct{}{}:
	default:
	}
}

// run is the link's goroutine.
func (l *link) run() {
	defer l.t.goroutines.Done()
	defer l.t.retire(l)
	if l.previous != nil {
		<-l.previous.ended // it was stopped before this one was started
		l.previous = nil
	}
	wait := backoff{least: l.t.opts.RedialMin, most: l.t.opts.RedialMax}
	for l.ctx.Err() == nil {
		began := time.Now()
		if l.session(); time.Since(began) > l.t.opts.RedialMax {
			wait.reset()
		}
		timer := time.NewTimer(wait.delay())
		select {
		case <-timer.C:
		case <-l.dialNow:
			wait.reset()
		case <-l.ctx.Done():
		}
		timer.Stop()
	}
}

// retire lets go of a link that has ended.
func (t *TCP) retire(l *link) {
	l.cancel(nil)
	close(l.ended)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping[l.key] == l {
		delete(t.stopping, l.key)
	}
}

// session is one connection, from dialing until it breaks.
func (l *link) session() {
	t := l.t
	conn, err := l.dial()
	if err != nil {
		t.opts.Logger.Debug("dialing failed", "peer", l.key.peer, "class", l.key.class, "address", l.address, "err", err)
		return
	}
	defer conn.Close()
	defer l.own(nil)
	reader := wire.NewReader(conn, handshakeLimits)
	if err = l.own(conn); err == nil {
		hello := t.hello
		hello.To, hello.Class = l.key.peer, l.key.class
		err = greet(conn, reader, hello, t.handler, t.opts.HandshakeTimeout)
	}
	if err != nil {
		if !t.reportRefusal(err) {
			t.opts.Logger.Debug("handshake failed", "peer", l.key.peer, "class", l.key.class, "address", l.address, "err", err)
		}
		return
	}
	l.carry(newOutbound(conn, t.opts), reader)
}

// carry is the part of a session in which the link is up.
func (l *link) carry(o *outbound, reader *wire.Reader) {
	t := l.t
	l.up.Store(o)
	if !t.closed.Load() {
		t.handler.Connected(l.key.peer, l.key.class)
	}
	stopped, quit := make(chan struct{}), make(chan struct{})
	t.goroutines.Add(1)
	go func() {
		defer t.goroutines.Done()
		defer close(stopped)
		o.pingUntil(quit, t.opts.PingInterval)
	}()
	err := o.listen(reader)
	l.up.Store(nil)
	if cause := context.Cause(l.ctx); cause != nil {
		err = cause
	}
	err = o.fail(err)
	close(quit)
	<-stopped
	if !t.closed.Load() {
		t.handler.Disconnected(l.key.peer, l.key.class, err)
	}
}

func (l *link) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.t.opts.HandshakeTimeout)
	defer cancel()
	conn, err := l.t.opts.Dial(ctx, l.address)
	if err != nil {
		return nil, err
	}
	tune(conn)
	return conn, nil
}

// outbound is a connection on which a link is up.
type outbound struct {
	conn    net.Conn
	timeout time.Duration
	// unanswered: a ping is under way, and the read deadline stands.
	unanswered atomic.Bool
	breakOnce  sync.Once
	cause      error // why the connection broke; set by breakOnce

	mu     sync.Mutex
	writer *wire.Writer // guarded by mu
}

func newOutbound(conn net.Conn, opts TCPOptions) *outbound {
	return &outbound{conn: conn, timeout: opts.Timeout, writer: wire.NewWriter(conn, opts.Limits)}
}

// fail breaks the connection. The first cause is the one that counts; it is returned.
func (o *outbound) fail(err error) error {
	o.breakOnce.Do(func() {
		o.cause = err
		_ = o.conn.Close()
	})
	return o.cause
}

// send writes frames as one batch.
func (o *outbound) send(frames []Frame) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range frames {
		f := &frames[i]
		if err := checkKind(f.Kind); err != nil {
			o.writer.Discard()
			return err
		}
		if err := o.writer.Append(f.Kind, f.Kind != KindMessages, f.Head, f.Body...); err != nil {
			o.writer.Discard()
			return err
		}
	}
	return o.flush()
}

// checkKind refuses the kinds that are not the caller's to send.
func checkKind(kind uint8) error {
	if kind == 0 || kind > MaxKind {
		return &wire.FrameError{Part: wire.PartKind, Offset: -1, Expected: uint64(KindMessages), Found: uint64(kind)}
	}
	return nil
}

// flush writes what is staged. The caller holds mu.
func (o *outbound) flush() error {
	patience := o.timeout + time.Duration(o.writer.Staged())*time.Second/(1<<20)
	err := o.conn.SetWriteDeadline(time.Now().Add(patience))
	if err == nil {
		err = o.writer.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("transport: the peer took nothing for %v: %w", patience, err)
	}
	if err != nil {
		return o.fail(err)
	}
	return nil
}

// pingUntil sends pings until quit is closed or the connection breaks.
func (o *outbound) pingUntil(quit <-chan struct{}, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
		}
		// A batch that is being written has a deadline of its own.
		if o.unanswered.Load() || !o.mu.TryLock() {
			continue
		}
		err := o.ping()
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// ping sends a ping, which must be answered by the read deadline that it sets. The caller holds mu.
func (o *outbound) ping() error {
	o.unanswered.Store(true)
	if err := o.conn.SetReadDeadline(time.Now().Add(o.timeout)); err != nil {
		return o.fail(err)
	}
	if err := o.writer.Append(kindPing, true, nil); err != nil {
		return o.fail(err)
	}
	return o.flush()
}

// listen takes the answers to pings until the connection breaks, and says why it did.
func (o *outbound) listen(reader *wire.Reader) error {
	for {
		f, err := reader.Next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("transport: the peer answered nothing for %v: %w", o.timeout, err)
		}
		if err != nil {
			return fmt.Errorf("transport: the connection broke: %w", err)
		}
		if f.Kind != kindPong || len(f.Head)+len(f.Body) > 0 {
			return &wire.FrameError{Part: wire.PartKind, Offset: reader.Offset(), Expected: uint64(kindPong), Found: uint64(f.Kind)}
		}
		if o.unanswered.Load() {
			if err := o.conn.SetReadDeadline(time.Time{}); err != nil {
				return err
			}
			o.unanswered.Store(false)
		}
	}
}
