package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

func TestACallIsAnswered(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	c := p.dial(rpc.ConnOptions{Cluster: "c", Agent: "test"})
	require.Equal(t, rpc.Welcome{Protocol: rpc.Protocol, Cluster: "c", Node: "n1"}, c.Welcome())
	require.Equal(t, p.address, c.Address())
	require.True(t, c.Usable())
	n, err := put(c, "value")
	require.NoError(t, err)
	require.Equal(t, uint64(5), n)
	require.NoError(t, c.Call(context.Background(), "g", rpc.VerbCompact, &rpc.CompactArgs{}, &rpc.Empty{}))
}

func TestStrangersAreRefused(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	_, err := rpc.Dial(context.Background(), p.address, rpc.ConnOptions{Cluster: "other"})
	var refused *rpc.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Reason, `cluster "c"`)
	require.Contains(t, refused.Reason, `cluster "other"`)
	require.Equal(t, p.address, refused.Address)
	require.Equal(t, 1, strings.Count(err.Error(), "rpc:"), "%v", err)
	_, err = rpc.Dial(context.Background(), "127.0.0.1:1", rpc.ConnOptions{})
	require.Equal(t, 1, strings.Count((&rpc.CallError{Err: err}).Error(), "rpc:"), "%v", err)
	c := p.dial(rpc.ConnOptions{})
	_, err = put(c, "a client that names no cluster is welcome")
	require.NoError(t, err)
}

func TestConnectionsAreBounded(t *testing.T) {
	p := listen(t, rpc.ServerOptions{MaxConns: 2})
	first, _ := p.dial(rpc.ConnOptions{}), p.dial(rpc.ConnOptions{})
	_, err := rpc.Dial(context.Background(), p.address, rpc.ConnOptions{})
	var refused *rpc.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Reason, "2 connections")
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool {
		c, err := rpc.Dial(context.Background(), p.address, rpc.ConnOptions{})
		if err == nil {
			c.Close()
		}
		return err == nil
	}, patience, time.Millisecond)
}

func TestAnswersComeInAnyOrder(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g})
	c := p.dial(rpc.ConnOptions{})
	const calls = 100
	answers := make(chan string, calls)
	for i := range calls {
		go func() {
			name := fmt.Sprintf("%03d", i)
			if _, err := put(c, name); err != nil {
				name = err.Error()
			}
			answers <- name
		}()
	}
	for range calls {
		await(t, g.came)
	}
	for i := calls - 1; i >= 0; i-- {
		name := fmt.Sprintf("%03d", i)
		close(g.door(name))
		require.Equal(t, name, await(t, answers), "nobody waits for those who came earlier")
	}
}

func TestManyAtOnce(t *testing.T) {
	p := listen(t, rpc.ServerOptions{MaxInflightBytes: 64 << 10, MaxQueueBytes: 64 << 10})
	c := p.dial(rpc.ConnOptions{MaxQueueBytes: 64 << 10})
	var wg sync.WaitGroup
	failed := make(chan error, 64)
	for w := range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 50 {
				value := strings.Repeat("x", w*37+i)
				n, err := put(c, value)
				if err != nil || n != uint64(len(value)) {
					failed <- fmt.Errorf("%d bytes were answered by %d: %w", len(value), n, err)
					return
				}
			}
		}()
	}
	wg.Wait()
	close(failed)
	require.NoError(t, <-failed)
}

func TestErrorsTravel(t *testing.T) {
	full := &rpc.Error{Code: rpc.CodeCompacted, Message: "m", Leader: "n2", Address: "h:1", First: 1, Position: 2, Asked: 3, Bound: 4,
		Field: "f", Problem: "p"}
	give := make(chan error, 1)
	p := listen(t, rpc.ServerOptions{Handler: handlerFunc(func(context.Context, *rpc.Call) (any, error) { return nil, <-give })})
	c := p.dial(rpc.ConnOptions{})
	for _, test := range []struct {
		give error
		want *rpc.Error
	}{
		{full, full},
		{fmt.Errorf("wrapped: %w", full), full},
		{errors.New("plain"), &rpc.Error{Code: rpc.CodeFailed, Message: "plain"}},
		{context.DeadlineExceeded, &rpc.Error{Code: rpc.CodeTimeout, Message: "context deadline exceeded"}},
		{context.Canceled, &rpc.Error{Code: rpc.CodeTimeout, Message: "context canceled"}},
		{errors.New(strings.Repeat("x", 1<<20)), &rpc.Error{Code: rpc.CodeFailed, Message: strings.Repeat("x", 4<<10)}},
		{rpc.BadRequest("key", "found %d", 1), &rpc.Error{Code: rpc.CodeBadRequest, Field: "key", Problem: "found 1"}},
	} {
		give <- test.give
		_, err := put(c, "")
		var got *rpc.Error
		require.ErrorAs(t, err, &got)
		require.Equal(t, test.want, got)
		require.False(t, rpc.IsSent(err), "the node's answer is no doubt")
	}
	require.Equal(t, "the node answered: bad request: key: found 1", rpc.BadRequest("key", "found 1").Error())
	require.Equal(t, "the node answered: busy", (&rpc.Error{Code: rpc.CodeBusy}).Error())
	require.Equal(t, "the node answered: busy: why", (&rpc.Error{Code: rpc.CodeBusy, Message: "why"}).Error())
}

func TestTheDeadlineTravels(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g})
	c := p.dial(rpc.ConnOptions{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err := c.Call(ctx, "g", rpc.VerbPut, &rpc.PutArgs{Value: []byte("late")}, &rpc.PutResult{})
	if rpc.IsSent(err) {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	} else {
		var answer *rpc.Error // The node was faster to notice.
		require.ErrorAs(t, err, &answer)
		require.Equal(t, rpc.CodeTimeout, answer.Code)
	}
	require.Equal(t, "late", await(t, g.came))
	require.Equal(t, "gone: late", await(t, g.came))
	close(g.door("next"))
	_, err = put(c, "next")
	require.NoError(t, err, "the connection goes on")
}

func TestCancellingReachesTheNode(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g})
	c := p.dial(rpc.ConnOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() { failed <- c.Call(ctx, "g", rpc.VerbPut, &rpc.PutArgs{Value: []byte("x")}, &rpc.PutResult{}) }()
	await(t, g.came)
	cancel()
	err := await(t, failed)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, rpc.IsSent(err))
	require.Contains(t, err.Error(), "was sent, but no answer came")
	require.Equal(t, "gone: x", await(t, g.came))
}

// stuck is a connection whose writes wait.
type stuck struct {
	net.Conn
	mu      sync.Mutex
	writes  int
	blocked chan struct{} // nil: not yet
	release chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.writes++
	first := s.writes == 2 // the one after the hello
	s.mu.Unlock()
	if first {
		close(s.blocked)
		<-s.release
	}
	return s.Conn.Write(b)
}

func TestARequestThatDidNotLeaveWasNotSent(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	s := &stuck{blocked: make(chan struct{}), release: make(chan struct{})}
	c := p.dial(rpc.ConnOptions{Dial: func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		s.Conn = conn
		return s, err
	}})
	first := make(chan error, 1)
	go func() {
		_, err := put(c, "first")
		first <- err
	}()
	await(t, s.blocked)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	err := c.Call(ctx, "g", rpc.VerbPut, &rpc.PutArgs{Value: []byte("second")}, &rpc.PutResult{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, rpc.IsSent(err))
	require.Contains(t, err.Error(), "was not sent")
	close(s.release)
	require.NoError(t, await(t, first))
	done, cancel := context.WithCancel(context.Background())
	cancel()
	err = c.Call(done, "g", rpc.VerbPut, &rpc.PutArgs{}, &rpc.PutResult{})
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, rpc.IsSent(err))
}

func TestAConnectionThatBreaksLeavesDoubt(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g})
	c := p.dial(rpc.ConnOptions{})
	failed := make(chan error, 1)
	go func() {
		_, err := put(c, "x")
		failed <- err
	}()
	await(t, g.came)
	require.NoError(t, p.server.Close())
	require.True(t, rpc.IsSent(await(t, failed)))
	await(t, c.Done())
	require.False(t, c.Usable())
	_, err := put(c, "y")
	require.Error(t, err)
	require.False(t, rpc.IsSent(err))
	require.ErrorIs(t, await(t, p.served), rpc.ErrClosed)
}

func TestClosingTheClientsEnd(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g})
	c := p.dial(rpc.ConnOptions{})
	failed := make(chan error, 1)
	go func() {
		_, err := put(c, "x")
		failed <- err
	}()
	await(t, g.came)
	require.NoError(t, c.Close())
	err := await(t, failed)
	require.ErrorIs(t, err, rpc.ErrClosed)
	require.True(t, rpc.IsSent(err))
	require.Equal(t, "gone: x", await(t, g.came))
}

// What is being served is bounded in bytes: past it the node reads no more.
func TestRequestsInFlightAreBounded(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g, MaxInflightBytes: 64 << 10})
	c := p.dial(rpc.ConnOptions{})
	done := make(chan error, 50)
	for range 50 {
		go func() {
			_, err := put(c, "same")
			done <- err
		}()
	}
	for range 15 { // 64 KiB by what a small request counts, at 4 KiB and a little each
		await(t, g.came)
	}
	select {
	case <-g.came:
		t.Fatal("more requests are served than the bound allows")
	case <-time.After(20 * time.Millisecond):
	}
	close(g.door("same"))
	for range 50 {
		require.NoError(t, await(t, done))
	}
}

func TestOversizedRequestsAndAnswers(t *testing.T) {
	big := make([]byte, 64<<10)
	p := listen(t, rpc.ServerOptions{MaxFrame: 32 << 10, Handler: handlerFunc(func(_ context.Context, call *rpc.Call) (any, error) {
		return &rpc.GetResult{Item: rpc.Item{Value: big}}, nil
	})})
	c := p.dial(rpc.ConnOptions{MaxFrame: 32 << 10})
	err := c.Call(context.Background(), "g", rpc.VerbPut, &rpc.PutArgs{Value: big}, &rpc.PutResult{})
	var tooLarge *rpc.Error
	require.ErrorAs(t, err, &tooLarge)
	require.Equal(t, rpc.CodeTooLarge, tooLarge.Code)
	require.Equal(t, "request", tooLarge.Field)
	err = c.Call(context.Background(), "g", rpc.VerbGet, &rpc.GetArgs{}, &rpc.GetResult{})
	require.ErrorAs(t, err, &tooLarge)
	require.Equal(t, rpc.CodeTooLarge, tooLarge.Code)
	require.Equal(t, "answer", tooLarge.Field)
	err = c.Call(context.Background(), "g", rpc.VerbTxn, &rpc.TxnArgs{}, &rpc.TxnResult{})
	require.ErrorAs(t, err, &tooLarge)
	require.Equal(t, rpc.CodeUncertain, tooLarge.Code, "it was carried out: its answer is what does not fit")
	require.True(t, c.Usable())

	greedy := p.dial(rpc.ConnOptions{}) // allows itself more than the node takes
	err = greedy.Call(context.Background(), "g", rpc.VerbPut, &rpc.PutArgs{Value: big}, &rpc.PutResult{})
	require.True(t, rpc.IsSent(err))
	await(t, greedy.Done())
}

// journal keeps a server's log.
type journal struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lines.String()
}

func TestAClientThatDoesNotReadIsDisconnected(t *testing.T) {
	var log journal
	p := listen(t, rpc.ServerOptions{WriteTimeout: 20 * time.Millisecond, MaxQueueBytes: 1 << 20,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Handler: handlerFunc(func(context.Context, *rpc.Call) (any, error) {
			return &rpc.GetResult{Item: rpc.Item{Value: make([]byte, 1<<20)}}, nil
		})})
	conn, err := net.Dial("tcp", p.address)
	require.NoError(t, err)
	defer conn.Close()
	w := wire.NewWriter(conn, wire.Limits{})
	require.NoError(t, w.Append(1, true, msgpackOf(t, []any{1, 1, "", ""})))
	for id := range 100 {
		require.NoError(t, w.Append(3, true, msgpackOf(t, []any{id, uint8(rpc.VerbGet), 0, "g", 0}), msgpackOf(t, []any{})))
	}
	require.NoError(t, w.Flush())
	require.Eventually(t, func() bool { return strings.Contains(log.String(), rpc.ErrSlowReader.Error()) }, patience, time.Millisecond)
	require.NoError(t, p.server.Shutdown(context.Background()), "nothing of it is left")
}

func TestBadArguments(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	c := p.dial(rpc.ConnOptions{})
	err := c.Call(context.Background(), "g", rpc.VerbPut, "text", &rpc.PutResult{})
	var bad *rpc.Error
	require.ErrorAs(t, err, &bad)
	require.Equal(t, rpc.CodeBadRequest, bad.Code)
	err = c.Call(context.Background(), "g", rpc.VerbPut, func() {}, &rpc.PutResult{})
	require.False(t, rpc.IsSent(err))
	require.Error(t, err)
	var text string
	err = c.Call(context.Background(), "g", rpc.VerbPut, &rpc.PutArgs{}, &text)
	require.ErrorIs(t, err, rpc.ErrMalformed, "an answer of another type")
	require.True(t, rpc.IsSent(err))
	_, err = put(c, "x")
	require.NoError(t, err)
}

// flaky is a listener whose first Accepts fail.
type flaky struct {
	net.Listener
	left int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.left--; f.left >= 0 {
		return nil, errors.New("out of file descriptors")
	}
	return f.Listener.Accept()
}

func TestAFailingAcceptIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := serve(t, &flaky{Listener: l, left: 2}, rpc.ServerOptions{})
	_, err = put(p.dial(rpc.ConnOptions{}), "x")
	require.NoError(t, err)
}

func TestAListenerThatWasClosedEndsServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := serve(t, l, rpc.ServerOptions{})
	require.NoError(t, l.Close())
	require.ErrorIs(t, await(t, p.served), net.ErrClosed)
	require.NoError(t, p.server.Close())
	l, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, p.server.Serve(l), rpc.ErrClosed)
}

func TestAHandlerKnowsWhoAsks(t *testing.T) {
	asked := make(chan *rpc.Call, 1)
	p := listen(t, rpc.ServerOptions{Handler: handlerFunc(func(_ context.Context, call *rpc.Call) (any, error) {
		asked <- call
		return nil, nil
	})})
	require.NoError(t, p.dial(rpc.ConnOptions{}).Call(context.Background(), "g", rpc.VerbStatus, &rpc.Empty{}, &rpc.Empty{}))
	call := await(t, asked)
	require.Equal(t, "g", call.Group)
	require.Equal(t, rpc.VerbStatus, call.Verb)
	require.Equal(t, "127.0.0.1", call.Remote().(*net.TCPAddr).IP.String())
}

func TestVerbsAndCodesHaveNames(t *testing.T) {
	require.Equal(t, "put", rpc.VerbPut.String())
	require.Equal(t, "hash", rpc.VerbHash.String())
	require.Equal(t, "verb(0)", rpc.Verb(0).String())
	require.Equal(t, "verb(99)", rpc.Verb(99).String())
	require.Equal(t, "failed", rpc.CodeFailed.String())
	require.Equal(t, "code(99)", rpc.Code(99).String())
	require.True(t, rpc.VerbSwap.Writes())
	require.False(t, rpc.VerbRange.Writes())
	require.Panics(t, func() { rpc.NewServer(rpc.ServerOptions{}) })
}
