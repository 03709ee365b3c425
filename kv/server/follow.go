package server

import (
	"context"
	"errors"
	"io"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
)

const (
	// followBytes is about how much a part holds unless the client says otherwise, maxFollowBytes the most that it may ask for.
	followBytes    = 256 << 10
	maxFollowBytes = 4 << 20
)

// follow sends the log's committed entries from an index on, and then those that come, until the client has enough.
func (h handler) follow(ctx context.Context, g *served, call *rpc.Call) error {
	var args rpc.LogFollowArgs
	if err := call.Decode(&args); err != nil {
		return err
	}
	if args.From == 0 {
		return rpc.BadRequest("from", "expected 1 or more, found 0")
	}
	group := g.Group.Group
	f := follower{reader: group.Ledger().Reader(node.Index(args.From)), client: call, limit: int(min(args.MaxBytes, maxFollowBytes)), end: group.Applied,
		grown: func(ctx context.Context, end node.Index) (bool, error) {
			return g.progress.await(ctx, h.ctx, end, h.opts.QuietInterval)
		}}
	if f.limit == 0 {
		f.limit = followBytes
	}
	defer f.reader.Close()
	return f.run(ctx)
}

// follower sends a log to a client. Before it waits for either it closes its reader, which opens again by itself: otherwise a client that
// takes its time would keep a segment file from being removed.
type follower struct {
	reader logReader
	client partTaker
	// limit is about how many bytes a part holds.
	limit int
	// end is how far the log may be read now.
	end func() node.Index
	// grown waits for the log to grow above an index, and gives false when it did not for a while.
	grown func(ctx context.Context, end node.Index) (bool, error)

	records []ledger.Record
}

// logReader is a *ledger.Reader.
type logReader interface {
	Batch(limit node.Index, maxBytes int, recs []ledger.Record) ([]ledger.Record, error)
	Close() error
}

// partTaker is a *rpc.Call.
type partTaker interface {
	// Wanted reports whether a part may be sent now, Await waits until one may.
	Wanted() bool
	Await(ctx context.Context) error
	Send(ctx context.Context, part any) error
}

// run ends with an error: ctx's, the log's or the client's.
func (f *follower) run(ctx context.Context) error {
	for {
		if !f.client.Wanted() {
			if err := f.reader.Close(); err != nil {
				return err
			}
			if err := f.client.Await(ctx); err != nil {
				return err
			}
		}
		end, err := f.read(ctx)
		if err != nil {
			return err
		}
		if err := f.client.Send(ctx, logPart(f.records, end)); err != nil {
			return err
		}
		clear(f.records) // They are parts of larger pieces of the log.
	}
}

// read gives the next records, or none when the log has not grown for a while, and how far it was to be read.
func (f *follower) read(ctx context.Context) (end node.Index, err error) {
	for {
		end = f.end()
		f.records, err = f.reader.Batch(end, f.limit, f.records[:0])
		if !errors.Is(err, io.EOF) {
			return end, err
		}
		if err := f.reader.Close(); err != nil {
			return end, err
		}
		if grown, err := f.grown(ctx, end); err != nil || !grown {
			return end, err
		}
	}
}

func logPart(records []ledger.Record, end node.Index) *rpc.LogPart {
	part := &rpc.LogPart{Commit: uint64(end), Records: make([]rpc.Record, len(records))}
	for i := range records {
		part.Records[i] = recordOf(&records[i])
	}
	return part
}
