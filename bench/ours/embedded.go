package ours

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// embedded calls the members of this process as a library.
type embedded struct {
	seats []*seat
	// leads has the seat of each group's leader, by the group's number, as it was last seen; nil: look for it.
	leads []atomic.Pointer[seat]
	// readers has each caller's reader of the log, by its number.
	readers sync.Map
}

// firstEntry is the index of the first entry that a caller has appended: the leader's own is before it.
const firstEntry = 2

// embed waits until every group has a leader.
func embed(ctx context.Context, seats []*seat) (*embedded, error) {
	e := &embedded{seats: seats, leads: make([]atomic.Pointer[seat], seats[0].spec.Groups)}
	for i := range e.leads {
		if _, err := e.leader(ctx, i); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// leader gives the replica that leads a group, waiting for one if need be.
func (e *embedded) leader(ctx context.Context, number int) (group, error) {
	if s := e.leads[number].Load(); s != nil {
		if m := s.local.Load(); m != nil {
			return m.groups[number], nil
		}
	}
	return poll(ctx, func() (group, bool) {
		for _, s := range e.seats {
			if m := s.local.Load(); m != nil && m.groups[number].Role().Ready {
				e.leads[number].Store(s)
				return m.groups[number], true
			}
		}
		return group{}, false
	})
}

// follower gives a replica of group 0 that doesn't lead, or the leader where it is alone.
func (e *embedded) follower(ctx context.Context) (group, error) {
	leader, err := e.leader(ctx, 0)
	if err != nil {
		return group{}, err
	}
	for _, s := range e.seats {
		if m := s.local.Load(); m != nil && m.groups[0].Group != leader.Group {
			return m.groups[0], nil
		}
	}
	return leader, nil
}

// Do does an operation at the leader, and again at the next one when it leads no more.
func (e *embedded) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	for {
		g, err := e.leader(ctx, op.Group)
		if err != nil {
			return load.Done{}, err
		}
		done, err := e.at(ctx, g, op)
		var elsewhere *node.NotLeaderError
		if !errors.As(err, &elsewhere) && !errors.Is(err, node.ErrClosed) || ctx.Err() != nil {
			return done, err
		}
		e.leads[op.Group].Store(nil)
	}
}

// at does an operation at a replica.
func (e *embedded) at(ctx context.Context, g group, op *load.Op) (load.Done, error) {
	switch op.Kind {
	case load.Append, load.Tail, load.LogRead, load.LogGet:
		return e.log(ctx, g, op)
	}
	if g.store == nil {
		return load.Done{}, load.ErrUnsupported
	}
	switch op.Kind {
	case load.Put:
		_, err := g.store.Put(ctx, op.Key, op.Value)
		return load.Done{Items: 1, Bytes: len(op.Value)}, err
	case load.Get:
		return got(g.store.GetWith(ctx, op.Key, kv.GetOptions{}))
	case load.GetLease:
		return got(g.store.GetWith(ctx, op.Key, kv.GetOptions{Level: kv.Lease}))
	case load.GetLocal:
		return got(g.store.GetWith(ctx, op.Key, kv.GetOptions{Level: kv.Local}))
	case load.Range:
		return ranged(g.store.Range(ctx, kv.RangeOptions{From: op.Key, Limit: op.Limit}))
	case load.Txn:
		_, err := g.store.Txn(ctx, kv.Do(puts(op)...))
		return load.Done{Items: len(op.Keys), Bytes: len(op.Keys) * len(op.Value)}, err
	}
	return load.Done{}, load.ErrUnsupported
}

// got is what a get has done; a key that isn't there is no error.
func got(r kv.GetResult, err error) (load.Done, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return load.Done{}, nil
	}
	return load.Done{Items: 1, Bytes: len(r.Item.Value)}, err
}

func ranged(r kv.RangeResult, err error) (load.Done, error) {
	d := load.Done{Items: len(r.Items)}
	for _, i := range r.Items {
		d.Bytes += len(i.Value)
	}
	return d, err
}

func puts(op *load.Op) []kv.Op {
	out := make([]kv.Op, len(op.Keys))
	for i, key := range op.Keys {
		out[i] = kv.Put(key, op.Value)
	}
	return out
}

// log does an operation of logs.
func (e *embedded) log(ctx context.Context, g group, op *load.Op) (load.Done, error) {
	switch op.Kind {
	case load.Append:
		_, err := g.Propose(ctx, op.Value)
		return load.Done{Items: 1, Bytes: len(op.Value)}, err
	case load.Tail:
		return e.tail(ctx, g, op)
	case load.LogGet:
		r, err := g.Record(raft.Index(op.Index + firstEntry))
		return load.Done{Items: 1, Bytes: len(r.Body)}, err
	}
	return e.scan(g, op)
}

// tail appends and waits until a follower gives the entry back.
func (e *embedded) tail(ctx context.Context, g group, op *load.Op) (load.Done, error) {
	at, err := g.Propose(ctx, op.Value)
	if err != nil {
		return load.Done{}, err
	}
	f, err := e.follower(ctx)
	if err != nil {
		return load.Done{}, err
	}
	if err := f.WaitApplied(ctx, at.Index); err != nil {
		return load.Done{}, err
	}
	r, err := f.Record(at.Index)
	return load.Done{Items: 1, Bytes: len(r.Body)}, err
}

// scanner is a caller's reader of a log.
type scanner struct {
	of     *node.Group
	reader *ledger.Reader
	recs   []ledger.Record
}

// scan reads the next entries of the log, in place and verified, with the caller's reader.
func (e *embedded) scan(g group, op *load.Op) (load.Done, error) {
	kept, _ := e.readers.LoadOrStore(op.Worker, &scanner{})
	s := kept.(*scanner)
	from := raft.Index(op.Index + firstEntry)
	if s.of != g.Group {
		s.close()
		s.of, s.reader = g.Group, g.Ledger().Reader(from)
	}
	if s.reader.Index() != from {
		s.reader.Seek(from)
	}
	recs, err := s.reader.Batch(g.Committed(), op.Limit, s.recs[:0])
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return load.Done{}, err
	}
	s.recs = recs
	d := load.Done{Items: len(recs)}
	for i := range recs {
		d.Bytes += len(recs[i].Body)
	}
	return d, nil
}

func (s *scanner) close() {
	if s.reader != nil {
		_ = s.reader.Close() // it has nothing to lose
		s.reader = nil
	}
}

// close gives back what callers hold.
func (e *embedded) close() error {
	e.readers.Range(func(_, s any) bool {
		s.(*scanner).close()
		return true
	})
	return nil
}
