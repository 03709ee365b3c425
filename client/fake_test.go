package client_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// patience is how long a test waits for what has to come. It is never waited for when all is well.
const patience = 20 * time.Second

// reply is what a fake node does with a request: answer, or not.
type reply func(ctx context.Context, call *rpc.Call) (any, error)

// fakeNode is a node that does what a script says.
type fakeNode struct {
	t       testing.TB
	id      string
	address string
	server  *rpc.Server
	served  chan struct{}

	mu     sync.Mutex
	script []reply // for the next requests; the last one goes on
	asked  []rpc.Verb
	conns  []net.Conn
}

// tap is a listener that lets a test cut connections.
type tap struct {
	net.Listener
	node *fakeNode
}

func (l tap) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.node.mu.Lock()
		l.node.conns = append(l.node.conns, c)
		l.node.mu.Unlock()
	}
	return c, err
}

func newNode(t testing.TB, id string, script ...reply) *fakeNode {
	t.Helper()
	n := &fakeNode{t: t, id: id, script: script}
	n.start("127.0.0.1:0")
	t.Cleanup(n.stop)
	return n
}

func (n *fakeNode) start(address string) {
	n.t.Helper()
	l, err := net.Listen("tcp", address)
	require.NoError(n.t, err)
	n.address = l.Addr().String()
	n.server = rpc.NewServer(rpc.ServerOptions{Cluster: "c", Node: n.id, Handler: n})
	served := make(chan struct{})
	n.served = served
	go func() {
		defer close(served)
		n.server.Serve(tap{l, n})
	}()
}

func (n *fakeNode) stop() {
	n.server.Close()
	<-n.served
}

// cut breaks all connections.
func (n *fakeNode) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.Close()
	}
	n.conns = nil
}

// do changes the script.
func (n *fakeNode) do(script ...reply) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.script = script
}

// count is the number of requests so far.
func (n *fakeNode) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.asked)
}

func (n *fakeNode) Handle(ctx context.Context, call *rpc.Call) (any, error) {
	n.mu.Lock()
	n.asked = append(n.asked, call.Verb)
	var r reply
	if len(n.script) > 0 {
		r = n.script[0]
	}
	if len(n.script) > 1 {
		n.script = n.script[1:]
	}
	n.mu.Unlock()
	if r == nil {
		return nil, &rpc.Error{Code: rpc.CodeUnavailable, Message: n.id + " has no script"}
	}
	return r(ctx, call)
}

// The replies.

func give(result any) reply {
	return func(context.Context, *rpc.Call) (any, error) { return result, nil }
}

func fail(e rpc.Error) reply { return func(context.Context, *rpc.Call) (any, error) { return nil, &e } }

func code(c rpc.Code) reply { return fail(rpc.Error{Code: c, Message: "scripted"}) }

// leads names a leader.
func leads(id, address string) reply {
	return fail(rpc.Error{Code: rpc.CodeNotLeader, Leader: id, Address: address})
}

// hang answers only when nobody wants it any more.
func hang(ctx context.Context, _ *rpc.Call) (any, error) {
	<-ctx.Done()
	return nil, &rpc.Error{Code: rpc.CodeUncertain}
}

// cutting breaks the connection instead of answering.
func (n *fakeNode) cutting(ctx context.Context, _ *rpc.Call) (any, error) {
	n.cut()
	<-ctx.Done()
	return nil, ctx.Err()
}

// newClient gives a client with short pauses.
func newClient(t testing.TB, change func(*client.Options), nodes ...*fakeNode) *client.Client {
	t.Helper()
	opts := client.Options{MinPause: time.Millisecond, MaxPause: 4 * time.Millisecond}
	for _, n := range nodes {
		opts.Endpoints = append(opts.Endpoints, n.address)
	}
	if change != nil {
		change(&opts)
	}
	c, err := client.Open(opts)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// deadPort gives an address at which nobody listens.
func deadPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

var (
	ctx   = context.Background()
	key   = []byte("k")
	value = []byte("v")
)

// memory is a small store behind a fake node, for examples.
type memory struct {
	mu       sync.Mutex
	revision uint64
	items    map[string]rpc.Item
}

func (m *memory) Handle(_ context.Context, call *rpc.Call) (any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch call.Verb {
	case rpc.VerbPut:
		var args rpc.PutArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		m.set(args.Key, args.Value)
		return &rpc.PutResult{Revision: m.revision}, nil
	case rpc.VerbGet:
		var args rpc.GetArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		item, found := m.items[string(args.Key)]
		return &rpc.GetResult{Found: found, Item: item, Revision: m.revision}, nil
	case rpc.VerbSwap:
		var args rpc.SwapArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		item, found := m.items[string(args.Key)]
		if item.Mod != args.Expected {
			return &rpc.SwapResult{Revision: m.revision, Found: found, Current: &item}, nil
		}
		m.set(args.Key, args.Value)
		return &rpc.SwapResult{Swapped: true, Revision: m.revision}, nil
	}
	return nil, &rpc.Error{Code: rpc.CodeUnsupported, Field: "verb", Problem: fmt.Sprint(call.Verb)}
}

func (m *memory) set(key, value []byte) {
	m.revision++
	old := m.items[string(key)]
	if old.Create == 0 {
		old.Create = m.revision
	}
	m.items[string(key)] = rpc.Item{Key: key, Value: value, Create: old.Create, Mod: m.revision, Version: old.Version + 1}
}

// serveMemory serves a small store on a port of this machine.
func serveMemory() (address string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := rpc.NewServer(rpc.ServerOptions{Cluster: "c", Node: "n1", Handler: &memory{items: map[string]rpc.Item{}}})
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(l)
	}()
	return l.Addr().String(), func() {
		s.Close()
		<-served
	}
}
