package transport_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/node/transport/transporttest"
	"github.com/ledgerkv/ledgerkv/raft"
)

// stranger is the other end of a connection to a node, played by hand.
type stranger struct {
	t *testing.T
	net.Conn
	reader *wire.Reader
}

func callNode(t *testing.T, n *transporttest.Node) *stranger {
	t.Helper()
	conn, err := net.Dial("tcp", n.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return &stranger{t: t, Conn: conn, reader: wire.NewReader(conn, wire.Limits{})}
}

// send writes a frame; the node may have hung up already.
func (s *stranger) send(kind uint8, checked bool, head, body []byte) {
	w := wire.NewWriter(s.Conn, wire.Limits{MaxHead: 1 << 30, MaxBody: 1 << 30})
	require.NoError(s.t, w.Append(kind, checked, head, body))
	_ = w.Flush()
}

// greet goes through the handshake as a node.
func (s *stranger) greet(b *transporttest.Bench, id, to raft.NodeID, c transport.Class) {
	s.t.Helper()
	h := b.Hello(id)
	h.To, h.Class = to, c
	s.send(transport.KindHello, true, transport.AppendHello(nil, h), nil)
	f, err := s.reader.Next()
	require.NoError(s.t, err)
	require.Equal(s.t, transport.KindWelcome, f.Kind, "%s", f.Head)
	welcome, err := transport.DecodeHello(f.Head)
	require.NoError(s.t, err)
	require.Equal(s.t, to, welcome.Node)
}

// expectEnd reads until the node hangs up.
func (s *stranger) expectEnd() {
	s.t.Helper()
	_, err := io.Copy(io.Discard, s.Conn)
	var timeout net.Error
	if err != nil {
		require.ErrorAs(s.t, err, &timeout)
		require.False(s.t, timeout.Timeout(), "the node did not hang up")
	}
}

// stillServes proves that a node takes peers.
func stillServes(b *transporttest.Bench, n *transporttest.Node, id raft.NodeID) {
	peer := b.Start(id, n.ID)
	b.AwaitLinks(peer, n.ID)
	require.NoError(b, peer.Send(n.ID, transport.Bulk, []transport.Frame{{Kind: 1, Head: []byte("x")}}))
	b.AwaitFrames(n, id, transport.Bulk, 1)
}

func TestRubbishInsteadOfAHello(t *testing.T) {
	t.Parallel()
	b := transporttest.NewBench(t, tcpFabric(nil)(t))
	n1 := b.Start("n1")
	for i, rubbish := range []string{
		"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"LW\x01\xf0\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		s := callNode(t, n1)
		_, err := s.Write([]byte(rubbish))
		require.NoError(t, err)
		s.expectEnd()
		b.Await("a report", func() bool { return len(n1.Refusals(raft.None)) > i })
	}
	s := callNode(t, n1)
	s.send(transport.KindMessages, true, []byte("no hello"), nil)
	f, err := s.reader.Next()
	require.NoError(t, err)
	require.Equal(t, transport.KindRefuse, f.Kind)
	require.Contains(t, string(f.Head), "expected kind 240, found 1")
	s.expectEnd()

	s = callNode(t, n1)
	s.send(transport.KindHello, true, []byte("short"), nil)
	f, err = s.reader.Next()
	require.NoError(t, err)
	require.Equal(t, transport.KindRefuse, f.Kind)
	require.Contains(t, string(f.Head), "bad hello")
	s.expectEnd()
	require.Empty(t, n1.Admissions())
	stillServes(b, n1, "n2")
}

func TestRubbishFromAnAdmittedPeer(t *testing.T) {
	t.Parallel()
	b := transporttest.NewBench(t, tcpFabric(func(o *transport.TCPOptions) { o.Limits = wire.Limits{MaxHead: 100, MaxBody: 100} })(t))
	n1 := b.Start("n1")
	cases := []struct {
		part    wire.Part
		kind    uint8
		checked bool
		head    int
		body    int
	}{
		{part: wire.PartHeadLength, kind: 1, checked: true, head: 101},
		{part: wire.PartBodyLength, kind: 1, checked: true, body: 101},
		{part: wire.PartKind, kind: 0, checked: true},
		{part: wire.PartKind, kind: 250, checked: true},
		{part: wire.PartKind, kind: transport.KindHello, checked: true},
		{part: wire.PartFlags, kind: transport.KindImage, checked: false, body: 10},
	}
	for i, c := range cases {
		s := callNode(t, n1)
		s.greet(b, "n2", "n1", transport.Bulk)
		s.send(c.kind, c.checked, make([]byte, c.head), make([]byte, c.body))
		s.expectEnd()
		b.Await("the break", func() bool { return len(n1.Breaks("n2", transport.Bulk)) == i+1 })
		var frame *wire.FrameError
		require.ErrorAs(t, n1.Breaks("n2", transport.Bulk)[i], &frame)
		require.Equal(t, c.part, frame.Part)
	}
	s := callNode(t, n1)
	s.greet(b, "n2", "n1", transport.Bulk)
	_, err := s.Write([]byte("this is no frame, is it?"))
	require.NoError(t, err)
	s.expectEnd()
	b.Await("the break", func() bool { return len(n1.Breaks("n2", transport.Bulk)) == len(cases)+1 })
	require.Zero(t, n1.Count())
	stillServes(b, n1, "n3")
}

// TestRubbishFromADialedPeer plays the node that is dialed.
func TestRubbishFromADialedPeer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	b := transporttest.NewBench(t, transporttest.Fabric{})
	tcp := newTCP(t, transport.TCPOptions{RedialMin: time.Millisecond, RedialMax: time.Millisecond})
	n1 := &transporttest.Node{Transport: tcp, Recorder: b.Recorder(), ID: "n1"}
	require.NoError(t, tcp.Start(b.Hello("n1"), n1.Recorder))
	tcp.SetPeers(map[raft.NodeID]string{"n2": listener.Addr().String()})

	// next takes the next call and returns it with the caller's hello.
	next := func() (*stranger, transport.Hello) {
		conn, err := listener.Accept()
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		s := &stranger{t: t, Conn: conn, reader: wire.NewReader(conn, wire.Limits{})}
		f, err := s.reader.Next()
		require.NoError(t, err)
		require.Equal(t, transport.KindHello, f.Kind)
		hello, err := transport.DecodeHello(f.Head)
		require.NoError(t, err)
		require.Equal(t, raft.NodeID("n2"), hello.To)
		return s, hello
	}
	welcome := func(id raft.NodeID, c transport.Class) []byte {
		h := b.Hello(id)
		h.To, h.Class = "n1", c
		return transport.AppendHello(nil, h)
	}

	s, _ := next()
	s.send(transport.KindPong, true, nil, nil)
	s.expectEnd()

	s, _ = next()
	s.send(transport.KindRefuse, true, []byte("go\naway\x00\xff"), nil)
	s.expectEnd()
	b.Await("the refusal", func() bool { return len(n1.Refusals("n2")) == 1 })
	require.Contains(t, n1.Refusals("n2")[0], "go away", "what comes from outside is made fit for a log")

	for _, answer := range []func(transport.Class) []byte{
		func(c transport.Class) []byte { return welcome("n3", c) },
		func(c transport.Class) []byte { return welcome("n2", c%3+1) },
		func(transport.Class) []byte { return []byte("short") },
	} {
		before := len(n1.Refusals("n2"))
		s, hello := next()
		s.send(transport.KindWelcome, true, answer(hello.Class), nil)
		f, err := s.reader.Next()
		require.NoError(t, err)
		require.Equal(t, transport.KindRefuse, f.Kind)
		s.expectEnd()
		b.Await("the refusal", func() bool { return len(n1.Refusals("n2")) == before+1 })
	}
	require.Empty(t, n1.Admissions())

	s, hello := next()
	s.send(transport.KindWelcome, true, welcome("n2", hello.Class), nil)
	s.send(transport.KindMessages, true, []byte("on the wrong connection"), nil)
	s.expectEnd()
	b.Await("the break", func() bool { return len(n1.Breaks("n2", hello.Class)) == 1 })
	var frame *wire.FrameError
	require.ErrorAs(t, n1.Breaks("n2", hello.Class)[0], &frame)
	require.Zero(t, n1.Count())
}

func TestASilentCallerIsHungUpOn(t *testing.T) {
	t.Parallel()
	b := transporttest.NewBench(t, tcpFabric(func(o *transport.TCPOptions) {
		o.HandshakeTimeout, o.Timeout, o.PingInterval, o.MaxHandshakes = 500*time.Millisecond, time.Second, 100*time.Millisecond, 1
	})(t))
	n1 := b.Start("n1")
	silent := callNode(t, n1)
	crowd := callNode(t, n1)
	crowd.expectEnd() // one handshake at a time
	silent.expectEnd()

	// One byte at a time does not make the handshake last longer.
	slow := callNode(t, n1)
	hung := make(chan struct{})
	go func() {
		defer close(hung)
		slow.expectEnd()
	}()
	for trickling := true; trickling; {
		select {
		case <-hung:
			trickling = false
		case <-time.After(20 * time.Millisecond):
			_, _ = slow.Write([]byte{'L'})
		}
	}

	// A peer that was admitted and then says nothing is hung up on too.
	mute := callNode(t, n1)
	mute.greet(b, "n2", "n1", transport.Bulk)
	mute.expectEnd()
	b.Await("the break", func() bool { return len(n1.Breaks("n2", transport.Bulk)) == 1 })

	// One that pings is not, and is answered.
	alive := callNode(t, n1)
	alive.greet(b, "n2", "n1", transport.Bulk)
	for range 5 {
		alive.send(transport.KindPing, true, nil, nil)
		f, err := alive.reader.Next()
		require.NoError(t, err)
		require.Equal(t, transport.KindPong, f.Kind)
	}
}

func TestANewerConnectionReplacesTheOlder(t *testing.T) {
	t.Parallel()
	b := transporttest.NewBench(t, tcpFabric(nil)(t))
	n1 := b.Start("n1")
	older := callNode(t, n1)
	older.greet(b, "n2", "n1", transport.Bulk)
	other := callNode(t, n1)
	other.greet(b, "n2", "n1", transport.Control)
	newer := callNode(t, n1)
	newer.greet(b, "n2", "n1", transport.Bulk)
	older.expectEnd()
	require.Len(t, n1.Breaks("n2", transport.Bulk), 1, "the break is told before the newer connection is welcome")
	require.ErrorIs(t, n1.Breaks("n2", transport.Bulk)[0], transport.ErrReplaced)
	newer.send(transport.KindMessages, true, []byte("newer"), nil)
	other.send(transport.KindMessages, true, []byte("other"), nil)
	b.AwaitFrames(n1, "n2", transport.Bulk, 1)
	b.AwaitFrames(n1, "n2", transport.Control, 1)

	// One that is not admitted replaces nobody.
	n1.OnAdmit(func(transport.Hello, bool) error { return io.ErrNoProgress })
	impostor := callNode(t, n1)
	h := b.Hello("n2")
	h.To, h.Class = "n1", transport.Bulk
	impostor.send(transport.KindHello, true, transport.AppendHello(nil, h), nil)
	impostor.expectEnd()
	newer.send(transport.KindMessages, true, []byte("still"), nil)
	b.AwaitFrames(n1, "n2", transport.Bulk, 2)
	require.Len(t, n1.Breaks("n2", transport.Bulk), 1)
}

func TestCloseEndsHandshakes(t *testing.T) {
	t.Parallel()
	b := transporttest.NewBench(t, tcpFabric(nil)(t))
	n1 := b.Start("n1")
	silent := callNode(t, n1)
	_, err := silent.Write([]byte("LW"))
	require.NoError(t, err)
	greeted := callNode(t, n1)
	greeted.greet(b, "n2", "n1", transport.Bulk)
	require.NoError(t, n1.Close())
	silent.expectEnd()
	greeted.expectEnd()
}
