package rpc_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// patience is how long a test waits for what has to come. It is never waited for when all is well.
const patience = 20 * time.Second

// handlerFunc is a Handler that is one function.
type handlerFunc func(ctx context.Context, call *rpc.Call) (any, error)

func (f handlerFunc) Handle(ctx context.Context, call *rpc.Call) (any, error) { return f(ctx, call) }

// echo answers a put with the length of its value, and a get with its key.
func echo(_ context.Context, call *rpc.Call) (any, error) {
	switch call.Verb {
	case rpc.VerbPut:
		var args rpc.PutArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		return &rpc.PutResult{Revision: uint64(len(args.Value))}, nil
	case rpc.VerbGet:
		var args rpc.GetArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		return &rpc.GetResult{Found: true, Item: rpc.Item{Key: args.Key}}, nil
	case rpc.VerbCompact:
		return nil, nil
	}
	return nil, &rpc.Error{Code: rpc.CodeUnsupported, Field: "verb", Problem: call.Verb.String()}
}

// port is a server on a port of this machine.
type port struct {
	t       testing.TB
	server  *rpc.Server
	address string
	served  chan error
}

func listen(t testing.TB, opts rpc.ServerOptions) *port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serve(t, l, opts)
}

func serve(t testing.TB, l net.Listener, opts rpc.ServerOptions) *port {
	t.Helper()
	if opts.Handler == nil {
		opts.Handler = handlerFunc(echo)
	}
	opts.Cluster, opts.Node = "c", "n1"
	p := &port{t: t, server: rpc.NewServer(opts), address: l.Addr().String(), served: make(chan error, 1)}
	go func() { p.served <- p.server.Serve(l) }()
	t.Cleanup(func() { p.server.Close() })
	return p
}

func (p *port) dial(opts rpc.ConnOptions) *rpc.Conn {
	p.t.Helper()
	c, err := rpc.Dial(context.Background(), p.address, opts)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { c.Close() })
	return c
}

func put(c *rpc.Conn, value string) (uint64, error) {
	var r rpc.PutResult
	err := c.Call(context.Background(), "g", rpc.VerbPut, &rpc.PutArgs{Key: []byte("k"), Value: []byte(value)}, &r)
	return r.Revision, err
}

// await fails the test if a channel gives nothing.
func await[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// gate is a handler that notes who has come and lets go when told.
type gate struct {
	mu   sync.Mutex
	open map[string]chan struct{}
	came chan string
}

func newGate() *gate { return &gate{open: map[string]chan struct{}{}, came: make(chan string, 10_000)} }

func (g *gate) door(name string) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[name] == nil {
		g.open[name] = make(chan struct{})
	}
	return g.open[name]
}

// Handle waits at the door of the put's value.
func (g *gate) Handle(ctx context.Context, call *rpc.Call) (any, error) {
	var args rpc.PutArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	g.came <- string(args.Value)
	select {
	case <-g.door(string(args.Value)):
		return &rpc.PutResult{Revision: uint64(len(args.Value))}, nil
	case <-ctx.Done():
		g.came <- "gone: " + string(args.Value)
		return nil, ctx.Err()
	}
}
