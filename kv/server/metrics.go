package server

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/node"
)

// Metrics counts what happens on a node, for Admin. Make it before the node, open the node with its Hooks, and give it to New. All
// methods may be called from any goroutine; none blocks.
type Metrics struct {
	start time.Time
	// requests counts answers by verb and code; seconds has their times by verb.
	requests [verbs][codes]atomic.Uint64
	seconds  [verbs]histogram
	// groups holds a *groupMetrics for each node.GroupID, peers a *peerMetrics for each node.NodeID.
	groups sync.Map
	peers  sync.Map
}

// verbs and codes are how many there are, with one more for what this node does not know.
const (
	verbs = int(rpc.VerbHash) + 2
	codes = int(rpc.CodeFailed) + 2
)

// groupMetrics is what is counted for a group.
type groupMetrics struct {
	flushes     histogram
	batches     atomic.Uint64
	roleChanges atomic.Uint64
	failures    atomic.Uint64
	// images counts by node.ImageEvent.
	images [node.ImageInstalled + 1]atomic.Uint64
}

// peerMetrics is what is counted for a peer.
type peerMetrics struct {
	connected, disconnected, dropped atomic.Uint64
}

// NewMetrics makes counters that stand at zero.
func NewMetrics() *Metrics { return &Metrics{start: time.Now()} }

// Hooks are to be given to node.Open.
func (m *Metrics) Hooks() node.Hooks {
	return node.Hooks{
		RoleChanged: func(group node.GroupID, _ string, _ node.RoleState) { m.group(group).roleChanges.Add(1) },
		Failed:      func(group node.GroupID, _ string, _ error) { m.group(group).failures.Add(1) },
		Flushed: func(group node.GroupID, n int, d time.Duration) {
			g := m.group(group)
			g.flushes.observe(d)
			g.batches.Add(uint64(n))
		},
		Connected:    func(peer node.NodeID) { m.peer(peer).connected.Add(1) },
		Disconnected: func(peer node.NodeID, _ error) { m.peer(peer).disconnected.Add(1) },
		Dropped:      func(peer node.NodeID, n int) { m.peer(peer).dropped.Add(uint64(n)) },
		Image:        func(group node.GroupID, event node.ImageEvent, _ node.Index) { m.group(group).images[event].Add(1) },
	}
}

func (m *Metrics) group(id node.GroupID) *groupMetrics { return entry[groupMetrics](&m.groups, id) }

func (m *Metrics) peer(id node.NodeID) *peerMetrics { return entry[peerMetrics](&m.peers, id) }

// entry gives what a map holds for a key, making it if need be.
func entry[T any](m *sync.Map, key any) *T {
	if v, ok := m.Load(key); ok {
		return v.(*T)
	}
	v, _ := m.LoadOrStore(key, new(T))
	return v.(*T)
}

// served counts a request.
func (m *Metrics) served(verb rpc.Verb, code rpc.Code, took time.Duration) {
	v, c := min(int(verb), verbs-1), min(int(code), codes-1)
	m.requests[v][c].Add(1)
	if !verb.Streams() {
		m.seconds[v].observe(took)
	}
}

// bounds are the upper bounds of a histogram's buckets.
var bounds = [...]time.Duration{50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond,
	2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second}

// histogram counts durations. Its buckets are not cumulative; exposition adds them up.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	nanos   atomic.Uint64
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(uint64(max(d, 0)))
}
