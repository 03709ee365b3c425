package rpc_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

func TestShutdownLetsRequestsFinish(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g})
	c := p.dial(rpc.ConnOptions{})
	answered := make(chan error, 1)
	go func() {
		_, err := put(c, "x")
		answered <- err
	}()
	await(t, g.came)
	down := make(chan error, 1)
	go func() { down <- p.server.Shutdown(context.Background()) }()
	require.Eventually(t, func() bool { return !c.Usable() }, patience, time.Millisecond, "the client is told")
	_, err := put(c, "y")
	require.ErrorIs(t, err, rpc.ErrGoingAway)
	require.False(t, rpc.IsSent(err))
	_, err = rpc.Dial(context.Background(), p.address, rpc.ConnOptions{})
	require.Error(t, err, "nobody listens any more")
	select {
	case <-down:
		t.Fatal("it did not wait for the request")
	default:
	}
	close(g.door("x"))
	require.NoError(t, await(t, answered))
	require.NoError(t, await(t, down))
	await(t, c.Done())
	require.NoError(t, p.server.Shutdown(context.Background()))
}

func TestShutdownDoesNotWaitForever(t *testing.T) {
	g := newGate()
	p := listen(t, rpc.ServerOptions{Handler: g})
	c := p.dial(rpc.ConnOptions{})
	answered := make(chan error, 1)
	go func() {
		_, err := put(c, "x")
		answered <- err
	}()
	await(t, g.came)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.server.Shutdown(ctx), context.DeadlineExceeded)
	require.True(t, rpc.IsSent(await(t, answered)))
	require.Equal(t, "gone: x", await(t, g.came))
}

func TestShutdownClosesThoseWhoSayNothing(t *testing.T) {
	p := listen(t, rpc.ServerOptions{})
	idle := p.dial(rpc.ConnOptions{})
	silent := dialRaw(t, p.address) // has not introduced itself
	require.NoError(t, p.server.Shutdown(context.Background()))
	await(t, idle.Done())
	_, err := silent.Read(make([]byte, 1))
	require.Error(t, err)
}

// counter streams numbered parts until it is told to stop.
type counter struct {
	sent  chan uint64
	ended chan error
	last  uint64
}

func (s *counter) Handle(ctx context.Context, call *rpc.Call) (any, error) {
	for i := uint64(1); i <= s.last; i++ {
		if err := call.Send(ctx, &rpc.LogPart{Commit: i}); err != nil {
			s.ended <- err
			return nil, err
		}
		s.sent <- i
	}
	s.ended <- nil
	return nil, nil
}

func newCounter(last uint64) *counter {
	return &counter{sent: make(chan uint64, 1000), ended: make(chan error, 10), last: last}
}

func follow(t *testing.T, c *rpc.Conn) *rpc.Stream {
	t.Helper()
	s, err := c.Stream(context.Background(), "g", rpc.VerbLogFollow, &rpc.LogFollowArgs{From: 1})
	require.NoError(t, err)
	return s
}

func TestAStreamComesInOrderAndEnds(t *testing.T) {
	h := newCounter(100)
	c := listen(t, rpc.ServerOptions{Handler: h}).dial(rpc.ConnOptions{})
	s := follow(t, c)
	for i := uint64(1); i <= 100; i++ {
		var part rpc.LogPart
		require.NoError(t, s.Next(context.Background(), &part))
		require.Equal(t, i, part.Commit)
	}
	for range 2 {
		require.Equal(t, io.EOF, s.Next(context.Background(), &rpc.LogPart{}))
	}
	s.Close()
}

func TestAStreamSendsNoMoreThanIsWanted(t *testing.T) {
	h := newCounter(100)
	c := listen(t, rpc.ServerOptions{Handler: h}).dial(rpc.ConnOptions{})
	s := follow(t, c)
	for i := uint64(1); i <= 8; i++ {
		require.Equal(t, i, await(t, h.sent))
	}
	select {
	case i := <-h.sent:
		t.Fatalf("part %d was sent though nobody wanted it", i)
	case <-time.After(20 * time.Millisecond):
	}
	for range 4 {
		require.NoError(t, s.Next(context.Background(), &rpc.LogPart{}))
	}
	for i := uint64(9); i <= 12; i++ {
		require.Equal(t, i, await(t, h.sent))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for { // What is here comes; then the context says no, and the stream goes on.
		if err := s.Next(ctx, &rpc.LogPart{}); err != nil {
			require.ErrorIs(t, err, context.Canceled)
			break
		}
	}
	require.NoError(t, s.Next(context.Background(), &rpc.LogPart{}))
	s.Close()
	s.Close()
	require.ErrorIs(t, await(t, h.ended), context.Canceled)
	for s.Next(context.Background(), &rpc.LogPart{}) == nil {
	}
	require.ErrorIs(t, s.Next(context.Background(), &rpc.LogPart{}), rpc.ErrClosed)
}

func TestAStreamEndsWithAnError(t *testing.T) {
	p := listen(t, rpc.ServerOptions{Handler: handlerFunc(func(ctx context.Context, call *rpc.Call) (any, error) {
		if err := call.Send(ctx, &rpc.LogPart{Commit: 1}); err != nil {
			return nil, err
		}
		return nil, &rpc.Error{Code: rpc.CodeCompacted, First: 7}
	})})
	s := follow(t, p.dial(rpc.ConnOptions{}))
	require.NoError(t, s.Next(context.Background(), &rpc.LogPart{}))
	var e *rpc.Error
	require.ErrorAs(t, s.Next(context.Background(), &rpc.LogPart{}), &e)
	require.Equal(t, uint64(7), e.First)
}

func TestAStreamEndsWithItsConnection(t *testing.T) {
	h := newCounter(1000)
	p := listen(t, rpc.ServerOptions{Handler: h})
	s := follow(t, p.dial(rpc.ConnOptions{}))
	await(t, h.sent)
	require.NoError(t, p.server.Close())
	require.Error(t, await(t, h.ended))
	err := s.Next(context.Background(), &rpc.LogPart{})
	for err == nil {
		err = s.Next(context.Background(), &rpc.LogPart{})
	}
	require.True(t, rpc.IsSent(err))
}

func TestShutdownEndsStreams(t *testing.T) {
	h := newCounter(1000)
	p := listen(t, rpc.ServerOptions{Handler: h})
	s := follow(t, p.dial(rpc.ConnOptions{}))
	await(t, h.sent)
	require.NoError(t, p.server.Shutdown(context.Background()))
	require.ErrorIs(t, await(t, h.ended), context.Canceled)
	err := s.Next(context.Background(), &rpc.LogPart{})
	for err == nil {
		err = s.Next(context.Background(), &rpc.LogPart{})
	}
	var e *rpc.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, rpc.CodeTimeout, e.Code)
}

func TestStreamsAreBounded(t *testing.T) {
	h := newCounter(1000)
	p := listen(t, rpc.ServerOptions{Handler: h, MaxStreams: 2})
	c := p.dial(rpc.ConnOptions{})
	first, second, third := follow(t, c), follow(t, c), follow(t, c)
	require.NoError(t, first.Next(context.Background(), &rpc.LogPart{}))
	require.NoError(t, second.Next(context.Background(), &rpc.LogPart{}))
	var busy *rpc.Error
	require.ErrorAs(t, third.Next(context.Background(), &rpc.LogPart{}), &busy)
	require.Equal(t, rpc.CodeBusy, busy.Code)
	first.Close()
	await(t, h.ended)
	require.Eventually(t, func() bool {
		return follow(t, c).Next(context.Background(), &rpc.LogPart{}) == nil
	}, patience, time.Millisecond)
}
