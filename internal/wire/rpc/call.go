package rpc

import (
	"context"
	"net"
	"sync"
	"time"
)

// Call is a request being served. Its methods belong to the goroutine that handles it.
type Call struct {
	// Verb says what is asked, Group of which group; it is empty where the verb has none.
	Verb  Verb
	Group string

	conn   *serverConn
	id     uint64
	body   []byte
	ctx    context.Context
	cancel context.CancelFunc
	stream bool

	mu     sync.Mutex
	credit uint64
	more   chan struct{} // holds one token when credit has come
}

func newCall(c *serverConn, head requestHead, body []byte) *Call {
	call := &Call{Verb: head.Verb, Group: head.Group, conn: c, id: head.ID, body: body, stream: head.Verb.Streams(),
		credit: uint64(head.Credit), more: make(chan struct{}, 1)}
	if head.Millis > 0 {
		call.ctx, call.cancel = context.WithTimeout(c.ctx, time.Duration(head.Millis)*time.Millisecond)
	} else {
		call.ctx, call.cancel = context.WithCancel(c.ctx)
	}
	return call
}

// Remote is the client's address.
func (c *Call) Remote() net.Addr { return c.conn.conn.RemoteAddr() }

// Decode fills args, a pointer to the verb's arguments, which then have their own memory. It fails with an *Error of
// CodeBadRequest, to be returned.
func (c *Call) Decode(args any) error {
	if err := decode(c.body, args, requestShape); err != nil {
		return BadRequest("arguments", "%v", err)
	}
	return nil
}

// Wanted reports whether the client wants a part of the answer to a verb with many now.
func (c *Call) Wanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credit > 0
}

// Await waits until the client wants a part. It fails with ctx's error.
func (c *Call) Await(ctx context.Context) error {
	for !c.Wanted() {
		select {
		case <-c.more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Send sends a part of the answer to a verb with many, waiting until the client wants it. part is encoded before Send returns.
// It fails with ctx's error, or with an *Error, to be returned, when the part is too long or too many answers wait.
func (c *Call) Send(ctx context.Context, part any) error {
	if err := c.Await(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.credit-- // Nobody else spends.
	c.mu.Unlock()
	return c.conn.send(answerHead{ID: c.id, More: true}, false, part)
}

func (c *Call) grant(parts uint32) {
	c.mu.Lock()
	c.credit += uint64(parts)
	c.mu.Unlock()
	select {
	case c.more <- struct{}{}:
	default:
	}
}
