package ours

import (
	"context"
	"errors"
	"sync"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/client"
)

// remote calls a cluster over its client ports.
type remote struct {
	clients []*client.Client
	logs    []*client.Log
	// scans has each caller's follower of the log, by its number.
	scans sync.Map
	tail  tail
}

// dial makes the clients. They connect when they are used.
func dial(opts client.Options, log string) (*remote, error) {
	r := &remote{}
	for range remoteClients {
		c, err := client.Open(opts)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.clients, r.logs = append(r.clients, c), append(r.logs, c.Log(log))
	}
	return r, nil
}

// Do does an operation.
func (r *remote) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	if op.Group > 0 {
		return load.Done{}, load.ErrUnsupported
	}
	c := r.clients[op.Worker%len(r.clients)]
	switch op.Kind {
	case load.Put:
		_, err := c.Put(ctx, op.Key, op.Value)
		return load.Done{Items: 1, Bytes: len(op.Value)}, err
	case load.Get:
		return got(c.GetWith(ctx, op.Key, client.GetOptions{}))
	case load.GetLease:
		return got(c.GetWith(ctx, op.Key, client.GetOptions{Level: client.Lease}))
	case load.GetLocal:
		return got(c.GetWith(ctx, op.Key, client.GetOptions{Level: client.Local}))
	case load.Range:
		return ranged(c.Range(ctx, client.RangeOptions{From: op.Key, Limit: op.Limit}))
	case load.Txn:
		_, err := c.Txn(ctx, client.Do(puts(op)...))
		return load.Done{Items: len(op.Keys), Bytes: len(op.Keys) * len(op.Value)}, err
	}
	return r.log(ctx, r.logs[op.Worker%len(r.logs)], op)
}

// log does an operation of logs.
func (r *remote) log(ctx context.Context, l *client.Log, op *load.Op) (load.Done, error) {
	switch op.Kind {
	case load.Append:
		_, err := l.Append(ctx, op.Value)
		return load.Done{Items: 1, Bytes: len(op.Value)}, err
	case load.Tail:
		if err := r.tail.follow(l); err != nil {
			return load.Done{}, err
		}
		at, err := l.Append(ctx, op.Value)
		if err != nil {
			return load.Done{}, err
		}
		return load.Done{Items: 1, Bytes: len(op.Value)}, r.tail.await(ctx, at.Index)
	case load.LogGet:
		rec, err := l.Get(ctx, client.Index(op.Index+firstEntry))
		return load.Done{Items: 1, Bytes: len(rec.Body)}, err
	case load.LogRead:
		return r.scan(ctx, l, op)
	}
	return load.Done{}, load.ErrUnsupported
}

// stream is a caller's place in a log.
type stream struct {
	follower *client.Follower
	next     uint64
}

// scan reads on in the caller's stream, or begins one where it wants to read.
func (r *remote) scan(ctx context.Context, l *client.Log, op *load.Op) (load.Done, error) {
	kept, _ := r.scans.LoadOrStore(op.Worker, &stream{})
	s := kept.(*stream)
	if s.follower == nil || s.next != op.Index {
		if s.follower != nil {
			s.follower.Close()
		}
		s.follower, s.next = l.Follow(client.FollowOptions{From: client.Index(op.Index + firstEntry)}), op.Index
	}
	var d load.Done
	for d.Bytes < op.Limit {
		rec, err := s.follower.Next(ctx)
		if err != nil {
			return load.Done{}, err
		}
		s.next++
		d.Items, d.Bytes = d.Items+1, d.Bytes+len(rec.Body)
	}
	return d, nil
}

func (r *remote) close() error {
	r.scans.Range(func(_, s any) bool {
		if f := s.(*stream).follower; f != nil {
			f.Close()
		}
		return true
	})
	r.tail.close()
	var errs []error
	for _, c := range r.clients {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
