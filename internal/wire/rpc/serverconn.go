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

// requestOverhead is what a request under way counts beside its frame, in bytes.
const requestOverhead = 4 << 10

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
	draining bool
	ready    bool // the outbox runs
	failure  error
}

func newServerConn(s *Server, conn net.Conn) *serverConn {
	c := &serverConn{server: s, conn: conn, inflight: newBudget(s.opts.MaxInflightBytes), calls: map[uint64]*Call{}}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.reader = wire.NewReader(conn, helloLimits)
	c.out = newOutbox(conn, frameLimits(s.opts.MaxFrame), s.opts.MaxQueueBytes, s.opts.WriteTimeout, c.ctx.Done())
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
		c.server.opts.Log.Warn("a client was refused", "address", c.conn.RemoteAddr(), "agent", h.Agent, "reason", w.Refused)
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

// read takes requests in until the connection ends.
func (c *serverConn) read() error {
	for {
		f, err := c.reader.Next()
		if err != nil {
			return err
		}
		switch f.Kind {
		case kindRequest:
			err = c.request(f)
		case kindCredit:
			var head creditHead
			if err = decode(f.Head, &head, requestShape); err == nil {
				c.credit(head)
			}
		case kindCancel:
			var head cancelHead
			if err = decode(f.Head, &head, requestShape); err == nil {
				c.abandon(head.ID)
			}
		default:
			err = &wire.FrameError{Part: wire.PartKind, Offset: c.reader.Offset(), Expected: uint64(kindRequest), Found: uint64(f.Kind)}
		}
		if err != nil {
			return err
		}
	}
}

// request begins to serve a request, once the bytes in flight allow.
func (c *serverConn) request(f wire.Frame) error {
	var head requestHead
	if err := decode(f.Head, &head, requestShape); err != nil {
		return err
	}
	took, ok := c.inflight.take(len(f.Body)+requestOverhead, c.ctx.Done(), nil)
	if !ok {
		return context.Cause(c.ctx)
	}
	call := newCall(c, head, f.Body)
	refusal, err := c.admit(call)
	if err != nil || refusal != nil {
		call.cancel()
		if refusal != nil {
			c.reply(call, nil, refusal)
		}
		c.inflight.give(took)
		return err
	}
	if call.stream { // Streams stay; they are counted, and their requests are small.
		c.inflight.give(took)
		took = 0
	}
	go func() {
		defer c.handlers.Done()
		result, err := c.server.opts.Handler.Handle(call.ctx, call)
		c.retire(call)
		c.reply(call, result, err)
		c.inflight.give(took)
	}()
	return nil
}

// admit notes a call, or says why it is refused.
func (c *serverConn) admit(call *Call) (*Error, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.calls[call.id] != nil:
		return nil, fmt.Errorf("%w: request %d is under way already", ErrMalformed, call.id)
	case c.draining:
		return &Error{Code: CodeClosed, Message: "the node is closing"}, nil
	case call.stream && c.streams >= c.server.opts.MaxStreams:
		return &Error{Code: CodeBusy, Message: fmt.Sprintf("%d streams are open on this connection", c.streams)}, nil
	}
	c.calls[call.id] = call
	if call.stream {
		c.streams++
	}
	c.handlers.Add(1)
	return nil, nil
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

// reply sends a call's answer. An answer that can't be sent becomes an error; after a write that does not mean that nothing was done.
func (c *serverConn) reply(call *Call, result any, err error) {
	if err == nil {
		if call.stream || result == nil {
			result = Empty{}
		}
		if err = c.answer(call.id, CodeOK, false, result); err == nil {
			return
		}
		if call.Verb.Writes() {
			err = &Error{Code: CodeUncertain, Message: "the request was carried out, but its answer could not be sent: " + err.Error()}
		}
	}
	e := asError(err)
	if len(e.Message) > maxMessageBytes {
		shorter := *e
		shorter.Message = e.Message[:maxMessageBytes]
		e = &shorter
	}
	c.answer(call.id, e.Code, false, e) // It fits; when the connection is gone there is nobody to tell.
}

// maxMessageBytes bounds the text of an error on the wire.
const maxMessageBytes = 4 << 10

// answer queues an answer, waiting for room in the outbox: a client that reads nothing is disconnected by then.
func (c *serverConn) answer(id uint64, code Code, more bool, result any) error {
	head, err := encode(&answerHead{ID: id, Code: code, More: more})
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
	if !c.out.put(outgoing{kind: kindAnswer, head: head, body: body}, nil) {
		return context.Cause(c.ctx)
	}
	return nil
}
