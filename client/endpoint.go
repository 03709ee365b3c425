package client

import (
	"context"
	"fmt"
	"sync"

	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// endpoint is a client port, with the connection to it.
type endpoint struct {
	client  *Client
	address string
	// number is its place in the client's endpoints.
	number retry.Endpoint

	mu sync.Mutex
	// conn is the connection in use, old are those that their nodes are about to close.
	conn *rpc.Conn
	old  []*rpc.Conn
	// dialing is the attempt to connect that is under way, for everybody who waits for it.
	dialing *dialing
	// node is the id of the node that was found here last.
	node   string
	closed bool
}

// dialing is an attempt to connect; conn and err are set when done is closed.
type dialing struct {
	done chan struct{}
	conn *rpc.Conn
	err  error
}

// connect gives a usable connection, making one if need be. Callers share an attempt; a ctx that is done ends the wait only.
func (e *endpoint) connect(ctx context.Context) (*rpc.Conn, error) {
	e.mu.Lock()
	if e.conn != nil && e.conn.Usable() {
		defer e.mu.Unlock()
		return e.conn, nil
	}
	if e.closed {
		e.mu.Unlock()
		return nil, ErrClosed
	}
	d := e.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		e.dialing = d
		e.client.loops.Add(1)
		go e.dial(d)
	}
	e.mu.Unlock()
	select {
	case <-d.done:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, fmt.Errorf("client: connecting to %s: %w", e.address, ctx.Err())
	}
}

func (e *endpoint) dial(d *dialing) {
	defer e.client.loops.Done()
	opts := e.client.opts
	d.conn, d.err = rpc.Dial(e.client.ctx, e.address, rpc.ConnOptions{Cluster: opts.Cluster, Agent: opts.Agent, Dial: opts.Dial,
		HelloTimeout: opts.DialTimeout})
	e.mu.Lock()
	e.dialing = nil
	switch {
	case d.err != nil:
	case e.closed:
		defer d.conn.Close()
		d.err = ErrClosed
	default:
		e.replace(d.conn)
	}
	e.mu.Unlock()
	close(d.done)
}

// replace puts a new connection in the place of one that is of no more use, which lives on until its last answer.
// REQUIRES: mu.
func (e *endpoint) replace(conn *rpc.Conn) {
	var live []*rpc.Conn
	for _, c := range append(e.old, e.conn) {
		if c == nil {
			continue
		}
		select {
		case <-c.Done():
		default:
			live = append(live, c)
		}
	}
	e.old, e.conn, e.node = live, conn, conn.Welcome().Node
}

// connected reports whether there is a usable connection.
func (e *endpoint) connected() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conn != nil && e.conn.Usable()
}

// isNode reports whether this is where a node was found.
func (e *endpoint) isNode(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.node == id
}

func (e *endpoint) close() {
	e.mu.Lock()
	e.closed = true
	conns := append(e.old, e.conn)
	e.old, e.conn = nil, nil
	e.mu.Unlock()
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}
