package server

import (
	"context"
	"fmt"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
)

// logVerb carries out a verb on a group's log. Every group's log can be read; appended to are log groups alone.
func (h handler) logVerb(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	switch call.Verb {
	case rpc.VerbAppend:
		return h.append(ctx, g, call)
	case rpc.VerbLogGet:
		return h.logGet(ctx, g, call)
	}
	return nil, h.follow(ctx, g, call)
}

func (h handler) append(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	if g.Store != nil {
		return nil, rpc.BadRequest("group", "expected a log group to append to, found %q, which is a key-value group", g.Name)
	}
	var args rpc.AppendArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	if err := h.awaitLeader(ctx, g); err != nil {
		return nil, err
	}
	at, err := g.Group.Group.Propose(ctx, args.Body)
	return &rpc.AppendResult{Index: uint64(at.Index), Term: uint64(at.Term), Position: uint64(at.Position), Length: at.Length}, err
}

// logGet reads a committed entry. A committed entry never changes, so any replica that has it gives it; that there is none yet only the
// leader can say, after a round.
func (h handler) logGet(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.LogGetArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	if args.Index == 0 {
		return nil, rpc.BadRequest("index", "expected 1 or more, found 0")
	}
	group, index := g.Group.Group, node.Index(args.Index)
	if index > group.Committed() {
		if err := h.awaitLeader(ctx, g); err != nil {
			return nil, err
		}
		if _, err := group.Read(ctx); err != nil {
			return nil, err
		}
	}
	r, err := group.Record(index)
	if err != nil {
		return nil, err
	}
	out := recordOf(&r)
	return &out, nil
}

func recordOf(r *ledger.Record) rpc.Record {
	return rpc.Record{Index: uint64(r.ID.Index), Term: uint64(r.ID.Term), Kind: uint8(r.Kind), Position: uint64(r.Position), Time: r.Time, Body: r.Body}
}

// raiseFormat puts a higher entry format in force and answers once that is committed.
func (h handler) raiseFormat(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.FormatArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	if err := h.awaitLeader(ctx, g); err != nil {
		return nil, err
	}
	format, err := g.Group.Group.RaiseFormat(ctx, args.To)
	return &rpc.FormatResult{Format: format}, err
}

// transfer hands a group's leadership over and answers once the other node leads.
func (h handler) transfer(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.TransferArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	if err := h.awaitLeader(ctx, g); err != nil {
		return nil, err
	}
	err := g.Group.Group.Transfer(ctx, node.NodeID(args.To))
	if ctx.Err() != nil && err != nil {
		return nil, fmt.Errorf("%w: %w", node.ErrUncertain, err)
	}
	return &rpc.Empty{}, err
}
