package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
)

// follow reads the log as it grows until the run ends. A restless reader begins anew now and then, at an entry that it has had before.
func (w *workload) follow(c *client.Client, id int, restless bool) {
	next := client.Index(1)
	for w.ctx.Err() == nil {
		runs := -1
		if restless {
			runs = 200 + rand.IntN(400)
			next -= client.Index(rand.Uint64N(min(uint64(next), 100)))
		}
		next = w.read(w.ctx, c, id, next, func(client.Index) bool {
			runs--
			return runs == 0
		})
	}
}

// read is one reader, from an index on. It gives the index at which the next one is to begin, when enough says so, ctx is done, or the log was
// trimmed up to there.
func (w *workload) read(ctx context.Context, c *client.Client, id int, from client.Index, enough func(client.Index) bool) (next client.Index) {
	reader := int(w.readers.Add(1))
	follower := c.Log(process.LogGroup).Follow(client.FollowOptions{From: from, AllKinds: true})
	defer func() { follower.Close() }()
	for next = from; ctx.Err() == nil; {
		op := history.Op{Client: id, Kind: history.Follow, Reader: reader, Outcome: history.OK, Call: w.rec.Now()}
		record, err := follower.Next(ctx)
		op.Return = w.rec.Now()
		var compacted *client.CompactedError
		switch {
		case errors.As(err, &compacted):
			if compacted.FirstIndex <= next {
				w.tally.violate(fmt.Sprintf("reader %d: entry %d was said to be trimmed from a log that begins at %d", reader, next, compacted.FirstIndex))
			}
			return max(compacted.FirstIndex, next)
		case err != nil && ctx.Err() == nil:
			if errors.Is(err, client.ErrFailed) || errors.Is(err, client.ErrCorrupt) {
				w.tally.violate(fmt.Sprintf("reader %d at %d: unexpected error: %v", reader, next, err))
				return next
			}
			follower.Close()
			follower = c.Log(process.LogGroup).Follow(client.FollowOptions{From: next, AllKinds: true})
			continue
		case err != nil:
			return next
		}
		op.Index = uint64(record.Index)
		found(&op, record)
		w.rec.Add(op)
		w.tally.count(&op)
		next = record.Index + 1
		if enough(record.Index) {
			return next
		}
	}
	return next
}

// readAll reads the whole store and the log to its end, when nothing is written any more, and records it as what a client saw.
func (w *workload) readAll(ctx context.Context, c *client.Client, id int, last client.Index) error {
	op := history.Op{Client: id, Kind: history.Range, Outcome: history.OK, Call: w.rec.Now()}
	opts := client.RangeOptions{MaxBytes: 4 << 20}
	for more := true; more; {
		page, err := c.Range(ctx, opts)
		if err != nil {
			return fmt.Errorf("reading the store at the end: %w", err)
		}
		for _, i := range page.Items {
			op.Items = append(op.Items, itemOf(i))
			opts.From = append(i.Key, 0)
		}
		op.Revision, opts.Revision, more = uint64(page.Revision), page.Revision, page.More
	}
	op.Return = w.rec.Now()
	w.rec.Add(op)
	w.tally.count(&op)
	for next, end := client.Index(1), false; !end; {
		if ctx.Err() != nil {
			return fmt.Errorf("reading the log at the end: at %d of %d: %w", next, last, ctx.Err())
		}
		next = w.read(ctx, c, id, next, func(at client.Index) bool {
			end = at >= last
			return end
		})
	}
	return nil
}

// progressed waits until a write to the store and an append to the log, both begun after it was called, are acknowledged.
func (w *workload) progressed(ctx context.Context) error {
	since, seen := w.rec.Now(), len(w.rec.Ops())
	missing := map[string]bool{process.StoreGroup: true, process.LogGroup: true}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		ops := w.rec.Ops()
		for i := range ops[seen:] {
			if o := &ops[seen+i]; o.Call >= since {
				if group := wrote(o); group != "" {
					delete(missing, group)
				}
			}
		}
		seen = len(ops)
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("nothing was acknowledged by the groups %v: %w", missing, ctx.Err())
		}
	}
}

// wrote is the group that has acknowledged an operation that went through its log; "" if none has.
func wrote(o *history.Op) string {
	if o.Outcome != history.OK {
		return ""
	}
	switch o.Kind {
	case history.Append:
		return process.LogGroup
	case history.Put, history.Delete, history.DeletePrefix, history.Swap, history.Txn:
		return process.StoreGroup
	}
	return ""
}
