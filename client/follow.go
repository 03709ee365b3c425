package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// FollowOptions say what a Follower reads. The zero value reads the data of the whole log.
type FollowOptions struct {
	// From is the first index; 0 and 1 are the beginning of the log.
	From Index
	// AllKinds gives entries of every kind, not only data.
	AllKinds bool
}

// Follower reads a log in order, entry by entry, and waits for those that are still to come. When a connection breaks it goes
// on from another node, without leaving out or repeating an entry. It belongs to one goroutine at a time.
type Follower struct {
	log    *Log
	opts   FollowOptions
	next   Index
	stream *rpc.Stream
	from   *endpoint
	part   []rpc.Record
	// call is the request for the parts, and around what was said of damage to the next entry.
	call   retry.Call
	around detour
	ended  error
}

// Follow begins to read a log. It connects with the first Next. Close it when done.
func (l *Log) Follow(opts FollowOptions) *Follower {
	r := newRequest(l.group, rpc.VerbLogFollow, nil, nil)
	r.Anywhere, r.Nearby = true, l.client.opts.ReadFrom == Any
	return &Follower{log: l, opts: opts, next: max(opts.From, 1), call: retry.Call{Request: r.Request}}
}

// Next gives the next committed entry, waiting for it if need be. A ctx that is done ends the wait, and Next may be called
// again. It fails with *CompactedError when the log begins later than what is wanted, which ends the follower; begin another
// one there. ErrCorrupt, which ends it as well, says that the next entry is damaged on every node that is known.
func (f *Follower) Next(ctx context.Context) (Record, error) {
	for f.ended == nil {
		if len(f.part) > 0 {
			r := f.part[0]
			f.part = f.part[1:]
			if Index(r.Index) < f.next {
				continue
			}
			if Index(r.Index) > f.next {
				f.ended = fmt.Errorf("%w: expected entry %d, the node sent %d", ErrFailed, f.next, r.Index)
				break
			}
			f.next++
			if f.opts.AllKinds || Kind(r.Kind) == KindData {
				return recordFrom(r), nil
			}
			continue
		}
		if err := f.fetch(ctx); err != nil {
			return Record{}, err
		}
	}
	f.drop()
	return Record{}, f.ended
}

// fetch gets the next part, connecting first if need be.
func (f *Follower) fetch(ctx context.Context) error {
	c := f.log.client
	err := f.open(ctx)
	if err == nil {
		if err = f.receive(ctx); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err() // The stream goes on, or is opened again.
		}
	}
	f.drop()
	step, err := c.judge(&f.call, f.from, err)
	switch step {
	case retry.Finish:
		f.ended = f.around.explain(err)
		return nil
	case retry.Elsewhere:
		f.around.met(ctx, f.from, err)
	default:
		if stopped := c.wait(ctx, &f.call); errors.Is(stopped, ErrClosed) {
			f.ended = ErrClosed
			return nil
		} else if stopped != nil {
			return f.around.explain(givenUp(stopped, err))
		}
	}
	if c.target(&f.call) == nil {
		f.ended = f.around.damage
	}
	return nil
}

// quietAttempts is how many times Options.AttemptTimeout a node may say nothing: it sends an empty part every 5 s at least.
const quietAttempts = 3

// receive waits for the next part. A node that says nothing for too long counts as one that is gone.
func (f *Follower) receive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, quietAttempts*f.log.client.opts.AttemptTimeout)
	defer cancel()
	var part rpc.LogPart
	if err := f.stream.Next(ctx, &part); err != nil {
		return err
	}
	f.part = part.Records
	f.call.Heard(len(f.part) > 0)
	if len(f.part) > 0 {
		f.around = detour{}
	}
	return nil
}

func (f *Follower) open(ctx context.Context) error {
	if f.stream != nil {
		return nil
	}
	f.from = f.log.client.target(&f.call)
	conn, err := f.from.connect(ctx)
	if err != nil {
		return &rpc.CallError{Err: err}
	}
	f.stream, err = conn.Stream(ctx, f.log.group, rpc.VerbLogFollow, &rpc.LogFollowArgs{From: uint64(f.next)})
	return err
}

func (f *Follower) drop() {
	if f.stream != nil {
		f.stream.Close()
		f.stream = nil
	}
}

// Close ends the follower. It may not be called while Next runs; end that by its context.
func (f *Follower) Close() {
	f.drop()
	if f.ended == nil {
		f.ended = ErrClosed
	}
	f.part = nil
}
