package node_test

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// lazyFS is the operating system's file system, without its flushes: the making of thousands of groups is not what is measured.
type lazyFS struct{ fs.FS }

func (lazyFS) SyncDir(string) error { return nil }

func (l lazyFS) Create(name string) (fs.File, error) { return lazy(l.FS.Create(name)) }
func (l lazyFS) Open(name string) (fs.File, error)   { return lazy(l.FS.Open(name)) }

func lazy(f fs.File, err error) (fs.File, error) {
	if err != nil {
		return nil, err
	}
	return lazyFile{f}, nil
}

type lazyFile struct{ fs.File }

func (lazyFile) Datasync() error { return nil }

// BenchmarkIdle measures what many idle groups on each of three nodes of one process cost: processor time, of one core and for all three
// nodes, and memory for each replica. An op is a second of idleness.
func BenchmarkIdle(b *testing.B) {
	for _, groups := range []int{1, 1000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) { benchmarkIdle(b, groups) })
	}
}

func benchmarkIdle(b *testing.B, groups int) {
	network := transport.NewNetwork()
	peers := []node.Peer{{ID: "n1", Address: "memory:n1"}, {ID: "n2", Address: "memory:n2"}, {ID: "n3", Address: "memory:n3"}}
	before := memory()
	var nodes []*node.Node
	for _, p := range peers {
		n, err := node.Open(node.Options{Dir: filepath.Join(b.TempDir(), string(p.ID)), ID: p.ID, Peers: peers, Transport: network.Transport(p.ID), FS: lazyFS{fs.OS},
			QuietAfter: time.Second, ScrubBytesPerSecond: -1, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		require.NoError(b, err)
		defer n.Close()
		nodes = append(nodes, n)
	}
	for g := range groups {
		for _, n := range nodes {
			_, err := n.OpenGroup(node.GroupOptions{ID: node.GroupID(g + 1), Name: fmt.Sprintf("g%d", g), SegmentSize: 1 << 16})
			require.NoError(b, err)
		}
	}
	for g := range groups {
		for r := nodes[0].Group(fmt.Sprintf("g%d", g)); r.Role().Leader == raft.None; {
			_, err := r.AwaitRole(b.Context(), r.Role().Seq)
			require.NoError(b, err)
		}
	}
	for used := processorTime(); ; { // until they sleep: two seconds that cost about the same
		time.Sleep(2 * time.Second)
		now := processorTime()
		if now-used < 200*time.Millisecond || b.Elapsed() > 2*time.Minute {
			break
		}
		used = now
	}
	b.ResetTimer()
	used := processorTime()
	for range b.N {
		time.Sleep(time.Second)
	}
	used = processorTime() - used
	b.ReportMetric(100*used.Seconds()/b.Elapsed().Seconds(), "%core")
	b.ReportMetric(float64(memory()-before)/float64(3*groups), "B/replica")
	b.ReportMetric(0, "ns/op")
}

// memory is what the heap and the stacks take.
func memory() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc + s.StackInuse
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
