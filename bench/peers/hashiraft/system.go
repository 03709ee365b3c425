package hashiraft

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/table"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// System is hashicorp/raft as a load.System and load.NodeServer.
type System struct{}

const name = "hashicorp-raft"

// Info describes the peer.
func (System) Info() load.Info {
	return load.Info{
		Name:    name,
		Version: "raft v1.8.0, raft-wal v0.4.0",
		Flushes: "the log of a quorum, fsync",
		Durable: true,
		Counts:  "calls of fsync on log segments, in the file layer that raft-wal takes (term and vote, in its bbolt file, change with elections alone)",
		Settings: []string{
			"MaxAppendEntries 1024 (the most there is; 64 by default) and BatchApplyCh: larger batches under load",
			"log cache of 8,192 entries before raft-wal, as Consul puts one there: followers are served from memory",
			"state machine: a Go map that implements BatchingFSM; it has no order, so there are no ranges",
			"linearizable get: VerifyLeader, one round shared by all reads that arrived before it began, after a Barrier in a new term",
			"its check is looser than others': an answer counts to questions that came after its request had left, so a read may miss a new leader's write",
			"snapshots and trailing logs by default (8,192 entries, every 2 minutes; 10,240 kept)",
			"log append: an entry that the state machine ignores; the log is not offered for reading",
		},
		Shapes:   []load.Shape{load.ThreeNodes, load.ThreeProcesses, load.OneNode},
		Kinds:    []load.Kind{load.Put, load.Get, load.GetLocal, load.Txn, load.Append},
		Operable: true,
	}
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
	specs, err := trio.Specs(setup, nodes, 1, "")
	if err != nil {
		return nil, err
	}
	c, err := trio.Start(ctx, name, open, specs)
	if err != nil {
		return nil, err
	}
	return &cluster{Cluster: c, log: setup.Log}, nil
}

// OpenNode opens a node in a process of its own.
func (System) OpenNode(ctx context.Context, spec string) (load.Node, error) {
	return trio.Serve(ctx, open, spec)
}

type cluster struct {
	*trio.Cluster[*node]
	log bool
}

// Flushes counts the flushes of log segments.
func (c *cluster) Flushes() uint64 { return c.GateFlushes() }

func (c *cluster) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	leader, err := c.Lead(0)
	if op.Kind == load.GetLocal {
		leader, err = c.local(op.Worker)
	}
	if err != nil {
		return load.Done{}, err
	}
	done, err := leader.do(ctx, op)
	if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipLost) || errors.Is(err, raft.ErrRaftShutdown) {
		_, _ = c.Lost(0) // who leads now shows at the next operation
	}
	return done, err
}

func (c *cluster) local(worker int) (*node, error) {
	if n, ok := c.Any(worker); ok {
		return n, nil
	}
	return nil, trio.ErrNoLeader
}

// enqueueing bounds how long an operation waits to be taken by the library, not how long it takes.
const enqueueing = 5 * time.Second

func (n *node) do(ctx context.Context, op *load.Op) (load.Done, error) {
	switch op.Kind {
	case load.Put:
		return load.Done{Items: 1, Bytes: len(op.Value)}, n.apply(ctx, table.Put(op.Key, op.Value))
	case load.Txn:
		return load.Done{Items: len(op.Keys), Bytes: len(op.Keys) * len(op.Value)}, n.apply(ctx, table.PutAll(op.Keys, op.Value))
	case load.Append:
		return load.Done{Items: 1, Bytes: len(op.Value)}, n.apply(ctx, append([]byte(nil), op.Value...))
	case load.Get:
		if err := n.reads.confirm(ctx); err != nil {
			return load.Done{}, err
		}
		return n.get(op.Key), nil
	case load.GetLocal:
		return n.get(op.Key), nil
	}
	return load.Done{}, load.ErrUnsupported
}

// apply replicates a command, which belongs to the library from then on, and waits until it is applied here. The library can't be told to give up, so where there is a
// deadline, as workloads that break leaders have, somebody else waits for it.
func (n *node) apply(ctx context.Context, command []byte) error {
	future := n.raft.Apply(command, enqueueing)
	if _, impatient := ctx.Deadline(); !impatient {
		return outcome(future)
	}
	done := make(chan error, 1)
	go func() { done <- outcome(future) }() // ends at the latest when the library is shut down
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func outcome(future raft.ApplyFuture) error {
	if err := future.Error(); err != nil {
		return err
	}
	err, _ := future.Response().(error)
	return err
}

func (n *node) get(key []byte) load.Done {
	value := n.machine.table.Get(key)
	if value == nil {
		return load.Done{}
	}
	return load.Done{Items: 1, Bytes: len(value)}
}
