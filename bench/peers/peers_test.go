package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/suite"
)

// TestMain is a node where a test has started this program again to be one.
func TestMain(m *testing.M) {
	if served, status := suite.ServeChild(peers()); served {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// patient bounds what may take long on a machine with other work, not what is measured.
const patient = 2 * time.Minute

// TestPeersKeepWhatTheyAcknowledge puts and gets for a second, in every shape of every peer (one shape of a variant), closes the cluster and opens it again, and finds all that was acknowledged.
func TestPeersKeepWhatTheyAcknowledge(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range peers() {
		shapes := s.Info().Shapes
		if family := s.Info().Family; family != "" && seen[family] {
			shapes = shapes[:1] // a variant of the same code
		}
		seen[s.Info().Family] = true
		for _, shape := range shapes {
			t.Run(s.Info().Name+"/"+string(shape), func(t *testing.T) { keepsWhatItAcknowledges(t, s, shape) })
		}
	}
}

func keepsWhatItAcknowledges(t *testing.T, s load.System, shape load.Shape) {
	if !s.Info().Can(shape, load.Put) {
		appends(t, s, shape)
		return
	}
	b := &busy{setup: load.Setup{Shape: shape, Dir: t.TempDir(), Groups: 1}, system: s, written: map[uint64]bool{}}
	b.start(t)
	before := b.flushes()
	b.work(t, 4)
	if _, counts := b.cluster.(load.FlushCounter); counts && s.Info().Durable {
		require.Greater(t, b.flushes(), before)
	}
	if s.Info().Can(shape, load.Txn) {
		done, err := b.cluster.Do(t.Context(), &load.Op{Kind: load.Txn, Keys: [][]byte{key(1 << 30), key(1<<30 + 1)}, Value: make([]byte, size(1<<30))})
		require.NoError(t, err)
		require.Equal(t, 2, done.Items)
		b.written[1<<30] = true
	}
	b.close(t)
	b.start(t)
	b.check(t)
	if s.Info().Can(shape, load.Range) {
		done, err := b.cluster.Do(t.Context(), &load.Op{Kind: load.Range, Key: []byte("bench/"), Limit: 2})
		require.NoError(t, err)
		require.Equal(t, min(2, len(b.written)+1), done.Items)
	}
	b.close(t)
}

// TestPeersGoOnWithoutTheirLeader stops the leader, writes, opens it again and lets it catch up.
func TestPeersGoOnWithoutTheirLeader(t *testing.T) {
	for _, s := range peers() {
		if !s.Info().Operable || !s.Info().Can(load.ThreeNodes, load.Put) {
			continue
		}
		t.Run(s.Info().Name, func(t *testing.T) {
			b := &busy{setup: load.Setup{Shape: load.ThreeNodes, Dir: t.TempDir(), Groups: 1}, system: s, written: map[uint64]bool{}}
			b.start(t)
			b.work(t, 2)
			ctx, cancel := context.WithTimeout(t.Context(), patient)
			defer cancel()
			operator := b.cluster.(load.Operator)
			leader, err := operator.Leader(ctx)
			require.NoError(t, err)
			require.NoError(t, operator.Stop(ctx, leader))
			b.put(t, 1<<31)
			after, err := operator.Leader(ctx)
			require.NoError(t, err)
			require.NotEqual(t, leader, after)
			require.NoError(t, operator.Start(ctx, leader))
			require.NoError(t, operator.CaughtUp(ctx, leader))
			b.check(t)
			b.close(t)
		})
	}
}

// busy is a cluster at work, and what it has acknowledged.
type busy struct {
	system  load.System
	setup   load.Setup
	cluster load.Cluster

	mu      sync.Mutex
	written map[uint64]bool // numbers of keys
}

func key(number uint64) []byte { return load.AppendKey(nil, number) }

// size is the length of the value of a key: as operations tell no values, that is by what one is known.
func size(number uint64) int { return 1 + int(number%500) }

func (b *busy) start(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	var err error
	b.cluster, err = b.system.Start(ctx, b.setup)
	require.NoError(t, err)
	if p, ok := b.cluster.(load.Processes); ok {
		apart := map[load.Shape]int{load.ThreeProcesses: 2, load.ThreeProcessesRemote: 3}
		require.Len(t, p.PIDs(), apart[b.setup.Shape])
	}
}

func (b *busy) close(t *testing.T) { require.NoError(t, b.cluster.Close()) }

func (b *busy) flushes() uint64 {
	if f, ok := b.cluster.(load.FlushCounter); ok {
		return f.Flushes()
	}
	return 0
}

// work puts new keys from some callers for a second, at least one each.
func (b *busy) work(t *testing.T, callers int) {
	until := time.Now().Add(time.Second)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := 0; i == 0 || time.Now().Before(until) && !t.Failed(); i++ {
				number := uint64(i*callers + caller)
				b.put(t, number)
				if i%8 == 0 {
					b.get(t, number)
				}
			}
		})
	}
	all.Wait()
}

// put tries until the write is acknowledged: leaders may change where a machine has much else to do.
func (b *busy) put(t *testing.T, number uint64) {
	b.must(t, &load.Op{Kind: load.Put, Worker: int(number), Key: key(number), Value: make([]byte, size(number))}, size(number))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written[number] = true
}

// get finds a key that was acknowledged, where there is a linearizable get.
func (b *busy) get(t *testing.T, number uint64) {
	if b.system.Info().Can(b.setup.Shape, load.Get) {
		b.must(t, &load.Op{Kind: load.Get, Worker: int(number), Key: key(number)}, size(number))
	}
}

// must does an operation until it succeeds, and demands so many bytes of it.
func (b *busy) must(t *testing.T, op *load.Op, bytes int) {
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		done, err := b.cluster.Do(ctx, op)
		if err == nil {
			if done != (load.Done{Items: 1, Bytes: bytes}) {
				t.Errorf("%s %s: expected an item of %d bytes, got %+v", op.Kind, op.Key, bytes, done)
			}
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Errorf("%s %s: %v", op.Kind, op.Key, errors.Join(ctx.Err(), err))
			return
		}
	}
}

// check finds all that was acknowledged. Where there are local gets alone, it waits for every replica to have it.
func (b *busy) check(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	kind := load.Get
	if !b.system.Info().Can(b.setup.Shape, kind) {
		kind = load.GetLocal
		for node := range 3 {
			if b.setup.Shape != load.OneNode && b.setup.Shape != load.OneNodeRemote {
				require.NoError(t, b.cluster.(load.Operator).CaughtUp(ctx, node))
			}
		}
	}
	require.NotEmpty(t, b.written)
	for number := range b.written {
		b.must(t, &load.Op{Kind: kind, Worker: int(number), Key: key(number)}, size(number))
	}
	require.False(t, t.Failed())
}

// appends is for peers that are logs: what was appended is read again after the cluster was closed and opened.
func appends(t *testing.T, s load.System, shape load.Shape) {
	b := &busy{setup: load.Setup{Shape: shape, Dir: t.TempDir(), Groups: 1, Log: true}, system: s}
	b.start(t)
	for i := range 20 {
		b.must(t, &load.Op{Kind: load.Append, Value: make([]byte, size(uint64(i)))}, size(uint64(i)))
	}
	b.close(t)
	b.start(t)
	done, err := b.cluster.Do(t.Context(), &load.Op{Kind: load.LogGet, Index: 7})
	require.NoError(t, err)
	require.Positive(t, done.Bytes)
	b.close(t)
}

// TestPeersDescribeThemselves: reports choose by name and tell by the other words.
func TestPeersDescribeThemselves(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, s := range peers() {
		info := s.Info()
		require.False(t, names[info.Name], info.Name)
		names[info.Name] = true
		require.NotEmpty(t, info.Version, info.Name)
		require.NotEmpty(t, info.Flushes, info.Name)
		require.NotEmpty(t, info.Settings, info.Name)
		require.NotEmpty(t, info.Shapes, info.Name)
		require.False(t, slices.Contains(info.Shapes, load.Running), info.Name)
		_, err := s.Start(t.Context(), load.Setup{Shape: load.Running, Dir: t.TempDir(), Groups: 1})
		require.ErrorIs(t, err, load.ErrUnsupported, fmt.Sprint(info.Name))
	}
}

// TestPeersSpreadOverGroups puts the same key into several groups, and gets from each what it was given.
func TestPeersSpreadOverGroups(t *testing.T) {
	const groups = 4
	for _, s := range peers() {
		if !s.Info().Groups || !s.Info().Durable {
			continue
		}
		t.Run(s.Info().Name, func(t *testing.T) {
			b := &busy{setup: load.Setup{Shape: load.ThreeNodes, Dir: t.TempDir(), Groups: groups}, system: s}
			b.start(t)
			for g := range groups {
				b.must(t, &load.Op{Kind: load.Put, Group: g, Worker: g, Key: key(7), Value: make([]byte, 10+g)}, 10+g)
			}
			kind := load.Get
			if !s.Info().Can(load.ThreeNodes, kind) {
				kind = load.GetLocal
				for node := range 3 {
					require.NoError(t, b.cluster.(load.Operator).CaughtUp(t.Context(), node))
				}
			}
			for g := range groups {
				b.must(t, &load.Op{Kind: kind, Group: g, Key: key(7)}, 10+g)
			}
			b.close(t)
		})
	}
}
