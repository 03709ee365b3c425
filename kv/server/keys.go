package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/node"
)

// maxReadBytes bounds what one range returns, so that its answer fits a frame with room to spare.
const maxReadBytes = rpc.DefaultMaxFrame / 2

// storeVerb carries out a verb of a key-value group.
func (h handler) storeVerb(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	switch call.Verb {
	case rpc.VerbGet:
		return h.get(ctx, g, call)
	case rpc.VerbRange:
		return h.rangeOver(ctx, g, call)
	case rpc.VerbHash:
		return h.hash(ctx, g, call)
	case rpc.VerbTxn:
		return h.txn(ctx, g, call)
	case rpc.VerbPut, rpc.VerbDelete, rpc.VerbSwap, rpc.VerbCompact:
		if err := h.awaitLeader(ctx, g); err != nil {
			return nil, err
		}
		return h.write(ctx, g.Store, call)
	}
	return nil, &rpc.Error{Code: rpc.CodeUnsupported, Field: "verb", Problem: fmt.Sprintf("this node does not know %v; upgrade it", call.Verb)}
}

// write carries out a verb that changes the store. REQUIRES: this node leads, as far as it knows.
func (h handler) write(ctx context.Context, store *kv.Store, call *rpc.Call) (any, error) {
	switch call.Verb {
	case rpc.VerbPut:
		return put(ctx, store, call)
	case rpc.VerbDelete:
		return remove(ctx, store, call)
	case rpc.VerbSwap:
		return swap(ctx, store, call)
	}
	var args rpc.CompactArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	return &rpc.Empty{}, store.Compact(ctx, kv.Revision(args.Revision))
}

func put(ctx context.Context, store *kv.Store, call *rpc.Call) (any, error) {
	var args rpc.PutArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	if args.Lease != 0 {
		return nil, model.Op{Kind: model.OpPut, Key: args.Key, Lease: model.LeaseID(args.Lease)}.Validate()
	}
	revision, err := store.Put(ctx, args.Key, args.Value)
	return &rpc.PutResult{Revision: uint64(revision)}, err
}

func remove(ctx context.Context, store *kv.Store, call *rpc.Call) (any, error) {
	var args rpc.DeleteArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	var r kv.DeleteResult
	var err error
	if args.Range == nil {
		r, err = store.Delete(ctx, args.Key)
	} else {
		opts := rangeFrom(args.Range)
		if err := (model.Op{Kind: model.OpDeleteRange, Range: opts}).Validate(); err != nil {
			return nil, err
		}
		from, to := opts.Bounds()
		r, err = store.DeleteRange(ctx, from, to)
	}
	return &rpc.DeleteResult{Revision: uint64(r.Revision), Deleted: r.Deleted}, err
}

func swap(ctx context.Context, store *kv.Store, call *rpc.Call) (any, error) {
	var args rpc.SwapArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	r, err := store.CompareAndSwap(ctx, args.Key, kv.Revision(args.Expected), args.Value)
	if err != nil {
		return nil, err
	}
	out := &rpc.SwapResult{Swapped: r.Swapped, Revision: uint64(r.Revision), Found: r.Found}
	if r.Found {
		item := itemOf(r.Current)
		out.Current = &item
	}
	return out, nil
}

func (h handler) get(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.GetArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	opts := kv.GetOptions{Level: levelFrom(args.Level, args.Bound), Revision: kv.Revision(args.Revision)}
	if err := errors.Join(model.ValidateKey(args.Key), opts.Validate()); err != nil {
		return nil, err
	}
	if err := h.reach(ctx, g, &opts.Level, args.AnyReplica); err != nil {
		return nil, err
	}
	r, err := g.Store.GetWith(ctx, args.Key, opts)
	out := &rpc.GetResult{Found: err == nil, Revision: uint64(r.Revision), Applied: uint64(r.Applied)}
	if err == nil {
		out.Item = itemOf(r.Item)
	} else if errors.Is(err, kv.ErrNotFound) {
		err = nil
	}
	return out, err
}

// rangeOver reads a range. What the client does not bound is bounded here, and is an error when it is more.
func (h handler) rangeOver(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.RangeArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	opts := rangeFrom(&args)
	if opts.MaxBytes == 0 || opts.MaxBytes > maxReadBytes {
		opts.MaxBytes = maxReadBytes
	}
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if err := h.reach(ctx, g, &opts.Level, args.AnyReplica); err != nil {
		return nil, err
	}
	var out rpc.RangeResult
	err := h.read(ctx, func() error {
		r, err := g.Store.Range(ctx, opts)
		if err == nil && r.More && args.MaxBytes == 0 && (opts.Limit == 0 || r.Count < opts.Limit) {
			return &rpc.Error{Code: rpc.CodeTooLarge, Field: "range",
				Problem: fmt.Sprintf("the answer has more than %d bytes; set a limit, or MaxBytes and go on behind the last key", maxReadBytes)}
		}
		out = rangeOf(&r)
		return err
	})
	return &out, err
}

// txn carries a transaction out: one that only reads as a read.
func (h handler) txn(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.TxnArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	txn := txnFrom(&args)
	if err := txn.Validate(); err != nil {
		return nil, err
	}
	var out *rpc.TxnResult
	carryOut := func() error {
		r, err := g.Store.Txn(ctx, txn)
		if err == nil {
			out = txnOf(&r)
		}
		return err
	}
	if !txn.ReadOnly() {
		if err := h.awaitLeader(ctx, g); err != nil {
			return nil, err
		}
		return out, carryOut()
	}
	if err := h.reach(ctx, g, &txn.Level, args.AnyReplica); err != nil {
		return nil, err
	}
	err := h.read(ctx, carryOut)
	return out, err
}

// reach blocks until this node's machine is as new as a read of a level demands: from then on what is here will do. The store would do the
// same, but where there is no leader it waits for one, and the client does better to go and ask another node. Unless any replica may
// serve the read, a level that is the leader's business is refused where another one leads.
func (h handler) reach(ctx context.Context, g *served, level *kv.ReadLevel, anyReplica bool) error {
	if !level.OfReplica() && !anyReplica {
		if err := h.awaitLeader(ctx, g); err != nil {
			return err
		}
		defer func() { *level = kv.Local }()
		return kv.Reach(ctx, g.Group.Group, *level)
	}
	for try := 1; ; try++ {
		if !level.OfReplica() {
			if _, err := h.leaderOf(ctx, g); err != nil {
				return err
			}
		}
		err := kv.Reach(ctx, g.Group.Group, *level)
		var elsewhere *node.NotLeaderError
		if try == maxReachTries || !errors.As(err, &elsewhere) || elsewhere.Leader == "" {
			*level = kv.Local
			return err
		}
	}
}

// maxReachTries is how often a replica that does not lead asks for a round: a change of its role or of the leader ends the one under way.
const maxReachTries = 3
