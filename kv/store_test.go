package kv_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
)

var quiet = slog.New(slog.DiscardHandler)

// testContext bounds a test that waits for something that does not come.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// open opens a node of its own, to be closed by the test.
func open(t testing.TB, dir string, engine kv.EngineKind) *kv.Store {
	t.Helper()
	s, err := kv.Open(kv.Options{Dir: dir, Engine: engine, Logger: quiet})
	require.NoError(t, err)
	return s
}

var kinds = []kv.EngineKind{kv.BTree, kv.Pebble}

// onOneNode runs a test on a store of its own on each engine.
func onOneNode(t *testing.T, test func(ctx context.Context, t *testing.T, s *kv.Store)) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := open(t, t.TempDir(), kind)
			defer func() { require.NoError(t, s.Close()) }()
			test(testContext(t), t, s)
		})
	}
}

func TestStorePutsAndSwaps(t *testing.T) {
	onOneNode(t, func(ctx context.Context, t *testing.T, s *kv.Store) {
		rev, err := s.Put(ctx, b("a"), b("1"))
		require.NoError(t, err)
		require.Equal(t, kv.Revision(1), rev)
		item, err := s.Get(ctx, b("a"))
		require.NoError(t, err)
		require.Equal(t, kv.Item{Key: b("a"), Value: b("1"), CreateRevision: 1, ModRevision: 1, Version: 1}, item)

		swapped, err := s.CompareAndSwap(ctx, b("a"), 1, b("2"))
		require.NoError(t, err)
		require.Equal(t, kv.SwapResult{Swapped: true, Revision: 2}, swapped)
		failed, err := s.CompareAndSwap(ctx, b("a"), 1, b("3"))
		require.NoError(t, err)
		require.Equal(t, kv.SwapResult{Revision: 2, Found: true,
			Current: kv.Item{Key: b("a"), Value: b("2"), CreateRevision: 1, ModRevision: 2, Version: 2}}, failed)
		created, err := s.CompareAndSwap(ctx, b("b"), 0, b("new"))
		require.NoError(t, err)
		require.True(t, created.Swapped, "0 means that the key must not exist")

		status, err := s.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, kv.Revision(3), status.Revision)
		require.True(t, status.Role.Ready)
		require.NoError(t, s.Transfer(ctx, "n1"), "it leads already")
		require.Equal(t, "kv", s.Group().Name())
	})
}

func TestStoreTransactions(t *testing.T) {
	onOneNode(t, func(ctx context.Context, t *testing.T, s *kv.Store) {
		first, err := s.Txn(ctx, kv.Do(kv.Put(b("a"), b("1")), kv.Put(b("b"), b("2"))))
		require.NoError(t, err)
		require.Equal(t, kv.Revision(1), first.Revision)
		second, err := s.Txn(ctx, kv.If(kv.Value(b("a")).Equals(b("1")), kv.Version(b("b")).Greater(0), kv.CreateRevision(b("b")).Equals(1), kv.ModRevision(b("a")).Less(2)).
			Then(kv.Put(b("c"), b("3")), kv.Delete(b("b")), kv.DeleteRange(b("x"), b("y")), kv.DeletePrefix(b("z")), kv.Range(kv.RangeOptions{KeysOnly: true})).
			Else(kv.Get(b("a"))))
		require.NoError(t, err)
		require.True(t, second.Succeeded)
		require.Equal(t, kv.Revision(2), second.Revision)
		require.Equal(t, 2, second.Results[4].Range.Count)
		_, err = s.Get(ctx, b("b"))
		require.ErrorIs(t, err, kv.ErrNotFound)
		never, err := s.Txn(ctx, kv.If(kv.Version(b("c")).Equals(9)).Then(kv.Delete(b("c"))))
		require.NoError(t, err)
		require.False(t, never.Succeeded)
		require.Equal(t, kv.Revision(2), never.Revision)
	})
}

func TestStoreReadsThePastUntilItIsCompacted(t *testing.T) {
	onOneNode(t, func(ctx context.Context, t *testing.T, s *kv.Store) {
		_, err := s.Txn(ctx, kv.Do(kv.Put(b("a"), b("1")), kv.Put(b("b"), b("2")), kv.Put(b("c"), b("3"))))
		require.NoError(t, err)
		past, err := s.View(ctx, kv.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, kv.Revision(1), past.Revision())
		require.NotZero(t, past.Applied())

		deleted, err := s.DeletePrefix(ctx, b("a"))
		require.NoError(t, err)
		require.Equal(t, kv.DeleteResult{Revision: 2, Deleted: 1}, deleted)
		deleted, err = s.Delete(ctx, b("a"))
		require.NoError(t, err)
		require.Equal(t, kv.DeleteResult{Revision: 2}, deleted)
		deleted, err = s.DeleteRange(ctx, nil, nil)
		require.NoError(t, err)
		require.Equal(t, kv.DeleteResult{Revision: 3, Deleted: 2}, deleted)

		before, err := past.Range(ctx, kv.RangeOptions{})
		require.NoError(t, err)
		require.Equal(t, 3, before.Count)
		item, err := past.Get(b("b"))
		require.NoError(t, err)
		require.Equal(t, b("2"), item.Value)

		require.NoError(t, s.Compact(ctx, 2))
		require.ErrorIs(t, s.Compact(ctx, 4), kv.ErrFutureRevision)
		_, err = past.Get(b("b"))
		require.ErrorIs(t, err, kv.ErrCompacted)
		_, err = s.Range(ctx, kv.RangeOptions{Revision: 1})
		require.ErrorIs(t, err, kv.ErrCompacted)
		_, err = s.View(ctx, kv.GetOptions{Revision: 4})
		require.ErrorIs(t, err, kv.ErrFutureRevision)
		at2, err := s.Range(ctx, kv.RangeOptions{Revision: 2})
		require.NoError(t, err)
		require.Equal(t, 2, at2.Count)
		status, err := s.Status(ctx)
		require.NoError(t, err)
		require.Equal(t, kv.Revision(2), status.Compacted)
	})
}

func TestStoreKeepsItsDataOverARestart(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx, dir := testContext(t), t.TempDir()
			for i := range 3 {
				s := open(t, dir, kind)
				all, err := s.Range(ctx, kv.RangeOptions{})
				require.NoError(t, err)
				require.Equal(t, i*50, all.Count)
				require.Equal(t, kv.Revision(i*50), all.Revision)
				for j := range 50 {
					_, err := s.Put(ctx, fmt.Appendf(nil, "%d/%d", i, j), b("v"))
					require.NoError(t, err)
				}
				require.NoError(t, s.Close())
			}
		})
	}
}

func TestClosedStore(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			s := open(t, t.TempDir(), kind)
			_, err := s.Put(ctx, b("a"), nil)
			require.NoError(t, err)
			require.NoError(t, s.Close())
			_, err = s.Put(ctx, b("a"), nil)
			require.ErrorIs(t, err, kv.ErrClosed)
			_, err = s.Get(ctx, b("a"))
			require.ErrorIs(t, err, kv.ErrClosed)
			_, err = s.GetWith(ctx, b("a"), kv.GetOptions{Level: kv.Local})
			require.ErrorIs(t, err, kv.ErrClosed)
			_, err = s.Status(ctx)
			require.ErrorIs(t, err, kv.ErrClosed)
			require.NoError(t, s.Close(), "closing again does nothing")
		})
	}
}

func TestOptionsReportEveryFault(t *testing.T) {
	err := kv.Options{Engine: "rocks", CacheBytes: 1, Peers: []kv.Peer{{ID: "n2", Address: "x:1"}}}.Validate()
	for _, fault := range []string{"Dir is required", `unknown engine "rocks"`, "CacheBytes is 1", "does not name this node"} {
		require.ErrorContains(t, err, fault)
	}
	_, err = kv.Open(kv.Options{})
	require.ErrorContains(t, err, "Dir is required")
	require.NoError(t, kv.Options{Dir: "somewhere"}.Validate())
}

func TestOpenRefusesADirectoryInUseOrOfAnother(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, kv.BTree)
	_, err := kv.Open(kv.Options{Dir: dir, Logger: quiet})
	require.Error(t, err)
	require.NoError(t, s.Close())
	_, err = kv.Open(kv.Options{Dir: dir, Cluster: "another", Logger: quiet})
	require.Error(t, err)
	open(t, dir, kv.BTree).Close()
}

func TestAttachRefusesALogGroup(t *testing.T) {
	n, err := node.Open(node.Options{Dir: t.TempDir(), Logger: quiet})
	require.NoError(t, err)
	defer n.Close()
	log, err := n.OpenGroup(node.GroupOptions{ID: 7, Name: "log"})
	require.NoError(t, err)
	_, err = kv.Attach(log)
	require.ErrorContains(t, err, `group "log" is no key-value group`)
}

// cluster is three nodes over a network and disks in memory, but for Pebble's own.
type cluster struct {
	t       *testing.T
	network *transport.Network
	stores  map[kv.NodeID]*kv.Store
}

func newCluster(t *testing.T) *cluster {
	return newClusterWith(t, func(*node.Options, *node.GroupOptions) {})
}

// newClusterWith gives a cluster with other settings.
func newClusterWith(t *testing.T, change func(*node.Options, *node.GroupOptions)) *cluster {
	c := &cluster{t: t, network: transport.NewNetwork(), stores: map[kv.NodeID]*kv.Store{}}
	var peers []kv.Peer
	for i := range 3 {
		id := kv.NodeID(fmt.Sprintf("n%d", i+1))
		peers = append(peers, kv.Peer{ID: id, Address: "memory:" + string(id)})
	}
	for i, p := range peers {
		factory, err := kv.NewFactory(kinds[i%2], kv.EngineOptions{Dir: filepath.Join(t.TempDir(), "engines"), Logger: quiet})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, factory.Close()) })
		opts := node.Options{Dir: "data", ID: p.ID, Peers: peers, Transport: c.network.Transport(p.ID), FS: disk.New(uint64(i)), Logger: quiet}
		groupOpts := node.GroupOptions{ID: 1, Name: "kv", Factory: factory}
		change(&opts, &groupOpts)
		n, err := node.Open(opts)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, n.Close()) })
		group, err := n.OpenGroup(groupOpts)
		require.NoError(t, err)
		c.stores[p.ID], err = kv.Attach(group)
		require.NoError(t, err)
	}
	return c
}

// leader waits until a store is ready to write and gives it with the others.
func (c *cluster) leader(ctx context.Context) (leader *kv.Store, others []*kv.Store) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	ready := make(chan *kv.Store, len(c.stores))
	for _, s := range c.stores {
		waiting.Go(func() {
			for role := s.Group().Role(); ; {
				if role.Ready {
					ready <- s
					return
				}
				var err error
				if role, err = s.Group().AwaitRole(ctx, role.Seq); err != nil {
					return
				}
			}
		})
	}
	select {
	case leader = <-ready:
	case <-ctx.Done():
		require.NoError(c.t, ctx.Err(), "no leader")
	}
	for _, s := range c.stores {
		if s != leader {
			others = append(others, s)
		}
	}
	return leader, others
}

func TestStoreOnThreeNodes(t *testing.T) {
	ctx := testContext(t)
	c := newCluster(t)
	leader, others := c.leader(ctx)
	for i := range 20 {
		_, err := leader.Put(ctx, fmt.Append(nil, i), b("v"))
		require.NoError(t, err)
	}
	last, err := leader.Range(ctx, kv.RangeOptions{})
	require.NoError(t, err)
	require.Equal(t, 20, last.Count)

	for _, s := range others {
		var elsewhere *kv.NotLeaderError
		_, err := s.Put(ctx, b("a"), nil)
		require.ErrorAs(t, err, &elsewhere)
		require.Equal(t, c.stores[elsewhere.Leader], leader)
		require.NoError(t, s.Group().WaitApplied(ctx, node.Index(last.Applied)))
		local, err := s.Range(ctx, kv.RangeOptions{Level: kv.Local})
		require.NoError(t, err)
		require.GreaterOrEqual(t, local.Applied, last.Applied)
		require.Equal(t, last.Items, local.Items, "the same on every engine")
		require.Equal(t, kv.Revision(20), local.Revision)
	}

	to := others[0]
	status, err := to.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, kv.Revision(20), status.Revision)
	target := c.idOf(to)
	require.NoError(t, leader.Transfer(ctx, target))
	rev, err := to.Put(ctx, b("after"), nil)
	require.NoError(t, err, "it waits until it leads")
	require.Equal(t, kv.Revision(21), rev)
}

// isolate cuts a store's node off from all others.
func (c *cluster) isolate(s *kv.Store) {
	id := c.idOf(s)
	for other := range c.stores {
		if other != id {
			c.network.Cut(id, other)
			c.network.Cut(other, id)
		}
	}
}

func (c *cluster) idOf(s *kv.Store) kv.NodeID {
	for id, x := range c.stores {
		if x == s {
			return id
		}
	}
	c.t.Fatal("not a store of this cluster")
	return ""
}

// TestAWriteGivenUpBeforehandIsNotProposed: it has a definite error, and does not happen.
func TestAWriteGivenUpBeforehandIsNotProposed(t *testing.T) {
	onOneNode(t, func(ctx context.Context, t *testing.T, s *kv.Store) {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		for range 10 {
			_, err := s.Put(gone, b("a"), b("1"))
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, kv.ErrUncertain)
		}
		revision, err := s.Put(ctx, b("b"), nil)
		require.NoError(t, err)
		require.Equal(t, kv.Revision(1), revision)
	})
}

// TestCallsWaitForALeader: without a quorum there is none, and no call comes back until its context ends.
func TestCallsWaitForALeader(t *testing.T) {
	ctx := testContext(t)
	c := newCluster(t)
	leader, _ := c.leader(ctx)
	_, err := leader.Put(ctx, b("a"), b("1"))
	require.NoError(t, err)
	cut := c.idOf(leader)
	for id := range c.stores {
		if id != cut {
			c.network.Cut(cut, id)
			c.network.Cut(id, cut)
		}
	}
	// The leader that was cut off steps down, and then knows of no leader.
	for role := leader.Group().Role(); role.Leader != ""; {
		role, err = leader.Group().AwaitRole(ctx, role.Seq)
		require.NoError(t, err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = leader.Put(short, b("a"), b("2"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	var elsewhere *kv.NotLeaderError
	require.ErrorAs(t, err, &elsewhere, "it was not proposed")
	_, err = leader.Get(short, b("a"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	local, err := leader.GetWith(ctx, b("a"), kv.GetOptions{Level: kv.Local})
	require.NoError(t, err, "what it has can be read")
	require.Equal(t, b("1"), local.Item.Value)
	c.network.HealAll()
}
