package model

import (
	"fmt"
	"slices"
)

// OpKind is what an operation does. Its numbers are stored in the log.
type OpKind uint8

const (
	// OpPut sets a key's value.
	OpPut OpKind = 1
	// OpDelete removes a key.
	OpDelete OpKind = 2
	// OpDeleteRange removes the keys of an interval.
	OpDeleteRange OpKind = 3
	// OpGet reads a key.
	OpGet OpKind = 4
	// OpRange reads the keys of an interval.
	OpRange OpKind = 5
)

// String gives the kind's name.
func (k OpKind) String() string {
	switch k {
	case OpPut:
		return "put"
	case OpDelete:
		return "delete"
	case OpDeleteRange:
		return "delete range"
	case OpGet:
		return "get"
	case OpRange:
		return "range"
	}
	return fmt.Sprintf("op(%d)", uint8(k))
}

// Op is one operation of a transaction. Make it with Put, Delete, DeleteRange, DeletePrefix, Get or Range.
type Op struct {
	Kind OpKind
	// Key is the key of OpPut, OpDelete and OpGet.
	Key []byte
	// Value and Lease are those of OpPut.
	Value []byte
	Lease LeaseID
	// Range holds the interval of OpDeleteRange, and all of what OpRange asks.
	Range RangeOptions
}

// Put sets key to value. An empty value is a value.
func Put(key, value []byte) Op { return Op{Kind: OpPut, Key: key, Value: value} }

// Delete removes key. It is no error when it does not exist.
func Delete(key []byte) Op { return Op{Kind: OpDelete, Key: key} }

// DeleteRange removes the keys in [from, to). An empty from is the beginning; an empty to means no upper bound. It counts towards
// MaxTxnVisits as a counting Range of the interval would.
func DeleteRange(from, to []byte) Op {
	return Op{Kind: OpDeleteRange, Range: RangeOptions{From: from, To: to}}
}

// DeletePrefix removes the keys that begin with prefix; all of them when it is empty. It is a DeleteRange.
func DeletePrefix(prefix []byte) Op {
	return Op{Kind: OpDeleteRange, Range: RangeOptions{Prefix: prefix}}
}

// Get reads key.
func Get(key []byte) Op { return Op{Kind: OpGet, Key: key} }

// Range reads the keys that opts select, at the state of the transaction: Revision, Level and MaxBytes are refused.
//
// With CountOnly or Reverse all keys of the interval may have to be visited. Such a range counts towards MaxTxnVisits as the number of
// keys that its interval held before the transaction, and one more for each put before it in its branch, wherever that put
// is; with CountOnly no more than Limit, if there is one.
func Range(opts RangeOptions) Op { return Op{Kind: OpRange, Range: opts} }

// Validate says whether the operation can be carried out within a transaction, with an *InvalidError.
func (o Op) Validate() error {
	switch o.Kind {
	case OpPut:
		if o.Lease != 0 {
			return &InvalidError{Field: "lease", Err: ErrUnsupported, Problem: fmt.Sprintf("expected none, found %d", o.Lease)}
		}
		return checkKey(o.Key)
	case OpDelete, OpGet:
		return checkKey(o.Key)
	case OpDeleteRange:
		if o.Range.Limit != 0 || o.Range.Reverse || o.Range.KeysOnly || o.Range.CountOnly {
			return &InvalidError{Field: "range", Problem: "expected an interval alone to delete, found a limit, an order or a choice of what to return"}
		}
		return o.Range.validateInTxn()
	case OpRange:
		return o.Range.validateInTxn()
	}
	return &InvalidError{Field: "operation", Problem: fmt.Sprintf("expected put, delete, delete range, get or range, found %v", o.Kind)}
}

// Txn is a transaction: when every comparison holds the success branch is carried out, otherwise the failure branch, in one
// step that nothing else comes between. Comparisons look at the state before the transaction; each operation sees what
// those before it in its branch have done. A branch may write a key once at most.
//
// The zero value is an empty transaction. Begin one with If or Do.
//
// A transaction that only reads (ReadOnly) takes no entry of the log, and any replica can carry it out.
type Txn struct {
	Compares []Compare
	Success  []Op
	Failure  []Op
	// Level says how new the state has to be that a transaction which only reads is carried out on. With one that writes it has to be
	// zero.
	Level ReadLevel
}

// If begins a transaction whose success branch is carried out when all comparisons hold.
func If(compares ...Compare) Txn { return Txn{Compares: compares} }

// Do is a transaction without a condition.
func Do(ops ...Op) Txn { return Txn{Success: ops} }

// If gives the transaction with further comparisons. The receiver is not changed.
func (t Txn) If(compares ...Compare) Txn {
	t.Compares = slices.Concat(t.Compares, compares)
	return t
}

// Then gives the transaction with further operations in its success branch. The receiver is not changed.
func (t Txn) Then(ops ...Op) Txn {
	t.Success = slices.Concat(t.Success, ops)
	return t
}

// Else gives the transaction with further operations in its failure branch. The receiver is not changed.
func (t Txn) Else(ops ...Op) Txn {
	t.Failure = slices.Concat(t.Failure, ops)
	return t
}

// At gives the transaction with a read level. The receiver is not changed.
func (t Txn) At(level ReadLevel) Txn {
	t.Level = level
	return t
}

// ReadOnly says that neither branch has an operation that writes.
func (t Txn) ReadOnly() bool {
	writes := func(op Op) bool { return op.Kind != OpGet && op.Kind != OpRange }
	return !slices.ContainsFunc(t.Success, writes) && !slices.ContainsFunc(t.Failure, writes)
}

// Validate says whether the transaction can be carried out, with an *InvalidError for the first thing that is wrong.
func (t Txn) Validate() error {
	if err := t.Level.Validate(); err != nil {
		return err
	}
	if t.Level != Linearizable && !t.ReadOnly() {
		return &InvalidError{Field: "level", Problem: fmt.Sprintf("expected none for a transaction that writes, found %v", t.Level)}
	}
	if err := checkCount("if", "comparisons", len(t.Compares)); err != nil {
		return err
	}
	for i, c := range t.Compares {
		if err := c.Validate(); err != nil {
			return within(fmt.Sprintf("if comparison %d", i+1), err)
		}
	}
	if err := validateBranch("then", t.Success); err != nil {
		return err
	}
	return validateBranch("else", t.Failure)
}

func validateBranch(name string, ops []Op) error {
	if err := checkCount(name, "operations", len(ops)); err != nil {
		return err
	}
	for i, op := range ops {
		if err := op.Validate(); err != nil {
			return within(fmt.Sprintf("%s operation %d", name, i+1), err)
		}
	}
	return checkWrites(name, ops)
}

// OpResult is what one operation of a transaction gave.
type OpResult struct {
	// Kind is that of the operation.
	Kind OpKind
	// Found and Item are the answer of OpGet.
	Found bool
	Item  Item
	// Deleted is the number of keys that OpDelete or OpDeleteRange removed.
	Deleted uint64
	// Range is the answer of OpRange, nil for every other kind.
	Range *RangeResult
}

// TxnResult is what a transaction gave.
type TxnResult struct {
	// Revision is the store's revision after the transaction: its own if it changed something, otherwise the one before.
	Revision Revision
	// Succeeded says that every comparison held, so that the success branch was carried out.
	Succeeded bool
	// Results has one element for each operation of the branch that was carried out.
	Results []OpResult
	// Applied is, of a transaction that only reads, the index up to which the replica that answered had applied the log; otherwise 0.
	Applied Index
}

// DeleteResult is what a delete gave.
type DeleteResult struct {
	// Revision is the store's revision after the delete: its own if it removed something, otherwise the one before.
	Revision Revision
	// Deleted is the number of keys that were removed.
	Deleted uint64
}

// SwapResult is what a compare-and-swap gave.
type SwapResult struct {
	// Swapped says that the key had the mod revision asked for and now has the new value.
	Swapped bool
	// Revision is the store's revision after it: the swap's own, or, when nothing was swapped, the one that was compared.
	Revision Revision
	// Found and Current are the key as it stands when nothing was swapped, so that the caller can decide again.
	Found   bool
	Current Item
}
