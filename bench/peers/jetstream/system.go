package jetstream

import (
	"context"
	"errors"
	"slices"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// System is NATS JetStream as a load.System and load.NodeServer.
type System struct {
	// Default leaves flushing as the server has it by default: every two minutes.
	Default bool
}

// lazily is the trio.Spec.Option of servers that flush as they do by default.
const lazily = "default"

func (s System) option() string {
	if s.Default {
		return lazily
	}
	return ""
}

func (s System) name() string {
	if s.Default {
		return "nats-default"
	}
	return "nats"
}

var shapes = []load.Shape{load.ThreeNodes, load.ThreeNodesRemote, load.ThreeProcesses, load.ThreeProcessesRemote, load.OneNode, load.OneNodeRemote}

// Info describes the peer.
func (s System) Info() load.Info {
	info := load.Info{
		Name:    s.name(),
		Family:  "nats",
		Version: "server v2.15.2, client v1.55.0",
		Flushes: "the Raft log of a quorum, fsync",
		Durable: true,
		Settings: []string{
			"sync_interval: always, so that what is acknowledged is flushed",
			"a bucket of three file replicas with a history of 1 for each group; logs: a stream of three file replicas",
			"embedded calls are the client's over a pipe in the process, to the server that leads the bucket; remote calls four connections, the first server of which is the leader's",
			"gets are direct gets, which any replica answers: they count as local. A get by the leader takes no round either, so there is no linearizable one",
			"clients ping each second and give up after two without an answer (two minutes by default), so that a server that stands still is left",
			"publishing waits for each acknowledgement, as an update of a bucket does",
		},
		Shapes:   shapes,
		Kinds:    []load.Kind{load.Put, load.GetLocal, load.Append, load.LogGet},
		Groups:   true,
		Operable: true,
	}
	if s.Default {
		info.Flushes, info.Durable = "nothing: every two minutes", false
		info.Settings[0] = "sync_interval by default: what is acknowledged is not flushed, and a power cut on a quorum loses up to two minutes"
	}
	return info
}

// The addresses of a server, by purpose.
const (
	clientAddress = iota
	routeAddress
	purposes
)

// Start starts a cluster, on what setup.Dir holds.
func (s System) Start(ctx context.Context, setup load.Setup) (load.Cluster, error) {
	if !slices.Contains(shapes, setup.Shape) {
		return nil, load.ErrUnsupported
	}
	nodes := 3
	if setup.Shape == load.OneNode || setup.Shape == load.OneNodeRemote {
		nodes = 1
	}
	specs, err := trio.Specs(setup, nodes, purposes, s.option())
	if err != nil {
		return nil, err
	}
	c, err := trio.Start(ctx, s.name(), open, specs)
	if err != nil {
		return nil, err
	}
	switch setup.Shape {
	case load.ThreeNodes, load.ThreeProcesses, load.OneNode:
		return &embedded{c}, nil
	}
	r, err := newRemote(ctx, c, specs)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return r, nil
}

// OpenNode opens a server in a process of its own.
func (s System) OpenNode(ctx context.Context, spec string) (load.Node, error) {
	return trio.Serve(ctx, open, spec)
}

// embedded calls the server that leads, through a pipe in this process.
type embedded struct{ *trio.Cluster[*server] }

func (e *embedded) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	s, err := e.Lead(op.Group)
	if op.Kind == load.GetLocal {
		ok := false
		if s, ok = e.Any(op.Worker); ok {
			err = nil
		}
	}
	if err != nil {
		return load.Done{}, err
	}
	done, err := s.clients[op.Worker%connections].do(ctx, op)
	if err != nil && !errors.Is(err, load.ErrUnsupported) {
		_, _ = e.Lost(op.Group) // who leads now shows at the next operation
	}
	return done, err
}

// remote calls the servers over TCP.
type remote struct {
	*trio.Cluster[*server]
	clients [connections]*client
}

// newRemote connects to the leader's server first; the clients find the others when it is gone. Where there are several groups, each with a leader of its own, the
// connections begin at different servers.
func newRemote(ctx context.Context, c *trio.Cluster[*server], specs []trio.Spec) (*remote, error) {
	leader, err := c.Leader(ctx)
	if err != nil {
		return nil, err
	}
	r := &remote{Cluster: c}
	for i := range r.clients {
		first := leader
		if specs[0].Setup.Groups > 1 {
			first = i % len(specs)
		}
		var urls []string
		for j := range specs {
			urls = append(urls, "nats://"+specs[(first+j)%len(specs)].Address(clientAddress))
		}
		if r.clients[i], err = dial(specs[0], urls); err != nil {
			return nil, errors.Join(err, r.disconnect())
		}
	}
	return r, nil
}

func (r *remote) disconnect() error {
	for _, c := range r.clients {
		if c != nil {
			c.conn.Close()
		}
	}
	return nil
}

func (r *remote) Close() error { return errors.Join(r.disconnect(), r.Cluster.Close()) }

func (r *remote) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	return r.clients[op.Worker%connections].do(ctx, op)
}
