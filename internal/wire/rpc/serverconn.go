package rpc

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

// serverConn is a client's connection, as the node sees it.
type serverConn struct {
	server *Server
	conn   net.Conn
	reader *wire.Reader
	out    *outbox
	// inflight bounds the requests being served.
	inflight *budget
	ctx      context.Context
	cancel   context.CancelCauseFunc
	handlers sync.WaitGroup
	// surplus: there are too many connections; this one is refused.
	surplus bool

	mu       sync.Mutex
	calls    map[uint64]*Call
	streams  int
	requests uint64 // admitted since the connection began
	draining bool
	ready    bool // the outbox runs
	failure  error
}

func newServerConn(s *Server, conn net.Conn) *serverConn {
	c := &serverConn{server: s, conn: conn, inflight: newBudget(s.opts.MaxInflightBytes), calls: map[uint64]*Call{}}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.reader = wire.NewReader(conn, helloLimits)
	c.out = newOutbox(conn, frameLimits(s.opts.MaxFrame), s.opts.MaxQueueBytes, s.opts.WriteTimeout, c.ctx.Done())
	c.out.port = &s.answers
	return c
}

// serve runs the connection to its end.
func (c *serverConn) serve() error {
	defer c.fail(ErrClosed)
	if err := during(c.conn, c.server.opts.HelloTimeout, c.meet); err != nil {
		return err
	}
	c.reader.SetLimits(frameLimits(c.server.opts.MaxFrame))
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		c.fail(c.out.run())
	}()
	c.started()
	c.fail(c.read())
	c.handlers.Wait()
	<-writing
	return c.reason()
}

func (c *serverConn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// started lets drain know that there is an outbox to finish.
func (c *serverConn) started() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = true
	if c.draining {
		c.leave()
	}
}

// meet answers the client's hello.
func (c *serverConn) meet() error {
	var h hello
	if err := readFirst(c.reader, kindHello, &h); err != nil {
		return err
	}
	w := answerHello(h, c.server.opts.Cluster, c.server.opts.Node)
	if w.Refused == "" && c.surplus {
		w.Refused = fmt.Sprintf("this node has its %d connections: try another one, or later", c.server.opts.MaxConns)
	}
	if err := writeFirst(wire.NewWriter(c.conn, helloLimits), kindWelcome, w); err != nil {
		return err
	}
	if w.Refused != "" {
		c.server.warn(c.conn, "a client was refused", "agent", h.Agent, "reason", w.Refused)
		return &RefusedError{Address: c.conn.RemoteAddr().String(), Reason: w.Refused}
	}
	return nil
}

// fail ends the connection at once, for the first reason given.
func (c *serverConn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		if c.failure = err; err == nil {
			c.failure = io.EOF
		}
		c.cancel(c.failure)
		c.conn.Close()
	}
}

// drain begins to close gracefully.
func (c *serverConn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return
	}
	c.draining = true
	if c.ready {
		c.leave()
	} else {
		c.conn.SetDeadline(time.Now())
	}
}

// leave says goodbye and ends streams. The client closes the connection once it has its answers: if this side did, what the
// client sent meanwhile would make the kernel throw away answers on their way. A client that does not close has a while.
// REQUIRES: mu.
func (c *serverConn) leave() {
	c.out.push(outgoing{kind: kindBye})
	for _, call := range c.calls {
		if call.stream {
			call.cancel()
		}
	}
	go func() { // It ends with the requests under way, for which serve waits as well.
		c.handlers.Wait()
		c.conn.SetReadDeadline(time.Now().Add(c.server.opts.LingerTimeout))
	}()
}

func (c *serverConn) retire(call *Call) {
	call.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, call.id)
	if call.stream {
		c.streams--
	}
}

func (c *serverConn) find(id uint64) *Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

func (c *serverConn) credit(head creditHead) {
	if call := c.find(head.ID); call != nil {
		call.grant(head.Parts)
	}
}

func (c *serverConn) abandon(id uint64) {
	if call := c.find(id); call != nil {
		call.cancel()
	}
}

// reply sends a call's answer. An answer that can't be sent becomes an error; after a write that does not mean that nothing was done, so
// that a write's answer is sent even where the answers that wait are too many.
func (c *serverConn) reply(call *Call, result any, err error) {
	if err == nil {
		if call.stream || result == nil {
			result = Empty{}
		}
		if err = c.answer(call.id, CodeOK, call.Verb.Writes(), result); err == nil {
			return
		}
		if call.Verb.Writes() {
			err = &Error{Code: CodeUncertain, Message: "the request was carried out, but its answer could not be sent: " + err.Error()}
		}
	}
	c.refuse(call.id, asError(err))
}

// refuse answers a request with an error. It fits; when the connection is gone there is nobody to tell.
func (c *serverConn) refuse(id uint64, e *Error) {
	if len(e.Message) > maxMessageBytes {
		shorter := *e
		shorter.Message = e.Message[:maxMessageBytes]
		e = &shorter
	}
	_ = c.answer(id, e.Code, true, e)
}

// maxMessageBytes bounds the text of an error on the wire.
const maxMessageBytes = 4 << 10

// answer queues the last answer to a request; see send.
func (c *serverConn) answer(id uint64, code Code, always bool, result any) error {
	return c.send(answerHead{ID: id, Code: code}, always, result)
}

// send queues an answer or a part of one, waiting for room in the outbox: a client that reads nothing is disconnected by then. When the
// answers of all connections that wait take too much it fails with CodeBusy, unless it is to be sent always.
func (c *serverConn) send(h answerHead, always bool, result any) error {
	head, err := encode(&h)
	if err != nil {
		return err
	}
	body, err := encode(result)
	if err != nil {
		return err
	}
	if err := c.out.limits.Check(uint64(len(head)), uint64(len(body))); err != nil {
		return &Error{Code: CodeTooLarge, Field: "answer", Problem: fmt.Sprintf("%v: ask for less at once", err)}
	}
	f := outgoing{kind: kindAnswer, head: head, body: body}
	if !c.out.reserve(&f, always) {
		return &Error{Code: CodeBusy, Message: fmt.Sprintf("the answers that wait to be sent to all clients of this node take %d MiB", c.server.answers.size>>20)}
	}
	if !c.out.put(f, nil) {
		return context.Cause(c.ctx)
	}
	return nil
}
