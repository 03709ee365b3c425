package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// connections is how many a cluster's callers share, as for every system.
const connections = 4

// remote calls the members over gRPC.
type remote struct {
	*trio.Cluster[*member]
	clients [connections]*clientv3.Client
	all     []string
	widened atomic.Bool // the clients know all members, no longer the leader alone
}

// newRemote connects clients to the leader.
func newRemote(ctx context.Context, c *trio.Cluster[*member], specs []trio.Spec) (*remote, error) {
	r := &remote{Cluster: c}
	for _, s := range specs {
		r.all = append(r.all, "http://"+s.Address(clientAddress))
	}
	leader, err := c.Leader(ctx)
	if err != nil {
		return nil, err
	}
	for i := range r.clients {
		r.clients[i], err = clientv3.New(clientv3.Config{Endpoints: r.all[leader : leader+1], Logger: zap.NewNop()})
		if err == nil {
			_, err = r.clients[i].Get(ctx, "bench/connected") // it connects at the first request
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("etcd: connecting a client to %s: %w", r.all[leader], err), r.disconnect())
		}
	}
	return r, nil
}

func (r *remote) disconnect() error {
	var errs []error
	for _, c := range r.clients {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

func (r *remote) Close() error { return errors.Join(r.disconnect(), r.Cluster.Close()) }

func (r *remote) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	done, err := call(ctx, r.clients[op.Worker%connections], op)
	if err != nil && !errors.Is(err, load.ErrUnsupported) && r.widened.CompareAndSwap(false, true) { // the leader may be gone, or stand still
		for _, c := range r.clients {
			c.SetEndpoints(r.all...)
		}
	}
	return done, err
}

func call(ctx context.Context, c *clientv3.Client, op *load.Op) (load.Done, error) {
	switch op.Kind {
	case load.Put:
		_, err := c.Put(ctx, string(op.Key), string(op.Value))
		return load.Done{Items: 1, Bytes: len(op.Value)}, err
	case load.Get:
		return readClient(c.Get(ctx, string(op.Key)))
	case load.GetLocal:
		return readClient(c.Get(ctx, string(op.Key), clientv3.WithSerializable()))
	case load.Range:
		return readClient(c.Get(ctx, string(op.Key), clientv3.WithFromKey(), clientv3.WithLimit(int64(op.Limit))))
	case load.Txn:
		value := string(op.Value)
		var puts []clientv3.Op
		for _, key := range op.Keys {
			puts = append(puts, clientv3.OpPut(string(key), value))
		}
		_, err := c.Txn(ctx).Then(puts...).Commit()
		return load.Done{Items: len(op.Keys), Bytes: len(op.Keys) * len(op.Value)}, err
	}
	return load.Done{}, load.ErrUnsupported
}

func readClient(found *clientv3.GetResponse, err error) (load.Done, error) {
	if err != nil {
		return load.Done{}, err
	}
	done := load.Done{Items: len(found.Kvs)}
	for _, kv := range found.Kvs {
		done.Bytes += len(kv.Value)
	}
	return done, nil
}
