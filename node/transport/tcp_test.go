package transport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/node/transport/transporttest"
	"github.com/ledgerkv/ledgerkv/raft"
)

func newTCP(t *testing.T, opts transport.TCPOptions) *transport.TCP {
	t.Helper()
	if opts.Address == "" {
		opts.Address = "127.0.0.1:0"
	}
	tcp, err := transport.NewTCP(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tcp.Close()) })
	return tcp
}

func TestAPortInUseIsSaid(t *testing.T) {
	t.Parallel()
	first := newTCP(t, transport.TCPOptions{})
	_, err := transport.NewTCP(transport.TCPOptions{Address: first.Addr()})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, first.Addr())
	require.ErrorContains(t, err, "choose another address")
	require.NoError(t, first.Close())
	newTCP(t, transport.TCPOptions{Address: first.Addr()})
	_, err = transport.NewTCP(transport.TCPOptions{Address: "no such address"})
	require.ErrorContains(t, err, "no such address")
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := transport.NewTCP(transport.TCPOptions{
		HandshakeTimeout: -1, Timeout: time.Second, PingInterval: time.Second, RedialMin: 2 * time.Second, RedialMax: time.Second,
	})
	for _, fault := range []string{"Address", "negative", "PingInterval", "RedialMin"} {
		require.ErrorContains(t, err, fault, "every fault is named at once")
	}
}

// TestTLS runs the kit through the seam where TLS goes: connections that are no TCP connections.
func TestTLS(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"node"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	transporttest.Run(t, tcpFabric(func(o *transport.TCPOptions) {
		dial := o.Dial
		o.Listen = func(address string) (net.Listener, error) { return tls.Listen("tcp", address, server) }
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := dial(ctx, address)
			if err != nil {
				return nil, err
			}
			return tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "node"}), nil
		}
	}))
}

// TestAPeerThatConnectsIsDialedAtOnce, though the next attempt would be due in an hour.
func TestAPeerThatConnectsIsDialedAtOnce(t *testing.T) {
	t.Parallel()
	var failures atomic.Int32
	fabric := tcpFabric(func(o *transport.TCPOptions) {
		o.RedialMin, o.RedialMax = time.Hour, time.Hour
		dial := o.Dial
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := dial(ctx, address)
			if err != nil {
				failures.Add(1)
			}
			return conn, err
		}
	})(t)
	b := transporttest.NewBench(t, fabric)
	n1 := b.Start("n1", "n2")
	require.Eventually(t, func() bool { return failures.Load() == 3 }, 10*time.Second, time.Millisecond)
	n2 := b.Start("n2", "n1")
	b.AwaitLinks(n2, "n1")
	b.AwaitLinks(n1, "n2")
}

// flakyListener fails to accept a few times, as when a process has run out of file descriptors.
type flakyListener struct {
	net.Listener
	failures atomic.Int32
}

func (l *flakyListener) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

func TestTheListenerSurvivesErrors(t *testing.T) {
	t.Parallel()
	b := transporttest.NewBench(t, tcpFabric(func(o *transport.TCPOptions) {
		o.Listen = func(address string) (net.Listener, error) {
			l, err := net.Listen("tcp", address)
			flaky := &flakyListener{Listener: l}
			flaky.failures.Store(3)
			return flaky, err
		}
	})(t))
	b.Pair()
}

// proxy passes connections on, until it is told to hold everything back without closing anything.
type proxy struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	held     bool                  // guarded by mu
	thawed   *sync.Cond            // on mu
	conns    map[net.Conn]struct{} // guarded by mu
	running  sync.WaitGroup
}

func newProxy(t *testing.T, target string) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: listener, target: target, conns: make(map[net.Conn]struct{})}
	p.thawed = sync.NewCond(&p.mu)
	p.running.Go(p.acceptAll)
	t.Cleanup(func() {
		_ = listener.Close()
		p.hold(false)
		p.running.Wait()
	})
	return p
}

func (p *proxy) acceptAll() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.running.Go(func() { p.copy(in, out) })
		p.running.Go(func() { p.copy(out, in) })
	}
}

func (p *proxy) copy(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		for p.held {
			p.thawed.Wait()
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// hold holds everything back, ends of connections included, or lets it go again.
func (p *proxy) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
	p.thawed.Broadcast()
}

// TestHalfOpenConnections: when the network swallows everything without closing anything, both sides notice by themselves.
func TestHalfOpenConnections(t *testing.T) {
	t.Parallel()
	var through *proxy
	fabric := tcpFabric(func(o *transport.TCPOptions) {
		o.Timeout, o.PingInterval = time.Second, 100*time.Millisecond
		dial := o.Dial
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			if address == "n2" && through != nil {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", through.listener.Addr().String())
			}
			return dial(ctx, address)
		}
	})(t)
	b := transporttest.NewBench(t, fabric)
	n2 := b.Start("n2")
	through = newProxy(t, n2.Addr())
	n1 := b.Start("n1", "n2")
	b.AwaitLinks(n1, "n2")
	through.hold(true)
	timedOut := func(errs []error) bool {
		var timeout net.Error
		return len(errs) > 0 && errors.As(errs[len(errs)-1], &timeout) && timeout.Timeout()
	}
	for _, c := range transport.Classes {
		b.Await("both sides to notice", func() bool { return timedOut(n1.Breaks("n2", c)) && timedOut(n2.Breaks("n1", c)) })
	}
	through.hold(false)
	b.Await("a frame through", func() bool {
		return n1.Send("n2", transport.Bulk, []transport.Frame{{Kind: 1, Head: []byte("x")}}) == nil
	})
	b.Await("its arrival", func() bool { return n2.Count() > 0 })
}

// TestAPeerThatTakesNothing: Send gives up after the timeout, and the link is made again when the peer is back.
func TestAPeerThatTakesNothing(t *testing.T) {
	t.Parallel()
	b := transporttest.NewBench(t, tcpFabric(func(o *transport.TCPOptions) {
		o.Timeout, o.PingInterval = time.Second, 100*time.Millisecond
	})(t))
	n2 := b.Start("n2")
	release := make(chan struct{})
	n2.OnReceive(func(transporttest.Received) { <-release })
	n1 := b.Start("n1", "n2")
	b.AwaitLinks(n1, "n2")
	frames := []transport.Frame{{Kind: 1, Body: [][]byte{make([]byte, 1<<20)}}}
	var err error
	for err == nil {
		err = n1.Send("n2", transport.Bulk, frames)
	}
	var timeout net.Error
	if !errors.Is(err, transport.ErrNotConnected) { // it may have been the ping that noticed
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
	}
	b.Await("the break", func() bool { return len(n1.Breaks("n2", transport.Bulk)) > 0 })
	close(release)
	b.Await("a new link", func() bool {
		return n1.Send("n2", transport.Bulk, []transport.Frame{{Kind: 2, Head: []byte("back")}}) == nil
	})
	b.Await("a frame through it", func() bool {
		frames := n2.Frames("n1", transport.Bulk)
		return len(frames) > 0 && frames[len(frames)-1].Kind == 2
	})
}

// TestRealAddresses runs without a detour for addresses.
func TestRealAddresses(t *testing.T) {
	t.Parallel()
	b := transporttest.NewBench(t, transporttest.Fabric{})
	t1, t2 := newTCP(t, transport.TCPOptions{}), newTCP(t, transport.TCPOptions{})
	r1, r2 := b.Recorder(), b.Recorder()
	require.NoError(t, t1.Start(b.Hello("n1"), r1))
	require.NoError(t, t2.Start(b.Hello("n2"), r2))
	t1.SetPeers(map[raft.NodeID]string{"n2": t2.Addr()})
	t2.SetPeers(map[raft.NodeID]string{"n1": t1.Addr()})
	b.AwaitLinks(&transporttest.Node{Recorder: r1, ID: "n1"}, "n2")
	b.AwaitLinks(&transporttest.Node{Recorder: r2, ID: "n2"}, "n1")
}
