package kv_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
)

// benchCluster opens three nodes in this process, over TCP on loopback and the file system of the test's directory, every write flushed
// on a quorum before it is acknowledged, and gives the leader.
func benchCluster(b *testing.B, engine kv.EngineKind) *kv.Store {
	dir := b.TempDir()
	var peers []kv.Peer
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		peers = append(peers, kv.Peer{ID: kv.NodeID(fmt.Sprintf("n%d", i+1)), Address: l.Addr().String()})
		require.NoError(b, l.Close())
	}
	var stores []*kv.Store
	for _, p := range peers {
		s, err := kv.Open(kv.Options{Dir: fmt.Sprintf("%s/%s", dir, p.ID), Node: p.ID, Peers: peers, Engine: engine,
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		require.NoError(b, err)
		b.Cleanup(func() { s.Close() })
		stores = append(stores, s)
	}
	// The first to become ready ends the wait of all.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	ready := make(chan *kv.Store, len(stores))
	var waits sync.WaitGroup
	for _, s := range stores {
		waits.Add(1)
		go func() {
			defer waits.Done()
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
		}()
	}
	var leader *kv.Store
	select {
	case leader = <-ready:
	case <-ctx.Done():
	}
	cancel()
	waits.Wait()
	require.NotNil(b, leader, "no leader within a minute")
	return leader
}

// BenchmarkCluster puts 16-byte keys (100,000 of them) and 128-byte values from so many writers at a time. It reports puts a second and the median
// and 99th percentile of their latency besides.
func BenchmarkCluster(b *testing.B) {
	for _, engine := range []kv.EngineKind{kv.BTree, kv.Pebble} {
		for _, writers := range []int{1, 64, 256, 1024} {
			b.Run(fmt.Sprintf("engine=%s/writers=%d", engine, writers), func(b *testing.B) {
				store := benchCluster(b, engine)
				b.ReportAllocs()
				b.ResetTimer()
				latencies := put(b, store, writers)
				b.StopTimer()
				slices.Sort(latencies)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
				b.ReportMetric(float64(latencies[len(latencies)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds()), "p99-µs")
			})
		}
	}
}

// put shares b.N puts among writers and gives every put's latency.
func put(b *testing.B, store *kv.Store, writers int) []time.Duration {
	const keys = 100_000
	latencies := make([]time.Duration, b.N)
	var next atomic.Int64
	var group sync.WaitGroup
	value := make([]byte, 128)
	for range writers {
		group.Add(1)
		go func() {
			defer group.Done()
			key := make([]byte, 16)
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				binary.BigEndian.PutUint64(key[8:], uint64(i*7919%keys))
				start := time.Now()
				if _, err := store.Put(context.Background(), key, value); err != nil {
					b.Error(err)
					return
				}
				latencies[i-1] = time.Since(start)
			}
		}()
	}
	group.Wait()
	return latencies
}
