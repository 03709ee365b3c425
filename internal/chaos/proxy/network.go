package proxy

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
)

// Network is the fronts of some nodes and the links between them. Its methods may be called from any goroutine.
type Network struct {
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu        sync.Mutex
	links     map[[2]string]*Link
	listeners []net.Listener
}

// New makes a network without nodes.
func New() *Network {
	n := &Network{links: map[[2]string]*Link{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Close ends all fronts and connections, and waits until they have.
func (n *Network) Close() {
	n.cancel()
	n.mu.Lock()
	for _, l := range n.listeners {
		l.Close() // what is accepted ends by ctx
	}
	n.mu.Unlock()
	n.wait.Wait()
}

// Front opens a front before a node that listens at backend, and gives its address.
func (n *Network) Front(node, backend string) (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("proxy: the front of %s: %w", node, err)
	}
	n.mu.Lock()
	n.listeners = append(n.listeners, listener)
	n.mu.Unlock()
	n.wait.Add(1)
	go func() {
		defer n.wait.Done()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			n.wait.Add(1)
			go func() {
				defer n.wait.Done()
				n.serve(conn.(*net.TCPConn), node, backend)
			}()
		}
	}()
	return listener.Addr().String(), nil
}

// Link gives the link that carries what from sends to to.
func (n *Network) Link(from, to string) *Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := [2]string{from, to}
	l := n.links[key]
	if l == nil {
		l = newLink()
		n.links[key] = l
	}
	return l
}

// serve carries one connection until it ends.
func (n *Network) serve(caller *net.TCPConn, node, backend string) {
	ctx, cancel := context.WithCancel(n.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { reset(caller) })
	defer stop()
	hello, from, err := readHello(caller)
	if err != nil {
		reset(caller)
		return
	}
	there, back := n.Link(from, node), n.Link(node, from)
	if there.await(ctx) != nil {
		return
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", backend)
	if err != nil {
		if back.await(ctx) == nil {
			reset(caller)
		}
		return
	}
	called := conn.(*net.TCPConn)
	stopCalled := context.AfterFunc(ctx, func() { reset(called) })
	defer stopCalled()
	carry(ctx, caller, called, hello, there, back)
}

// carry moves bytes in both directions until both have ended.
func carry(ctx context.Context, caller, called *net.TCPConn, first []byte, there, back *Link) {
	both := &pair{caller, called}
	there.join(both)
	back.join(both)
	defer there.leave(both)
	defer back.leave(both)
	var wait sync.WaitGroup
	wait.Add(2)
	go func() {
		defer wait.Done()
		there.pump(ctx, caller, called, first)
	}()
	go func() {
		defer wait.Done()
		back.pump(ctx, called, caller, nil)
	}()
	wait.Wait()
	both.reset() // both directions are over; what is left is to be given back
}

// reset closes a connection so that the other side sees it break.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only for a connection that is closed already
	_ = c.Close()
}

// pair is the two connections of which the proxy makes one.
type pair struct{ caller, called *net.TCPConn }

func (p *pair) reset() {
	reset(p.caller)
	reset(p.called)
}

// The frame of a hello, as docs/format.md draws it: the header's length, where the length of the head stands in it, and where in the head
// the caller's name begins with its length.
const (
	headerBytes   = 24
	headLengthAt  = 8
	helloNameAt   = 4*4 + 16 + 16 + 1
	maxHelloBytes = 4 << 10
)

// readHello reads the first frame of a connection and gives its bytes and the name of the caller.
func readHello(r io.Reader) (frame []byte, from string, err error) {
	frame = make([]byte, headerBytes)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, "", err
	}
	head := binary.LittleEndian.Uint32(frame[headLengthAt:])
	if head <= helloNameAt || head > maxHelloBytes {
		return nil, "", fmt.Errorf("proxy: expected a hello, found a frame with a head of %d bytes", head)
	}
	frame = append(frame, make([]byte, head)...)
	if _, err := io.ReadFull(r, frame[headerBytes:]); err != nil {
		return nil, "", err
	}
	name := frame[headerBytes+helloNameAt:]
	if len(name) < 1+int(name[0]) {
		return nil, "", fmt.Errorf("proxy: expected a hello, found a name that runs past the end")
	}
	return frame, string(name[1 : 1+name[0]]), nil
}
