package rpc

import (
	"context"
	"fmt"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

const (
	// requestOverhead is what a request under way counts beside its frame, in bytes.
	requestOverhead = 4 << 10
	// ElementBytes is what each comparison and operation of a transaction counts beside its frame, in bytes: about what it takes once it is
	// decoded and given to the store.
	ElementBytes = 512
	// freeBodyBytes is the longest body of a request that may take its time to arrive; see ServerOptions.BodyTimeout.
	freeBodyBytes = 64 << 10
)

// read takes requests in until the connection ends.
func (c *serverConn) read() error {
	for {
		f, bodyBytes, err := c.reader.Head()
		if err != nil {
			return err
		}
		switch f.Kind {
		case kindRequest:
			err = c.request(f, bodyBytes)
		case kindCredit:
			var head creditHead
			if err = decode(f.Head, &head, requestShape); err == nil {
				c.credit(head)
				err = c.reader.Skip()
			}
		case kindCancel:
			var head cancelHead
			if err = decode(f.Head, &head, requestShape); err == nil {
				c.abandon(head.ID)
				err = c.reader.Skip()
			}
		default:
			err = &wire.FrameError{Part: wire.PartKind, Offset: c.reader.Offset(), Expected: uint64(kindRequest), Found: uint64(f.Kind)}
		}
		if err != nil {
			return err
		}
	}
}

// holding is what a request holds of the bounds in bytes while it is served.
type holding struct {
	conn *serverConn
	own  int // of the connection's budget
	port int // of the port's
}

func (h holding) release() {
	h.conn.inflight.give(h.own)
	h.conn.server.requests.give(h.port)
}

// add takes n bytes more, waiting for the connection's other requests. It gives an *Error when those of all connections take too much, and
// the reason when the connection has ended. REQUIRES: the connection's reading goroutine, the only one that takes, so that what is waited
// for will be given back.
func (h *holding) add(n int) (*Error, error) {
	own, ok := h.conn.inflight.take(min(n, h.conn.inflight.size-h.own), h.conn.ctx.Done(), nil)
	if !ok {
		return nil, context.Cause(h.conn.ctx)
	}
	h.own += own
	requests := &h.conn.server.requests
	port, ok := requests.try(n)
	if !ok {
		return &Error{Code: CodeBusy, Message: fmt.Sprintf("the requests under way of all clients of this node take %d MiB", requests.size>>20)}, nil
	}
	h.port += port
	return nil, nil
}

// request begins to serve a request, once the bytes in flight allow.
func (c *serverConn) request(f wire.Frame, bodyBytes int) error {
	var head requestHead
	if err := decode(f.Head, &head, requestShape); err != nil {
		return err
	}
	held := holding{conn: c}
	busy, err := held.add(bodyBytes + requestOverhead)
	switch {
	case err != nil:
	case busy != nil:
		err = c.reader.Skip()
	default:
		if err = c.body(&f, bodyBytes); err == nil && head.Verb == VerbTxn {
			busy, err = c.unfold(&held, f.Body)
		}
	}
	if busy == nil && err == nil {
		return c.begin(head, f.Body, held)
	}
	held.release()
	if err == nil {
		c.refuse(head.ID, busy)
	}
	return err
}

// unfold adds to what a transaction holds what it takes once it is decoded, before anything is allocated for that.
func (c *serverConn) unfold(held *holding, body []byte) (*Error, error) {
	listed, err := requestShape.count(body)
	if err != nil {
		return nil, nil // Decode will say so.
	}
	if decoded := len(body) + listed*ElementBytes; decoded > c.server.opts.MaxDecodedBytes {
		return &Error{Code: CodeTooLarge, Field: "transaction", Problem: fmt.Sprintf("expected a transaction that takes at most %d bytes in memory, found %d bytes with %d comparisons and operations, %d more for each",
			c.server.opts.MaxDecodedBytes, len(body), listed, ElementBytes)}, nil
	}
	return held.add(listed * ElementBytes)
}

// body reads a request's body. A long one has to arrive in time, since room is held for it.
func (c *serverConn) body(f *wire.Frame, bytes int) error {
	if bytes <= freeBodyBytes {
		return c.reader.Body(f)
	}
	c.hurry(time.Now().Add(c.server.opts.BodyTimeout + time.Duration(bytes>>20)*time.Second))
	defer c.hurry(time.Time{})
	return c.reader.Body(f)
}

// hurry sets a time by which what is read has to arrive, none for the zero time. A connection that is about to end has its own.
func (c *serverConn) hurry(by time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.draining {
		c.conn.SetReadDeadline(by)
	}
}

// begin serves a request on a goroutine of its own, which releases what it holds.
func (c *serverConn) begin(head requestHead, body []byte, held holding) error {
	call := newCall(c, head, body)
	refusal, err := c.admit(call)
	if err != nil || refusal != nil {
		call.cancel()
		held.release()
		if refusal != nil {
			c.refuse(call.id, refusal)
		}
		return err
	}
	if call.stream { // Streams stay; they are counted, and their requests are small.
		held.release()
		held = holding{conn: c}
	}
	go func() {
		defer c.handlers.Done()
		result, err := c.server.opts.Handler.Handle(call.ctx, call)
		c.retire(call)
		c.reply(call, result, err)
		held.release()
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
		return &Error{Code: CodeClosed, Message: "the node closes the connection"}, nil
	case call.stream && c.streams >= c.server.opts.MaxStreams:
		return &Error{Code: CodeBusy, Message: fmt.Sprintf("%d streams are open on this connection", c.streams)}, nil
	}
	c.calls[call.id] = call
	c.requests++
	if call.stream {
		c.streams++
	}
	c.handlers.Add(1)
	return nil, nil
}
