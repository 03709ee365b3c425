package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// code gives the code of an answer that is an error.
func code(err error) rpc.Code {
	var e *rpc.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return rpc.CodeOK
}

func TestTransactionsCountWhatTheyBecome(t *testing.T) {
	var served atomic.Int32
	p := listen(t, rpc.ServerOptions{Handler: handlerFunc(func(context.Context, *rpc.Call) (any, error) {
		served.Add(1)
		return &rpc.TxnResult{}, nil
	})})
	c := p.dial(rpc.ConnOptions{})
	txn := func(n int) error {
		args := rpc.TxnArgs{Compares: make([]rpc.Compare, n), Success: make([]rpc.Op, n), Failure: make([]rpc.Op, n)}
		return c.Call(context.Background(), "g", rpc.VerbTxn, &args, &rpc.TxnResult{})
	}
	require.NoError(t, txn(1<<14), "as many as a transaction may have")
	require.Equal(t, rpc.CodeTooLarge, code(txn(1<<15)))
	require.Equal(t, int32(1), served.Load(), "it was refused before anybody decoded it")
	require.NoError(t, txn(1), "the connection goes on")
}

func TestRequestsOfAllConnectionsAreBounded(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g, MaxPortBytes: 256 << 10})
	first, second := p.dial(rpc.ConnOptions{}), p.dial(rpc.ConnOptions{})
	long, other := strings.Repeat("a", 160<<10), strings.Repeat("b", 160<<10)
	close(g.door(other))
	close(g.door("x"))
	done := make(chan error, 1)
	go func() {
		_, err := put(first, long)
		done <- err
	}()
	require.Equal(t, long, await(t, g.came))
	_, err := put(second, other)
	require.Equal(t, rpc.CodeBusy, code(err), "%v", err)
	_, err = put(second, "x")
	require.NoError(t, err, "there is room for this, and the connection is as it was")
	close(g.door(long))
	require.NoError(t, await(t, done))
	require.Eventually(t, func() bool { _, err := put(second, other); return err == nil }, patience, time.Millisecond)
	requirePortEmpty(t, p)
}

// requirePortEmpty waits until nothing is counted.
func requirePortEmpty(t *testing.T, p *port) {
	t.Helper()
	require.Eventually(t, func() bool {
		requests, answers := rpc.PortBytes(p.server)
		return requests == 0 && answers == 0
	}, patience, time.Millisecond)
}

// pipes is a listener whose connections hold nothing: what is written waits until it is read.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	stop  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), stop: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.stop:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.stop) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestAnswersOfAllConnectionsAreBounded(t *testing.T) {
	l := newPipes()
	p := serve(t, l, rpc.ServerOptions{MaxPortBytes: 1 << 20, Handler: handlerFunc(func(_ context.Context, call *rpc.Call) (any, error) {
		if call.Verb == rpc.VerbGet {
			return &rpc.GetResult{Found: true, Item: rpc.Item{Value: make([]byte, 400<<10)}}, nil
		}
		return &rpc.PutResult{}, nil
	})})
	slow, err := l.dial(t.Context(), "")
	require.NoError(t, err)
	defer slow.Close()
	w := wire.NewWriter(slow, wire.Limits{})
	require.NoError(t, w.Append(1, true, msgpackOf(t, []any{1, 1})))
	require.NoError(t, w.Flush())
	_, err = wire.NewReader(slow, wire.Limits{}).Next()
	require.NoError(t, err)
	for id := range 4 { // It asks and does not read.
		require.NoError(t, w.Append(3, true, msgpackOf(t, []any{id, 2, 0, "g", 0}), msgpackOf(t, []any{[]byte("k")})))
	}
	require.NoError(t, w.Flush())

	c := p.dial(rpc.ConnOptions{Dial: l.dial})
	get := func() error {
		return c.Call(context.Background(), "g", rpc.VerbGet, &rpc.GetArgs{}, &rpc.GetResult{})
	}
	require.Eventually(t, func() bool { return code(get()) == rpc.CodeBusy }, patience, time.Millisecond)
	_, err = put(c, "x")
	require.NoError(t, err, "what a write gave is always told")
	slow.Close()
	require.Eventually(t, func() bool { return get() == nil }, patience, time.Millisecond, "what nobody will read counts no more")
	requirePortEmpty(t, p)
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g, LingerTimeout: 10 * time.Millisecond})
	busy, idle, talking := p.dial(rpc.ConnOptions{}), p.dial(rpc.ConnOptions{}), p.dial(rpc.ConnOptions{})
	half := dialRaw(t, p.address)
	w := wire.NewWriter(half, wire.Limits{})
	require.NoError(t, w.Append(1, true, msgpackOf(t, []any{1, 1})))
	require.NoError(t, w.Flush())
	reader := wire.NewReader(half, wire.Limits{})
	_, err := reader.Next()
	require.NoError(t, err)
	_, err = half.Write([]byte("LW")) // a frame that goes no further
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := put(busy, "waits")
		done <- err
	}()
	require.Equal(t, "waits", await(t, g.came))
	close(g.door("x"))

	look := rpc.IdleLook(p.server)
	for i := range rpc.IdleLooks {
		require.True(t, idle.Usable(), "look %d", i)
		_, err := put(talking, "x")
		require.NoError(t, err)
		look()
	}
	await(t, idle.Done())
	bye, err := reader.Next()
	require.NoError(t, err)
	require.Equal(t, uint8(7), bye.Kind)
	_, err = reader.Next()
	require.Error(t, err, "who does not leave is hung up on")
	require.True(t, busy.Usable())
	close(g.door("waits"))
	require.NoError(t, await(t, done))
	_, err = put(talking, "x")
	require.NoError(t, err)
}

func TestLongBodiesHaveToArrive(t *testing.T) {
	p := listen(t, rpc.ServerOptions{BodyTimeout: 10 * time.Millisecond})
	conn := dialRaw(t, p.address)
	w := wire.NewWriter(conn, wire.Limits{})
	require.NoError(t, w.Append(1, true, msgpackOf(t, []any{1, 1})))
	require.NoError(t, w.Flush())
	var frame bytes.Buffer
	w = wire.NewWriter(&frame, wire.Limits{})
	require.NoError(t, w.Append(3, true, msgpackOf(t, []any{1, 1, 0, "g", 0}), make([]byte, 512<<10)))
	require.NoError(t, w.Flush())
	_, err := conn.Write(frame.Bytes()[:256<<10])
	require.NoError(t, err)
	reader := wire.NewReader(conn, wire.Limits{})
	_, err = reader.Next() // the welcome
	require.NoError(t, err)
	_, err = reader.Next()
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the node hung up, not the test")
	requirePortEmpty(t, p)
}

// linesWith is how many lines of a log have all of these words.
func linesWith(log *journal, words ...string) (n int) {
lines:
	for line := range strings.Lines(log.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		n++
	}
	return n
}

func TestRubbishIsWarnedOfOnce(t *testing.T) {
	var log journal
	p := listen(t, rpc.ServerOptions{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	for range 3 {
		conn := dialRaw(t, p.address)
		_, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		require.NoError(t, err)
		_, err = conn.Read(make([]byte, 1))
		require.Error(t, err)
	}
	require.Eventually(t, func() bool { return linesWith(&log, "not what clients send") == 3 }, patience, time.Millisecond)
	require.Equal(t, 1, linesWith(&log, "level=WARN", "not what clients send", "127.0.0.1"))
}

func TestConnectionsBeyondTheRefusedAreWarnedOf(t *testing.T) {
	var log journal
	p := listen(t, rpc.ServerOptions{MaxConns: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 2 {
		conn := dialRaw(t, p.address) // says nothing
		_, err := conn.Write([]byte("L"))
		require.NoError(t, err)
	}
	_, err := dialRaw(t, p.address).Read(make([]byte, 1))
	require.Error(t, err)
	require.Eventually(t, func() bool { return linesWith(&log, "level=WARN", "closed at once") == 1 }, patience, time.Millisecond)
}

func TestWarningsAreFew(t *testing.T) {
	due := rpc.WarningsDue()
	now := time.Unix(1000, 0)
	require.True(t, due("a", now))
	require.False(t, due("a", now.Add(59*time.Second)))
	require.True(t, due("b", now.Add(59*time.Second)))
	require.True(t, due("a", now.Add(time.Minute)))
	for i := range rpc.MaxWarned {
		due(fmt.Sprint(i), now.Add(time.Minute))
	}
	require.False(t, due("one more", now.Add(time.Minute)), "hosts are not remembered without bound")
	require.True(t, due("one more", now.Add(2*time.Minute)))
}

// TestAFrameWithoutABodyToReadIsPassedOver: what a refused request carries does not confuse what follows.
func TestAFrameWithoutABodyToReadIsPassedOver(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	conn := dialRaw(t, p.address)
	w := wire.NewWriter(conn, wire.Limits{})
	for _, f := range []wire.Frame{
		{Kind: 1, Head: msgpackOf(t, []any{1, 1})},
		{Kind: 6, Head: msgpackOf(t, []any{9}), Body: binary.BigEndian.AppendUint64(nil, 1)},
		{Kind: 3, Head: msgpackOf(t, []any{1, 6, 0, "g", 0}), Body: msgpackOf(t, []any{5})},
	} {
		require.NoError(t, w.Append(f.Kind, true, f.Head, f.Body))
	}
	require.NoError(t, w.Flush())
	r := wire.NewReader(conn, wire.Limits{})
	for _, kind := range []uint8{2, 4} {
		f, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, kind, f.Kind)
	}
}
