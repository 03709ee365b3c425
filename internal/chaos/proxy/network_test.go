package proxy_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/chaos/proxy"
)

// hello is the first frame of a connection, as far as a proxy looks at it (docs/format.md, "Handshake").
func hello(from string) []byte {
	head := append(make([]byte, 4*4+16+16+1), byte(len(from)))
	head = append(append(head, from...), "the rest"...)
	frame := make([]byte, 24)
	binary.LittleEndian.PutUint32(frame[8:], uint32(len(head)))
	return append(frame, head...)
}

// patience bounds the waits of a test; none is as long.
const patience = 30 * time.Second

// connect opens a connection from a to b through a network, and gives both ends.
func connect(t *testing.T, n *proxy.Network) (a, b net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	front, err := n.Front("b", listener.Addr().String())
	require.NoError(t, err)
	a, err = net.Dial("tcp", front)
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	_, err = a.Write(hello("a"))
	require.NoError(t, err)
	b, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	for _, c := range []net.Conn{a, b} {
		require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	}
	expect(t, b, hello("a"))
	return a, b
}

func network(t *testing.T) *proxy.Network {
	n := proxy.New()
	t.Cleanup(n.Close)
	return n
}

func expect(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "expected %q, found %q", want, got)
}

func send(t *testing.T, c net.Conn, b []byte) {
	t.Helper()
	_, err := c.Write(b)
	require.NoError(t, err)
}

func TestBytesGoBothWays(t *testing.T) {
	t.Parallel()
	n := network(t)
	a, b := connect(t, n)
	big := bytes.Repeat([]byte("0123456789"), 100_000)
	go send(t, a, big)
	expect(t, b, big)
	send(t, b, []byte("back"))
	expect(t, a, []byte("back"))
	require.Equal(t, int64(len(hello("a"))+len(big)), n.Link("a", "b").Carried())
	require.Equal(t, int64(4), n.Link("b", "a").Carried())
}

// TestCutOneWay: what is sent against a cut arrives when it is mended, and the other way is open all the time.
func TestCutOneWay(t *testing.T) {
	t.Parallel()
	n := network(t)
	a, b := connect(t, n)
	n.Link("a", "b").SetCut(true)
	send(t, a, []byte("held"))
	for range 10 { // each round trip of the proxy's goroutines is a chance for what is held to slip through
		send(t, b, []byte("open"))
		expect(t, a, []byte("open"))
	}
	require.Equal(t, int64(len(hello("a"))), n.Link("a", "b").Carried())
	n.Link("a", "b").SetCut(false)
	expect(t, b, []byte("held"))
}

// TestCutHidesADeath: a node that is cut off does not hear that its peer has closed a connection, until the cut is mended.
func TestCutHidesADeath(t *testing.T) {
	t.Parallel()
	n := network(t)
	a, b := connect(t, n)
	n.Link("b", "a").SetCut(true)
	send(t, b, []byte("last"))
	require.NoError(t, b.Close())
	require.NoError(t, a.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := a.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	n.Link("b", "a").SetCut(false)
	require.NoError(t, a.SetReadDeadline(time.Now().Add(patience)))
	expect(t, a, []byte("last"))
	_, err = a.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// TestCutHoldsNewConnections: a call against a cut is not refused, and not answered.
func TestCutHoldsNewConnections(t *testing.T) {
	t.Parallel()
	n := network(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	front, err := n.Front("b", listener.Addr().String())
	require.NoError(t, err)
	n.Link("a", "b").SetCut(true)
	a, err := net.Dial("tcp", front)
	require.NoError(t, err)
	defer a.Close()
	send(t, a, hello("a"))
	require.NoError(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = listener.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	n.Link("a", "b").SetCut(false)
	require.NoError(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	b, err := listener.Accept()
	require.NoError(t, err)
	defer b.Close()
	expect(t, b, hello("a"))
}

func TestReset(t *testing.T) {
	t.Parallel()
	n := network(t)
	a, b := connect(t, n)
	require.Zero(t, n.Link("a", "c").Reset())
	require.Equal(t, 1, n.Link("b", "a").Reset())
	for _, c := range []net.Conn{a, b} {
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
}

// TestNobodyThere: a call of a node that does not run is broken off.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	n := network(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	front, err := n.Front("b", listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	a, err := net.Dial("tcp", front)
	require.NoError(t, err)
	defer a.Close()
	send(t, a, hello("a"))
	_, err = a.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

// TestSlow: delayed and narrowed bytes arrive, in order, and not before their time.
func TestSlow(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]func(*proxy.Link){
		"delay": func(l *proxy.Link) { l.SetDelay(100*time.Millisecond, 50*time.Millisecond) },
		"rate":  func(l *proxy.Link) { l.SetRate(400_000) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := network(t)
			a, b := connect(t, n)
			slow(n.Link("a", "b"))
			some := bytes.Repeat([]byte("0123456789abcdef"), 4<<10) // 4 pieces at least; after the last one nothing waits for its turn
			begin := time.Now()
			go send(t, a, some)
			expect(t, b, some)
			require.GreaterOrEqual(t, time.Since(begin), 100*time.Millisecond)
		})
	}
}

// TestClose ends connections that wait for a cut to be mended.
func TestClose(t *testing.T) {
	t.Parallel()
	n := proxy.New()
	a, _ := connect(t, n)
	n.Link("a", "b").SetCut(true)
	send(t, a, []byte("held"))
	n.Close()
	_, err := a.Read(make([]byte, 1))
	require.Error(t, err)
}

// TestStranger: who does not say who it is gets nowhere.
func TestStranger(t *testing.T) {
	t.Parallel()
	n := network(t)
	front, err := n.Front("b", "127.0.0.1:1")
	require.NoError(t, err)
	a, err := net.Dial("tcp", front)
	require.NoError(t, err)
	defer a.Close()
	send(t, a, bytes.Repeat([]byte{0xff}, 24))
	_, err = a.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
}
