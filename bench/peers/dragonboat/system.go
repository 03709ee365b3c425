package dragonboat

import (
	"context"
	"errors"
	"fmt"
	"time"

	boat "github.com/lni/dragonboat/v4"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/table"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// Store is a log store of dragonboat.
type Store string

// The stores: Tan is a log made for the purpose, Pebble the default.
const (
	Tan    Store = "tan"
	Pebble Store = "pebble"
)

// System is dragonboat on a store as a load.System and load.NodeServer.
type System struct{ Store Store }

func (s System) name() string {
	if s.Store == Tan {
		return "dragonboat"
	}
	return "dragonboat-" + string(s.Store)
}

// Info describes the peer.
func (s System) Info() load.Info {
	info := load.Info{
		Name:    s.name(),
		Family:  "dragonboat",
		Version: "v4.0.0-20250723143628-076c7f6497dc, log store " + string(s.Store),
		Flushes: "the log of a quorum, fsync",
		Durable: true,
		Settings: []string{
			"log store " + string(s.Store) + ", its configuration by default (16 shards; one group uses one)",
			"RTT 100 ms, heartbeat 1, election 10, PreVote and CheckQuorum: etcd's timing, and the safeguards that the others have on",
			"snapshot every 100,000 entries, 10,000 kept: without a number it would never take one, and its log never end",
			"state machine: a Go map as an IConcurrentStateMachine, so that updates come in batches; it has no order, so there are no ranges",
			"no session (NO-OP): nothing is kept for exactly-once, which costs less",
			"linearizable get: ReadIndex, then a local lookup",
			"log append: an entry that the state machine ignores; the log is not offered for reading",
		},
		Shapes:   []load.Shape{load.ThreeNodes, load.ThreeProcesses, load.OneNode},
		Kinds:    []load.Kind{load.Put, load.Get, load.GetLocal, load.Txn, load.Append},
		Groups:   true,
		Operable: true,
	}
	if s.Store == Tan {
		info.Counts = "calls of fsync, in the file layer that dragonboat takes"
	}
	return info
}

// Start starts a cluster, on what setup.Dir holds.
func (s System) Start(ctx context.Context, setup load.Setup) (load.Cluster, error) {
	nodes := 3
	switch setup.Shape {
	case load.ThreeNodes, load.ThreeProcesses:
	case load.OneNode:
		nodes = 1
	default:
		return nil, load.ErrUnsupported
	}
	specs, err := trio.Specs(setup, nodes, 1, string(s.Store))
	if err != nil {
		return nil, err
	}
	c, err := trio.Start(ctx, s.name(), open, specs)
	if err != nil {
		return nil, err
	}
	if s.Store == Tan {
		return counted{cluster{c}}, nil
	}
	return cluster{c}, nil
}

// OpenNode opens a node in a process of its own.
func (s System) OpenNode(ctx context.Context, spec string) (load.Node, error) {
	return trio.Serve(ctx, open, spec)
}

type cluster struct{ *trio.Cluster[*node] }

// counted is a cluster whose flushes pass gates.
type counted struct{ cluster }

// Flushes counts all flushes of the library, those of directories among them.
func (c counted) Flushes() uint64 { return c.GateFlushes() }

func (c cluster) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	n, err := c.Lead(op.Group)
	if op.Kind == load.GetLocal {
		ok := false
		if n, ok = c.Any(op.Worker); ok {
			err = nil
		}
	}
	if err != nil {
		return load.Done{}, err
	}
	done, err := n.do(ctx, op)
	if err != nil && !errors.Is(err, load.ErrUnsupported) {
		_, _ = c.Lost(op.Group) // who leads now shows at the next operation
	}
	return done, err
}

// patience is how long the library tries: it wants to know at each operation.
const patience = 10 * time.Second

func (n *node) do(ctx context.Context, op *load.Op) (load.Done, error) {
	shard := shardID(op.Group)
	switch op.Kind {
	case load.Put:
		return load.Done{Items: 1, Bytes: len(op.Value)}, n.propose(ctx, shard, table.Put(op.Key, op.Value))
	case load.Txn:
		return load.Done{Items: len(op.Keys), Bytes: len(op.Keys) * len(op.Value)}, n.propose(ctx, shard, table.PutAll(op.Keys, op.Value))
	case load.Append:
		return load.Done{Items: 1, Bytes: len(op.Value)}, n.propose(ctx, shard, append([]byte(nil), op.Value...))
	case load.Get:
		return n.read(ctx, shard, op.Key)
	case load.GetLocal:
		return found(n.host.StaleRead(shard, op.Key))
	}
	return load.Done{}, load.ErrUnsupported
}

// propose replicates a command, which belongs to the library from then on, and waits until it is applied here.
func (n *node) propose(ctx context.Context, shard uint64, command []byte) error {
	request, err := n.host.Propose(n.host.GetNoOPSession(shard), command, patience)
	if err != nil {
		return err
	}
	if err := await(ctx, request); err != nil {
		return err
	}
	request.Release()
	return nil
}

func (n *node) read(ctx context.Context, shard uint64, key []byte) (load.Done, error) {
	request, err := n.host.ReadIndex(shard, patience)
	if err != nil {
		return load.Done{}, err
	}
	if err := await(ctx, request); err != nil {
		return load.Done{}, err
	}
	defer request.Release()
	return found(n.host.ReadLocalNode(request, key))
}

// await waits for a request. One that has failed or was given up is left to the collector: the library may still hold it.
func await(ctx context.Context, request *boat.RequestState) error {
	select {
	case result := <-request.ResultC():
		if !result.Completed() {
			return fmt.Errorf("dragonboat: expected the request to complete; timed out: %t, rejected: %t, dropped: %t, terminated: %t",
				result.Timeout(), result.Rejected(), result.Dropped(), result.Terminated())
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func found(value any, err error) (load.Done, error) {
	if v, _ := value.([]byte); v != nil && err == nil {
		return load.Done{Items: 1, Bytes: len(v)}, nil
	}
	return load.Done{}, err
}
