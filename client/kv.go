package client

import (
	"context"
	"fmt"

	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// Put sets key to value and gives the store's new revision. An empty value is a value.
func (c *Client) Put(ctx context.Context, key, value []byte) (Revision, error) {
	if err := model.ValidateKey(key); err != nil {
		return 0, err
	}
	var result rpc.PutResult
	err := c.do(ctx, newRequest(c.opts.Group, rpc.VerbPut, &rpc.PutArgs{Key: key, Value: value}, &result))
	return Revision(result.Revision), err
}

// Get reads the newest value of key, linearizably. It fails with ErrNotFound.
func (c *Client) Get(ctx context.Context, key []byte) (Item, error) {
	result, err := c.GetWith(ctx, key, GetOptions{})
	return result.Item, err
}

// GetWith reads key as opts say and gives the state it was read from besides. It fails with ErrNotFound, the result's revision
// and index being set all the same, and with ErrCompacted or ErrFutureRevision (*RevisionError).
func (c *Client) GetWith(ctx context.Context, key []byte, opts GetOptions) (GetResult, error) {
	if err := model.ValidateKey(key); err != nil {
		return GetResult{}, err
	}
	if err := opts.Validate(); err != nil {
		return GetResult{}, err
	}
	var result rpc.GetResult
	args := rpc.GetArgs{Key: key, Revision: uint64(opts.Revision), Level: uint8(opts.Level.Kind), Bound: opts.Level.Bound, AnyReplica: c.opts.ReadFrom == Any}
	if err := c.do(ctx, c.newRead(opts.Level, rpc.VerbGet, &args, &result)); err != nil {
		return GetResult{}, err
	}
	got := GetResult{Revision: Revision(result.Revision), Applied: Index(result.Applied)}
	if !result.Found {
		return got, ErrNotFound
	}
	got.Item = itemFrom(result.Item)
	return got, nil
}

// Delete removes key. It is no error when it does not exist; the result says so.
func (c *Client) Delete(ctx context.Context, key []byte) (DeleteResult, error) {
	if err := model.ValidateKey(key); err != nil {
		return DeleteResult{}, err
	}
	return c.delete(ctx, &rpc.DeleteArgs{Key: key})
}

// DeleteRange removes the keys in [from, to). An empty from is the beginning; an empty to means no upper bound. Up to model.MaxDeleteKeys (16,384) keys go
// at one revision. More go in several steps, in ascending order, each at a revision of its own, of which the result has the last; others may read
// and write in between, and after ErrUncertain the first of the keys may be gone.
func (c *Client) DeleteRange(ctx context.Context, from, to []byte) (DeleteResult, error) {
	return c.delete(ctx, &rpc.DeleteArgs{Range: &rpc.RangeArgs{From: from, To: to}})
}

// DeletePrefix is DeleteRange for the keys that begin with prefix; all of them when it is empty.
func (c *Client) DeletePrefix(ctx context.Context, prefix []byte) (DeleteResult, error) {
	return c.delete(ctx, &rpc.DeleteArgs{Range: &rpc.RangeArgs{Prefix: prefix}})
}

func (c *Client) delete(ctx context.Context, args *rpc.DeleteArgs) (DeleteResult, error) {
	var result rpc.DeleteResult
	err := c.do(ctx, newRequest(c.opts.Group, rpc.VerbDelete, args, &result))
	return DeleteResult{Revision: Revision(result.Revision), Deleted: result.Deleted}, err
}

// Range reads the keys that opts select. It fails with ErrCompacted or ErrFutureRevision (*RevisionError), and with
// ErrTooLarge (*InvalidError) when MaxBytes is 0 and the answer would be over the node's own bound, 8 MiB: set MaxBytes, or a lower Limit,
// and go on behind the last key while More says so.
func (c *Client) Range(ctx context.Context, opts RangeOptions) (RangeResult, error) {
	if err := opts.Validate(); err != nil {
		return RangeResult{}, err
	}
	var result rpc.RangeResult
	args := rangeArgs(opts)
	args.AnyReplica = c.opts.ReadFrom == Any
	if err := c.do(ctx, c.newRead(opts.Level, rpc.VerbRange, &args, &result)); err != nil {
		return RangeResult{}, err
	}
	return rangeFrom(result), nil
}

// Txn carries a transaction out in one step. Whether its comparisons held is in the result, not an error. One that only reads is a read,
// of txn.Level.
func (c *Client) Txn(ctx context.Context, txn Txn) (TxnResult, error) {
	if err := txn.Validate(); err != nil {
		return TxnResult{}, err
	}
	var result rpc.TxnResult
	args := txnArgs(txn)
	r := newRequest(c.opts.Group, rpc.VerbTxn, args, &result)
	if txn.ReadOnly() {
		args.AnyReplica = c.opts.ReadFrom == Any
		r = c.newRead(txn.Level, rpc.VerbTxn, args, &result)
	}
	if err := c.do(ctx, r); err != nil {
		return TxnResult{}, err
	}
	return txnFrom(result), nil
}

// CompareAndSwap sets key to value if the revision of its last change is expected; 0 means that it must not exist. Otherwise
// the result has the key as it stands.
func (c *Client) CompareAndSwap(ctx context.Context, key []byte, expected Revision, value []byte) (SwapResult, error) {
	if err := model.ValidateKey(key); err != nil {
		return SwapResult{}, err
	}
	var result rpc.SwapResult
	args := &rpc.SwapArgs{Key: key, Expected: uint64(expected), Value: value}
	if err := c.do(ctx, newRequest(c.opts.Group, rpc.VerbSwap, args, &result)); err != nil {
		return SwapResult{}, err
	}
	swap := SwapResult{Swapped: result.Swapped, Revision: Revision(result.Revision), Found: result.Found}
	if result.Current != nil {
		swap.Current = itemFrom(*result.Current)
	}
	return swap, nil
}

// Compact makes everything below revision unreadable, so that the space of old values can be given back. Doing it twice does
// no harm, so it is repeated where its outcome is unknown. It fails with ErrFutureRevision (*RevisionError).
func (c *Client) Compact(ctx context.Context, revision Revision) error {
	if revision == 0 {
		return &InvalidError{Field: "revision", Problem: "expected 1 or more, found 0"}
	}
	r := newRequest(c.opts.Group, rpc.VerbCompact, &rpc.CompactArgs{Revision: uint64(revision)}, &rpc.Empty{})
	r.Repeatable = true
	return c.do(ctx, r)
}

// StateHash is the hash of a store's state.
type StateHash struct {
	Hash     []byte
	Revision Revision
	Applied  Index
}

// HashAt gives the hash of a replica's state, as the node at an endpoint has it, for comparison between nodes.
func (c *Client) HashAt(ctx context.Context, endpoint string, revision Revision) (StateHash, error) {
	var result rpc.HashResult
	r := newRequest(c.opts.Group, rpc.VerbHash, &rpc.HashArgs{Revision: uint64(revision)}, &result)
	if err := c.ask(ctx, endpoint, r); err != nil {
		return StateHash{}, err
	}
	return StateHash{Hash: result.Hash, Revision: Revision(result.Revision), Applied: Index(result.Applied)}, nil
}

// ask asks the node at an endpoint, once and no other.
func (c *Client) ask(ctx context.Context, address string, r request) error {
	e := c.endpointAt(address)
	if e == nil {
		if c.ctx.Err() != nil {
			return ErrClosed
		}
		return fmt.Errorf("%w: %q: too many endpoints, or none", ErrUnavailable, address)
	}
	call := retry.Call{Request: r.Request}
	call.Request.Anywhere = true
	step, err := c.judge(&call, e, c.attempt(ctx, e, r))
	if step == retry.Again || step == retry.Follow {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}
