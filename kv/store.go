package kv

import (
	"context"
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Store is a node's replica of a key-value group. Its methods may be called from any goroutine. They block until the answer is
// there or ctx is done.
//
// Keys have 1 to model.MaxKeyBytes bytes. Slices passed in must stay unchanged until the call has returned; slices in
// results are the caller's.
//
// Only the leader takes writes; another replica answers with *NotLeaderError, which names the leader. Reads are served by every
// replica, at the level that the caller asks for (ReadLevel). While no leader is known a call that needs one waits for one. Besides the errors that each method names:
//
//   - *InvalidError: the request can't be carried out as it stands. Nothing was done.
//   - *NotLeaderError, ErrBusy, ErrDiskFull, ErrStateLost, ErrClosed, *FailedError: nothing was done.
//   - ErrUncertain: a write may have been carried out or may yet be.
//   - ctx's error: a read was given up, or a write before it was proposed. Nothing was done.
type Store struct {
	replica replica
	group   *node.Group
	// node is the one that Open has opened; nil for a store that was attached to a group.
	node *node.Node
	// release gives back what Open has opened; nil for a store that was attached to a group.
	release func() error
}

// replica is what a Store needs of its group's replica on this node.
type replica interface {
	// propose commits an entry and gives its result once it is applied. body must not be changed any more.
	propose(ctx context.Context, body []byte) (statemachine.Result, error)
	// serving says why the machine has nothing to be read, nil while it has.
	serving() error
	// reach blocks until the machine is as new as level, which is not Local, demands.
	reach(ctx context.Context, level ReadLevel) error
	// machine is the current machine; another one after an image was installed.
	machine() *Machine
	// maxBody is the longest entry that the group takes, in bytes.
	maxBody() int
}

// Put sets key to value and gives the store's new revision. An empty value is a value.
func (s *Store) Put(ctx context.Context, key, value []byte) (Revision, error) {
	if err := model.ValidateKey(key); err != nil {
		return 0, err
	}
	if err := s.fits("value", envelopeHeaderSize+putHeaderSize+len(key)+len(value)); err != nil {
		return 0, err
	}
	result, err := s.propose(ctx, AppendPut(nil, key, value))
	return Revision(result.Value), err
}

// Delete removes key. It is no error when it does not exist; the result says so.
func (s *Store) Delete(ctx context.Context, key []byte) (DeleteResult, error) {
	if err := model.ValidateKey(key); err != nil {
		return DeleteResult{}, err
	}
	return s.delete(ctx, model.Delete(key))
}

// DeleteRange removes the keys in [from, to). An empty from is the beginning; an empty to means no upper bound. Up to model.MaxDeleteKeys keys go at
// one revision. More go in several steps, in ascending order, each at a revision of its own, of which the result has the last; others may read and write
// in between, and after an error the first of the keys may be gone (ErrUncertain).
func (s *Store) DeleteRange(ctx context.Context, from, to []byte) (DeleteResult, error) {
	return s.delete(ctx, model.DeleteRange(from, to))
}

// DeletePrefix is DeleteRange for the keys that begin with prefix; all of them when it is empty.
func (s *Store) DeletePrefix(ctx context.Context, prefix []byte) (DeleteResult, error) {
	return s.delete(ctx, model.DeletePrefix(prefix))
}

func (s *Store) delete(ctx context.Context, op model.Op) (DeleteResult, error) {
	if err := op.Validate(); err != nil {
		return DeleteResult{}, err
	}
	var sum DeleteResult
	for {
		result, err := s.propose(ctx, appendSingle(nil, op))
		if err != nil {
			if sum.Deleted > 0 {
				err = fmt.Errorf("%w: %d keys were removed: %w", ErrUncertain, sum.Deleted, err)
			}
			return DeleteResult{}, err
		}
		sum.Revision = Revision(result.Value)
		switch deleted := result.Data.(type) {
		case Deleted:
			sum.Deleted += uint64(deleted)
		case DeletedPart:
			sum.Deleted += deleted.Keys
			_, to := op.Range.Bounds()
			op = model.DeleteRange(deleted.Next, to)
			continue
		}
		return sum, nil
	}
}

// Txn carries a transaction out in one step. Whether its comparisons held is in the result, not an error. One that only reads is a read,
// of txn.Level.
func (s *Store) Txn(ctx context.Context, txn Txn) (TxnResult, error) {
	if err := txn.Validate(); err != nil {
		return TxnResult{}, err
	}
	if txn.ReadOnly() {
		if err := s.reach(ctx, txn.Level); err != nil {
			return TxnResult{}, err
		}
		return read(s.replica, func(m *Machine) (TxnResult, error) { return m.ReadTxn(ctx, txn) })
	}
	body := AppendTxn(nil, txn)
	if err := s.fits("transaction", len(body)); err != nil {
		return TxnResult{}, err
	}
	result, err := s.propose(ctx, body)
	if err != nil {
		return TxnResult{}, err
	}
	carriedOut, ok := result.Data.(*TxnResult)
	if !ok {
		panic(fmt.Sprintf("kv: a transaction was answered with %T, expected *TxnResult", result.Data))
	}
	return *carriedOut, nil
}

// CompareAndSwap sets key to value if the revision of its last change is expected; 0 means that it must not exist. Otherwise
// the result has the key as it stands.
func (s *Store) CompareAndSwap(ctx context.Context, key []byte, expected Revision, value []byte) (SwapResult, error) {
	txn := model.If(model.ModRevision(key).Equals(expected)).Then(model.Put(key, value)).Else(model.Get(key))
	r, err := s.Txn(ctx, txn)
	if err != nil {
		return SwapResult{}, err
	}
	result := SwapResult{Swapped: r.Succeeded, Revision: r.Revision}
	if !r.Succeeded {
		result.Found, result.Current = r.Results[0].Found, r.Results[0].Item
	}
	return result, nil
}

// Compact makes everything below revision unreadable, so that the space of old values can be given back. The state at
// revision itself stays readable. Compacting again to the same revision or a lower one does nothing; above the
// newest one it fails with ErrFutureRevision (*RevisionError).
func (s *Store) Compact(ctx context.Context, revision Revision) error {
	if err := validateCompact(revision); err != nil {
		return err
	}
	_, err := s.propose(ctx, AppendCompact(nil, revision))
	return err
}

// propose commits an entry and gives its result. A refusal is an error.
func (s *Store) propose(ctx context.Context, body []byte) (statemachine.Result, error) {
	result, err := s.replica.propose(ctx, body)
	if err != nil {
		return statemachine.Result{}, err
	}
	if refusal, ok := result.Data.(error); ok {
		return statemachine.Result{}, refusal
	}
	return result, nil
}

// fits says whether an entry of so many bytes is one that the group takes.
func (s *Store) fits(field string, bytes int) error {
	if limit := s.replica.maxBody(); bytes > limit {
		return &model.InvalidError{Field: field, Err: model.ErrTooLarge,
			Problem: fmt.Sprintf("expected a request of at most %d bytes, found %d; the group's segment size sets the limit", limit, bytes)}
	}
	return nil
}

// Get reads the newest value of key, linearizably. It fails with ErrNotFound.
func (s *Store) Get(ctx context.Context, key []byte) (Item, error) {
	result, err := s.GetWith(ctx, key, GetOptions{})
	return result.Item, err
}

// GetWith reads key as opts say and gives the state it was read from besides. It fails with ErrNotFound, the result's revision
// and index being set all the same, and with ErrCompacted or ErrFutureRevision (*RevisionError).
func (s *Store) GetWith(ctx context.Context, key []byte, opts GetOptions) (GetResult, error) {
	if err := errors.Join(model.ValidateKey(key), opts.Validate()); err != nil {
		return GetResult{}, err
	}
	if err := s.reach(ctx, opts.Level); err != nil {
		return GetResult{}, err
	}
	return read(s.replica, func(m *Machine) (GetResult, error) { return m.Get(key, opts.Revision) })
}

// Range reads the keys that opts select. It fails with ErrCompacted or ErrFutureRevision (*RevisionError). Without a limit it
// holds all that is found in memory.
func (s *Store) Range(ctx context.Context, opts RangeOptions) (RangeResult, error) {
	if err := opts.Validate(); err != nil {
		return RangeResult{}, err
	}
	if err := s.reach(ctx, opts.Level); err != nil {
		return RangeResult{}, err
	}
	return read(s.replica, func(m *Machine) (RangeResult, error) { return m.Range(ctx, opts) })
}

// reach blocks until the machine is as new as level demands.
func (s *Store) reach(ctx context.Context, level ReadLevel) error {
	if level == Local {
		return errors.Join(ctx.Err(), s.replica.serving())
	}
	return s.replica.reach(ctx, level)
}

// read asks the current machine, and the one after it if that was closed meanwhile because an image was installed.
func read[T any](r replica, ask func(*Machine) (T, error)) (T, error) {
	for {
		m := r.machine()
		result, err := ask(m)
		if errors.Is(err, statemachine.ErrClosed) {
			if r.machine() != m {
				continue
			}
			err = ErrClosed
		}
		return result, err
	}
}

// Close gives back what Open has opened. Calls that wait get ErrClosed, or ErrUncertain where their write may have happened. On a
// store that was attached to a group it does nothing.
func (s *Store) Close() error {
	if s.release == nil {
		return nil
	}
	return s.release()
}
