package etcd

import (
	"context"
	"errors"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// System is etcd as a load.System and load.NodeServer.
type System struct{}

const name = "etcd"

var shapes = []load.Shape{load.ThreeNodes, load.ThreeNodesRemote, load.ThreeProcesses, load.ThreeProcessesRemote, load.OneNode, load.OneNodeRemote}

// Info describes the peer.
func (System) Info() load.Info {
	return load.Info{
		Name:    name,
		Version: "v3.7.3",
		Flushes: "the log of a quorum, fdatasync",
		Durable: true,
		Settings: []string{
			"embedded calls are the server's own methods (Put, Range, Txn), below its quota and authorisation layers: \"etcd direct\"",
			"remote calls are etcd's client over gRPC, four clients connected to the leader, so that no request takes a detour through a follower: \"etcd gRPC\"",
			"quota of the backend 8 GiB (2 by default): long runs would end in an alarm",
			"limit of a transaction by default (128); snapshots, batches of the backend and timing by default",
		},
		Shapes:   shapes,
		Kinds:    []load.Kind{load.Put, load.Get, load.GetLocal, load.Range, load.Txn},
		Operable: true,
	}
}

// The addresses of a member, by purpose.
const (
	peerAddress = iota
	clientAddress
	purposes
)

// Start starts a cluster, on what setup.Dir holds.
func (System) Start(ctx context.Context, setup load.Setup) (load.Cluster, error) {
	if !slices.Contains(shapes, setup.Shape) || setup.Log {
		return nil, load.ErrUnsupported
	}
	nodes := 3
	if setup.Shape == load.OneNode || setup.Shape == load.OneNodeRemote {
		nodes = 1
	}
	specs, err := trio.Specs(setup, nodes, purposes, "")
	if err != nil {
		return nil, err
	}
	c, err := trio.Start(ctx, name, open, specs)
	if err != nil {
		return nil, err
	}
	switch setup.Shape {
	case load.ThreeNodes, load.ThreeProcesses, load.OneNode:
		return &direct{c}, nil
	}
	r, err := newRemote(ctx, c, specs)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return r, nil
}

// OpenNode opens a member in a process of its own.
func (System) OpenNode(ctx context.Context, spec string) (load.Node, error) {
	return trio.Serve(ctx, open, spec)
}

// direct calls the leader's methods.
type direct struct{ *trio.Cluster[*member] }

func (d *direct) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	m, err := d.Lead(0)
	if op.Kind == load.GetLocal {
		ok := false
		if m, ok = d.Any(op.Worker); ok {
			err = nil
		}
	}
	if err != nil {
		return load.Done{}, err
	}
	done, err := m.do(ctx, op)
	if err != nil && !errors.Is(err, load.ErrUnsupported) {
		_, _ = d.Lost(0) // who leads now shows at the next operation
	}
	return done, err
}

// do does an operation by the server's methods. They keep the request, so it shares nothing with op.
func (m *member) do(ctx context.Context, op *load.Op) (load.Done, error) {
	s := m.etcd.Server
	switch op.Kind {
	case load.Put:
		_, err := s.Put(ctx, &pb.PutRequest{Key: slices.Clone(op.Key), Value: slices.Clone(op.Value)})
		return load.Done{Items: 1, Bytes: len(op.Value)}, err
	case load.Get, load.GetLocal:
		return read(s.Range(ctx, &pb.RangeRequest{Key: slices.Clone(op.Key), Serializable: op.Kind == load.GetLocal}))
	case load.Range:
		return read(s.Range(ctx, &pb.RangeRequest{Key: slices.Clone(op.Key), RangeEnd: []byte{0}, Limit: int64(op.Limit)}))
	case load.Txn:
		_, err := s.Txn(ctx, transaction(op))
		return load.Done{Items: len(op.Keys), Bytes: len(op.Keys) * len(op.Value)}, err
	}
	return load.Done{}, load.ErrUnsupported
}

func transaction(op *load.Op) *pb.TxnRequest {
	value := slices.Clone(op.Value)
	txn := &pb.TxnRequest{}
	for _, key := range op.Keys {
		put := &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: slices.Clone(key), Value: value}}
		txn.Success = append(txn.Success, &pb.RequestOp{Request: put})
	}
	return txn
}

func read(found *pb.RangeResponse, err error) (load.Done, error) {
	if err != nil {
		return load.Done{}, err
	}
	done := load.Done{Items: len(found.Kvs)}
	for _, kv := range found.Kvs {
		done.Bytes += len(kv.Value)
	}
	return done, nil
}
