package check

import (
	"errors"
	"slices"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// told gives the revision in an answer: one that had been reached. write says that the operation is that revision's write.
func told(op *Op) (rev uint64, write, ok bool) {
	switch r := op.Result.(type) {
	case Revised:
		return uint64(r.Revision), true, true
	case Deleted:
		return uint64(r.Revision), r.Deleted > 0, true
	case Swapped:
		return uint64(r.Revision), r.Swapped, true
	case TxnDone:
		return uint64(r.Revision), txnWrote(op.Request.(Txn).Txn, &r), true
	case Got:
		return uint64(r.Revision), false, true
	case Ranged:
		return uint64(r.Revision), false, true
	case RevisionRefused:
		return uint64(r.Bound), false, true
	case Done:
		compact, ok := op.Request.(Compact)
		return uint64(compact.Revision), false, ok
	}
	return 0, false, false
}

// txnWrote says whether a transaction changed something, as its answer has it.
func txnWrote(t model.Txn, r *TxnDone) bool {
	ops := t.Success
	if !r.Succeeded {
		ops = t.Failure
	}
	if slices.ContainsFunc(ops, func(op model.Op) bool { return op.Kind == model.OpPut }) {
		return true
	}
	return slices.ContainsFunc(r.Results, func(r model.OpResult) bool { return r.Deleted > 0 })
}

// readOf gives how a read was asked for. past: the answer is not about the newest revision.
func readOf(op *Op) (read Read, past, ok bool) {
	switch r := op.Request.(type) {
	case Get:
		read, ok = r.Read, true
	case Range:
		read, ok = r.Read, true
	}
	return read, ok && askedRevision(op) != model.Latest && !refused(op, model.ErrFutureRevision), ok
}

// askedRevision gives the revision that an operation is about, model.Latest if it is about the newest.
func askedRevision(op *Op) model.Revision {
	switch r := op.Request.(type) {
	case Get:
		return r.At
	case Range:
		return r.Opts.Revision
	case Compact:
		return r.Revision
	}
	return model.Latest
}

// refused says whether an operation was told that a revision can't be had, for a reason.
func refused(op *Op, reason error) bool {
	r, is := op.Result.(RevisionRefused)
	return is && errors.Is(r.Err, reason)
}

// newest says whether the revision in an answer must be the newest that there is.
func newest(op *Op) bool {
	switch op.Request.(type) {
	case Get, Range:
		read, past, _ := readOf(op)
		return read.Level == Linearizable && !past
	case Compact:
		return refused(op, model.ErrFutureRevision)
	}
	return true
}
