package client_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/wire"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

func cutPort(address string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	return host, port, err == nil
}

// entries gives the records [from, to), of which each fifth is not data.
func entries(from, to uint64) []rpc.Record {
	var out []rpc.Record
	for i := from; i < to; i++ {
		kind := uint8(client.KindData)
		if i%5 == 0 {
			kind = uint8(client.KindEmpty)
		}
		out = append(out, rpc.Record{Index: i, Kind: kind})
	}
	return out
}

// logUpTo streams a log's entries up to last, three at a time, and then does what end says.
func logUpTo(last uint64, end reply) reply {
	return func(ctx context.Context, call *rpc.Call) (any, error) {
		var args rpc.LogFollowArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		for from := args.From; from <= last; from += 3 {
			if err := call.Send(ctx, &rpc.LogPart{Records: entries(from, min(from+3, last+1)), Commit: last}); err != nil {
				return nil, err
			}
		}
		return end(ctx, call)
	}
}

func TestAFollowerReadsInOrderAcrossNodes(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	a.do(logUpTo(20, a.cutting), logUpTo(31, give(nil)), logUpTo(40, code(rpc.CodeClosed)), leads("b", b.address))
	b.do(logUpTo(50, code(rpc.CodeBusy)), logUpTo(60, code(rpc.CodeUnavailable)), logUpTo(100, hang))
	f := newClient(t, nil, a, b).Log("log").Follow(client.FollowOptions{From: 4})
	defer f.Close()
	for i := client.Index(4); i <= 100; i++ {
		if i%5 == 0 {
			continue
		}
		r, err := f.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, i, r.Index, "none left out, none twice, and only data")
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err := f.Next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	f.Close()
	_, err = f.Next(ctx)
	require.ErrorIs(t, err, client.ErrClosed)
}

func TestAWaitThatEndedLosesNothing(t *testing.T) {
	more := make(chan struct{})
	n := newNode(t, "a", func(ctx context.Context, call *rpc.Call) (any, error) {
		if err := call.Send(ctx, &rpc.LogPart{Records: entries(1, 2)}); err != nil {
			return nil, err
		}
		<-more
		if err := call.Send(ctx, &rpc.LogPart{Records: entries(2, 4)}); err != nil {
			return nil, err
		}
		return hang(ctx, call)
	})
	f := newClient(t, nil, n).Log("log").Follow(client.FollowOptions{AllKinds: true})
	defer f.Close()
	r, err := f.Next(ctx)
	require.NoError(t, err)
	require.Equal(t, client.Index(1), r.Index)
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, err = f.Next(over)
	require.ErrorIs(t, err, context.Canceled)
	close(more)
	for i := client.Index(2); i < 4; i++ {
		r, err = f.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, i, r.Index)
	}
	require.Equal(t, 1, n.count(), "the stream went on")
}

func TestAFollowerOfEveryKind(t *testing.T) {
	n := newNode(t, "a", logUpTo(12, hang))
	f := newClient(t, nil, n).Log("log").Follow(client.FollowOptions{AllKinds: true})
	defer f.Close()
	for i := client.Index(1); i <= 12; i++ {
		r, err := f.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, i, r.Index)
	}
}

func TestAFollowerEndsWhereTheLogWasRemoved(t *testing.T) {
	n := newNode(t, "a", fail(rpc.Error{Code: rpc.CodeCompacted, First: 40}))
	f := newClient(t, nil, n).Log("log").Follow(client.FollowOptions{From: 3})
	defer f.Close()
	var compacted *client.CompactedError
	for range 2 {
		_, err := f.Next(ctx)
		require.ErrorAs(t, err, &compacted)
		require.Equal(t, client.Index(40), compacted.FirstIndex)
	}
	require.Equal(t, 1, n.count())
}

func TestAFollowerNoticesAHole(t *testing.T) {
	n := newNode(t, "a", func(ctx context.Context, call *rpc.Call) (any, error) {
		call.Send(ctx, &rpc.LogPart{Records: append(entries(1, 3), entries(4, 6)...)})
		return hang(ctx, call)
	})
	f := newClient(t, nil, n).Log("log").Follow(client.FollowOptions{})
	defer f.Close()
	for range 2 {
		_, err := f.Next(ctx)
		require.NoError(t, err)
	}
	_, err := f.Next(ctx)
	require.ErrorIs(t, err, client.ErrFailed)
	require.ErrorContains(t, err, "expected entry 3")
}

func TestAFollowerLeavesASilentNode(t *testing.T) {
	a, b := newNode(t, "a", logUpTo(3, hang)), newNode(t, "b", logUpTo(6, hang))
	f := newClient(t, func(o *client.Options) { o.AttemptTimeout = 20 * time.Millisecond }, a, b).Log("log").Follow(client.FollowOptions{AllKinds: true})
	defer f.Close()
	for i := client.Index(1); i <= 6; i++ {
		r, err := f.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, i, r.Index)
	}
}

func TestAFollowersContextEndsItsAttempts(t *testing.T) {
	f := newClient(t, func(o *client.Options) { o.Endpoints = []string{deadPort(t)} }).Log("log").Follow(client.FollowOptions{})
	defer f.Close()
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err := f.Next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = f.Next(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestAFollowersContextEndsItsWaitForAFullConnection: a node that takes nothing fills the connection; who follows over it waits for room
// no longer than the context allows.
func TestAFollowersContextEndsItsWaitForAFullConnection(t *testing.T) {
	ours, theirs := net.Pipe() // holds nothing: what is not read is not written
	defer theirs.Close()
	go func() {
		if _, err := wire.NewReader(theirs, wire.Limits{}).Next(); err != nil {
			return
		}
		w := wire.NewWriter(theirs, wire.Limits{})
		w.Append(2, true, []byte{0x94, 1, 0xa1, 'c', 0xa1, 'n', 0xa0}) // welcome: protocol 1, cluster c, node n
		w.Flush()
	}()
	c := newClient(t, func(o *client.Options) {
		o.Endpoints = []string{"a:1"}
		o.Dial = func(context.Context, string) (net.Conn, error) { return ours, nil }
	})
	filling, stop := context.WithCancel(ctx)
	var appends sync.WaitGroup
	for range 2 { // one that is being written, one that waits for room
		appends.Go(func() { c.Log("log").Append(filling, make([]byte, 10<<20)) })
	}
	over := make(chan error, 1)
	go func() {
		for range 10 { // The appends may not be there yet at first.
			f := c.Log("log").Follow(client.FollowOptions{})
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			if _, err := f.Next(short); !errors.Is(err, context.DeadlineExceeded) {
				over <- err
			}
			cancel()
			f.Close()
		}
		over <- nil
	}()
	select {
	case err := <-over:
		require.NoError(t, err)
	case <-time.After(patience / 2): // The connection itself gives up after 20 s.
		t.Error("Next does not return although its context is done")
	}
	stop()
	c.Close()
	appends.Wait()
}
