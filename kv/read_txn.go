package kv

import (
	"context"
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// ReadTxn carries out a transaction that only reads, on what the machine has applied; its Level is the caller's affair. The results are
// those that it would have from the log, but counts and descending ranges may visit any number of keys. It fails with an
// *model.InvalidError when its gets return more than model.MaxTxnReadBytes, and as Range does otherwise. Safe from any goroutine.
//
// REQUIRES: t is valid and ReadOnly.
func (m *Machine) ReadTxn(ctx context.Context, t model.Txn) (result model.TxnResult, err error) {
	view, err := m.view(model.Latest)
	if err != nil {
		return model.TxnResult{}, err
	}
	m.open.RUnlock()
	defer func() { err = errors.Join(err, view.Close()) }()
	result = model.TxnResult{Revision: model.Revision(view.Revision()), Applied: model.Index(view.Applied())}
	ops := t.Success
	err = m.whileOpen(func() (err error) {
		if result.Succeeded, err = holds(view, t.Compares); !result.Succeeded {
			ops = t.Failure
		}
		return err
	})
	r := txnReader{machine: m, view: view, revision: result.Revision, rangeBytes: model.MaxTxnReadBytes, getBytes: model.MaxTxnReadBytes}
	result.Results = make([]model.OpResult, len(ops))
	for i := range ops {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return model.TxnResult{}, err
		}
		err = r.operation(ctx, &ops[i], &result.Results[i])
	}
	return result, err
}

// txnReader reads for a transaction.
type txnReader struct {
	machine  *Machine
	view     statemachine.View
	revision model.Revision
	// rangeBytes and getBytes are what ranges and gets may still return.
	rangeBytes, getBytes int
}

func (r *txnReader) operation(ctx context.Context, op *model.Op, result *model.OpResult) (err error) {
	result.Kind = op.Kind
	if op.Kind == model.OpRange {
		result.Range, err = r.readRange(ctx, op.Range)
		return err
	}
	return r.machine.whileOpen(func() error {
		item, found, err := r.view.Get(op.Key)
		if err != nil || !found {
			return err
		}
		result.Found, result.Item = true, ownItem(item, false)
		if r.getBytes -= itemBytes(len(item.Key), len(item.Value)); r.getBytes < 0 {
			return &model.InvalidError{Field: "transaction", Err: model.ErrTooLarge,
				Problem: fmt.Sprintf("expected its gets to return at most %d bytes, found more", model.MaxTxnReadBytes)}
		}
		return nil
	})
}

func (r *txnReader) readRange(ctx context.Context, opts model.RangeOptions) (*model.RangeResult, error) {
	result := &model.RangeResult{Revision: r.revision}
	scan := newScan(r.view, opts, result)
	scan.sink.budget, scan.sink.bounded, scan.sink.first = r.rangeBytes, true, false
	err := scan.run(ctx, r.machine)
	r.rangeBytes = scan.sink.budget
	return result, err
}
