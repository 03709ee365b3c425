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
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

var done = give(&rpc.PutResult{Revision: 7})

func TestTheLeaderIsFoundAndRemembered(t *testing.T) {
	b := newNode(t, "b", done)
	a := newNode(t, "a", leads("b", b.address))
	c := newClient(t, nil, a) // b is learned
	for range 3 {
		revision, err := c.Put(ctx, key, value)
		require.NoError(t, err)
		require.Equal(t, client.Revision(7), revision)
	}
	require.Equal(t, 1, a.count())
	require.Equal(t, 3, b.count())
}

func TestALeaderIsFoundByItsId(t *testing.T) {
	// a names b, which is not known by its id yet; b names a, which is, and by now so is b.
	a, b := newNode(t, "a", leads("b", "")), newNode(t, "b", leads("a", ""), done)
	c := newClient(t, nil, a, b)
	for range 2 {
		_, err := c.Put(ctx, key, value)
		require.NoError(t, err)
	}
	require.Equal(t, 2, a.count())
	require.Equal(t, 3, b.count())
}

func TestANewLeaderIsFollowed(t *testing.T) {
	a, b := newNode(t, "a", done), newNode(t, "b")
	c := newClient(t, nil, a, b)
	_, err := c.Put(ctx, key, value)
	require.NoError(t, err)
	a.do(leads("b", b.address))
	b.do(done)
	_, err = c.Put(ctx, key, value)
	require.NoError(t, err)
	require.Equal(t, 1, b.count())
}

func TestWithoutALeaderItIsAwaited(t *testing.T) {
	a := newNode(t, "a", leads("", ""), leads("", ""), leads("a", ""), code(rpc.CodeBusy), code(rpc.CodeUnavailable), code(rpc.CodeClosed),
		code(rpc.CodeTimeout), done)
	_, err := newClient(t, nil, a).Put(ctx, key, value)
	require.NoError(t, err)
	require.Equal(t, 8, a.count())
}

func TestNodesThatNameEachOtherAreNotAskedWithoutEnd(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	a.do(leads("b", b.address))
	b.do(leads("a", a.address))
	c := newClient(t, func(o *client.Options) {
		o.RetryTimeout, o.MinPause, o.MaxPause = 200*time.Millisecond, 30*time.Millisecond, 30*time.Millisecond
	}, a, b)
	_, err := c.Get(ctx, key)
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.NotErrorIs(t, err, client.ErrUncertain)
	require.Less(t, a.count()+b.count(), 80, "there are pauses")
}

func TestADeadNodeIsPassedOver(t *testing.T) {
	b := newNode(t, "b", done)
	c := newClient(t, func(o *client.Options) { o.Endpoints = []string{deadPort(t), b.address} })
	_, err := c.Put(ctx, key, value)
	require.NoError(t, err)

	c = newClient(t, func(o *client.Options) { o.Endpoints = []string{b.address} })
	b.do(leads("x", deadPort(t)), done)
	_, err = c.Put(ctx, key, value)
	require.NoError(t, err, "also one that was named as the leader")
}

func TestAWriteWhoseFateIsUnknownIsNotRepeated(t *testing.T) {
	for name, script := range map[string]func(n *fakeNode) reply{
		"the connection breaks":    func(n *fakeNode) reply { return n.cutting },
		"no answer comes":          func(*fakeNode) reply { return hang },
		"the node does not know":   func(*fakeNode) reply { return code(rpc.CodeUncertain) },
		"the answer is of rubbish": func(*fakeNode) reply { return give("text") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "a")
			c := newClient(t, func(o *client.Options) { o.AttemptTimeout = 200 * time.Millisecond }, n)
			writes := []func() error{
				func() error { _, err := c.Put(ctx, key, value); return err },
				func() error { _, err := c.Delete(ctx, key); return err },
				func() error { _, err := c.DeletePrefix(ctx, key); return err },
				func() error { _, err := c.CompareAndSwap(ctx, key, 1, value); return err },
				func() error { _, err := c.Txn(ctx, client.Do(client.Put(key, value))); return err },
				func() error { _, err := c.Log("log").Append(ctx, value); return err },
				func() error { return c.Transfer(ctx, "kv", "b") },
			}
			for i, write := range writes {
				n.do(script(n), done)
				require.ErrorIs(t, write(), client.ErrUncertain)
				require.Equal(t, i+1, n.count(), "it was sent once")
			}
		})
	}
}

func TestAReadIsRepeated(t *testing.T) {
	found := give(&rpc.GetResult{Found: true, Item: rpc.Item{Key: key, Value: value, Mod: 3}})
	a, b := newNode(t, "a"), newNode(t, "b")
	c := newClient(t, func(o *client.Options) { o.AttemptTimeout = 50 * time.Millisecond }, a, b)
	for name, script := range map[string]reply{
		"the connection breaks": a.cutting, "no answer comes": hang, "the node does not know": code(rpc.CodeUncertain),
	} {
		a.do(script, found)
		b.do(leads("a", a.address))
		item, err := c.Get(ctx, key)
		require.NoError(t, err, name)
		require.Equal(t, client.Item{Key: key, Value: value, ModRevision: 3}, item)
	}
	a.do(a.cutting, give(&rpc.Empty{}))
	require.NoError(t, c.Compact(ctx, 5), "compacting twice does no harm")
}

func TestARepeatedWriteStaysUncertain(t *testing.T) {
	for _, first := range []func(n *fakeNode) reply{
		func(n *fakeNode) reply { return n.cutting },
		func(*fakeNode) reply { return code(rpc.CodeUncertain) },
	} {
		for _, then := range []rpc.Code{rpc.CodeBusy, rpc.CodeDiskFull, rpc.CodeFutureRevision} {
			n := newNode(t, "a")
			n.do(first(n), code(then))
			c := newClient(t, func(o *client.Options) { o.RetryTimeout = 200 * time.Millisecond }, n)
			err := c.Compact(ctx, 5)
			require.ErrorIs(t, err, client.ErrUncertain, "%v: the first attempt may have done it", then)
		}
	}
	n := newNode(t, "a", code(rpc.CodeDiskFull))
	require.NotErrorIs(t, newClient(t, nil, n).Compact(ctx, 5), client.ErrUncertain)
}

func TestAContextEndsACall(t *testing.T) {
	t.Parallel()
	n := newNode(t, "a", hang)
	c := newClient(t, func(o *client.Options) { o.MinPause, o.MaxPause = time.Hour, time.Hour }, n)
	put := func(ctx context.Context) error {
		_, err := c.Put(ctx, key, value)
		return err
	}
	stopped, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() { failed <- put(stopped) }()
	require.Eventually(t, func() bool { return n.count() == 1 }, patience, time.Millisecond)
	cancel()
	err := <-failed
	require.ErrorIs(t, err, client.ErrUncertain, "it was sent")
	require.ErrorIs(t, err, context.Canceled)

	n.do(code(rpc.CodeBusy))
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err = put(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "scripted")
	require.NotErrorIs(t, err, client.ErrUncertain, "it was refused")
	require.NotErrorIs(t, err, client.ErrUnavailable)

	before := n.count()
	err = put(stopped)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, client.ErrUncertain)
	require.Equal(t, before, n.count())

	n.do(hang)
	short, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = c.Get(short, key)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestAContextEndsTheWaitForAConnection(t *testing.T) {
	dialling := make(chan struct{})
	var once sync.Once
	c := newClient(t, func(o *client.Options) {
		o.Endpoints = []string{"127.0.0.1:1"}
		o.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
			once.Do(func() { close(dialling) })
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	short, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() {
		_, err := c.Put(short, key, value)
		failed <- err
	}()
	<-dialling
	cancel()
	err := <-failed
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, client.ErrUncertain)
}

func TestRetryTimeoutEndsACall(t *testing.T) {
	n := newNode(t, "a", code(rpc.CodeBusy))
	c := newClient(t, func(o *client.Options) { o.RetryTimeout = 200 * time.Millisecond }, n)
	_, err := c.Get(ctx, key)
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.ErrorContains(t, err, "scripted", "the last reason is there")
}

func TestFinalAnswers(t *testing.T) {
	for _, test := range []struct {
		answer rpc.Error
		is     error
	}{
		{rpc.Error{Code: rpc.CodeNotFound, Field: "key"}, client.ErrNotFound},
		{rpc.Error{Code: rpc.CodeNotFound, Field: "group"}, client.ErrNoGroup},
		{rpc.Error{Code: rpc.CodeNotFound, Field: "index"}, client.ErrNoEntry},
		{rpc.Error{Code: rpc.CodeDiskFull}, client.ErrDiskFull},
		{rpc.Error{Code: rpc.CodeCorrupt}, client.ErrCorrupt},
		{rpc.Error{Code: rpc.CodeTooLarge}, client.ErrTooLarge},
		{rpc.Error{Code: rpc.CodeDuplicateWrite}, client.ErrDuplicateWrite},
		{rpc.Error{Code: rpc.CodeUnsupported}, client.ErrUnsupported},
		{rpc.Error{Code: rpc.CodeRevisionCompacted}, client.ErrCompacted},
		{rpc.Error{Code: rpc.CodeFutureRevision}, client.ErrFutureRevision},
		{rpc.Error{Code: rpc.CodeFailed}, client.ErrFailed},
		{rpc.Error{Code: 99}, client.ErrFailed},
	} {
		n := newNode(t, "a", fail(test.answer), done)
		_, err := newClient(t, nil, n).Put(ctx, key, value)
		require.ErrorIs(t, err, test.is, test.answer.Code.String())
		require.Equal(t, 1, n.count(), "asking again would change nothing")
	}
	n := newNode(t, "a", fail(rpc.Error{Code: rpc.CodeBadRequest, Field: "f", Problem: "p"}))
	_, err := newClient(t, nil, n).Put(ctx, key, value)
	var invalid *client.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, &client.InvalidError{Field: "f", Problem: "p"}, invalid)

	n.do(fail(rpc.Error{Code: rpc.CodeRevisionCompacted, Asked: 3, Bound: 9}))
	_, err = newClient(t, nil, n).GetWith(ctx, key, client.GetOptions{Revision: 3})
	var revision *client.RevisionError
	require.ErrorAs(t, err, &revision)
	require.Equal(t, client.Revision(9), revision.Bound)
}

func TestANodeOfAnotherClusterIsNotUsed(t *testing.T) {
	n := newNode(t, "a", done)
	c := newClient(t, func(o *client.Options) { o.Cluster = "other" }, n)
	_, err := c.Put(ctx, key, value)
	require.ErrorIs(t, err, client.ErrWrongCluster)
	require.ErrorContains(t, err, `cluster "other"`)
	require.Zero(t, n.count())
}

func TestANodeThatCameBackIsUsedAgain(t *testing.T) {
	n := newNode(t, "a", done)
	c := newClient(t, nil, n)
	_, err := c.Put(ctx, key, value)
	require.NoError(t, err)
	n.stop()
	n.start(n.address)
	require.Eventually(t, func() bool {
		_, err := c.Put(ctx, key, value)
		return err == nil
	}, patience, time.Millisecond)
}

// A node that shuts down in peace costs no call: what is under way is answered, what comes goes elsewhere.
func TestAGracefulShutdownCostsNoCall(t *testing.T) {
	a, b := newNode(t, "a", done), newNode(t, "b", done)
	c := newClient(t, nil, a, b)
	stop := make(chan struct{})
	failed := make(chan error, 8)
	var writers sync.WaitGroup
	for range 8 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := c.Put(ctx, key, value); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	require.Eventually(t, func() bool { return a.count() > 100 }, patience, time.Millisecond)
	require.NoError(t, a.server.Shutdown(ctx))
	before := b.count()
	require.Eventually(t, func() bool { return len(failed) > 0 || b.count() > before+100 }, patience, time.Millisecond)
	close(stop)
	writers.Wait()
	close(failed)
	require.NoError(t, <-failed)
}

func TestManyRequestsShareOneConnection(t *testing.T) {
	n := newNode(t, "a", done)
	c := newClient(t, nil, n)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	for range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				if _, err := c.Put(ctx, key, value); err != nil {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
		}()
	}
	wg.Wait()
	require.NoError(t, errors.Join(failed...))
	n.mu.Lock()
	defer n.mu.Unlock()
	require.Len(t, n.conns, 1)
}

func TestCloseEndsCalls(t *testing.T) {
	n := newNode(t, "a", hang)
	c := newClient(t, nil, n)
	writing, reading := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := c.Put(ctx, key, value)
		writing <- err
	}()
	go func() {
		_, err := c.Get(ctx, key)
		reading <- err
	}()
	require.Eventually(t, func() bool { return n.count() == 2 }, patience, time.Millisecond)
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-writing, client.ErrUncertain)
	require.ErrorIs(t, <-reading, client.ErrClosed)
	_, err := c.Put(ctx, key, value)
	require.ErrorIs(t, err, client.ErrClosed)
	require.NotErrorIs(t, err, client.ErrUncertain)
	_, err = c.HashAt(ctx, "127.0.0.1:2", 0)
	require.ErrorIs(t, err, client.ErrClosed)
	_, err = c.Log("log").Follow(client.FollowOptions{}).Next(ctx)
	require.ErrorIs(t, err, client.ErrClosed)
	require.NoError(t, c.Close())
}

func TestCloseEndsAPause(t *testing.T) {
	n := newNode(t, "a", code(rpc.CodeBusy))
	c := newClient(t, func(o *client.Options) { o.MinPause, o.MaxPause = time.Hour, time.Hour }, n)
	failed := make(chan error, 1)
	go func() {
		_, err := c.Get(ctx, key) // a write whose answer Close overtakes would be uncertain instead
		failed <- err
	}()
	require.Eventually(t, func() bool { return n.count() == 1 }, patience, time.Millisecond)
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-failed, client.ErrClosed)
}

func TestOptionsReportEveryFault(t *testing.T) {
	_, err := client.Open(client.Options{})
	require.ErrorContains(t, err, "at least one host:port")
	err = client.Options{Endpoints: []string{"nowhere", ":1", "h:"}, DialTimeout: -1, RetryTimeout: -1,
		MinPause: 2, MaxPause: 1}.Validate()
	for _, fault := range []string{`"nowhere"`, `":1"`, `"h:"`, "DialTimeout", "RetryTimeout", "MinPause"} {
		require.ErrorContains(t, err, fault)
	}
	require.NoError(t, client.Options{Endpoints: []string{"h:1"}, MinPause: time.Minute}.Validate())
}
