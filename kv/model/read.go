package model

import (
	"bytes"
	"fmt"
)

// GetOptions say how a key is read. The zero value is a linearizable read of the latest revision.
type GetOptions struct {
	Level ReadLevel
	// Revision is the one to read at, Latest (0) for the newest. It fails with ErrCompacted or ErrFutureRevision.
	Revision Revision
}

// Validate says whether the options can be carried out, with an *InvalidError.
func (o GetOptions) Validate() error { return o.Level.Validate() }

// ValidateKey says whether a key may be stored or asked for: 1 to MaxKeyBytes bytes. It fails with an *InvalidError.
func ValidateKey(key []byte) error { return checkKey(key) }

// GetResult is an item with the state it was read from.
type GetResult struct {
	Item Item
	// Revision is the one that was read.
	Revision Revision
	// Applied is the index up to which the replica that answered had applied the log.
	Applied Index
}

// RangeOptions say which keys are read, and how. The zero value is every key at the latest revision, in ascending order, read
// linearizably.
type RangeOptions struct {
	// Prefix selects the keys that begin with it. It excludes From and To.
	Prefix []byte
	// From and To select the keys in [From, To). An empty From is the beginning; an empty To means no upper bound.
	From, To []byte
	// Limit bounds the number of items, 0 for no bound; at most MaxLimit.
	Limit int
	// MaxBytes bounds the keys and values returned, each item counting ItemOverheadBytes more, 0 for no bound. The first item
	// is returned whatever its size. It can't be used in a transaction, which has MaxTxnReadBytes.
	MaxBytes int
	// Reverse reads in descending order, so that a limit keeps the greatest keys.
	Reverse bool
	// KeysOnly leaves Item.Value nil.
	KeysOnly bool
	// CountOnly returns no items, but their number: all of them, or up to Limit.
	CountOnly bool
	// Revision is the one to read at, Latest (0) for the newest. It fails with ErrCompacted or ErrFutureRevision. It can't be
	// used in a transaction.
	Revision Revision
	// Level can't be used in a transaction.
	Level ReadLevel
}

// Bounds gives the keys selected as an interval [from, to). A nil to means no upper bound.
func (o RangeOptions) Bounds() (from, to []byte) {
	if len(o.Prefix) > 0 {
		return o.Prefix, PrefixEnd(o.Prefix)
	}
	if len(o.To) == 0 {
		return o.From, nil
	}
	return o.From, o.To
}

// Validate says whether the options can be carried out, with an *InvalidError. An interval with From at or above To is valid
// and empty.
func (o RangeOptions) Validate() error {
	if len(o.Prefix) > 0 && (len(o.From) > 0 || len(o.To) > 0) {
		return &InvalidError{Field: "range", Problem: "expected a prefix or bounds, found both"}
	}
	if err := checkBound("prefix", o.Prefix); err != nil {
		return err
	}
	if err := checkBound("from", o.From); err != nil {
		return err
	}
	if err := checkBound("to", o.To); err != nil {
		return err
	}
	if o.Limit < 0 || o.Limit > MaxLimit {
		return &InvalidError{Field: "limit", Problem: fmt.Sprintf("expected 0 to %d, found %d", MaxLimit, o.Limit)}
	}
	if o.MaxBytes < 0 {
		return &InvalidError{Field: "max bytes", Problem: fmt.Sprintf("expected 0 or more, found %d", o.MaxBytes)}
	}
	return o.Level.Validate()
}

// validateInTxn refuses what a transaction can't do: it reads the state that it changes, and its results have a bound of
// their own.
func (o RangeOptions) validateInTxn() error {
	switch {
	case o.Revision != Latest:
		return &InvalidError{Field: "revision", Err: ErrUnsupported, Problem: fmt.Sprintf("expected the latest in a transaction, found %d", o.Revision)}
	case o.Level != Linearizable:
		return &InvalidError{Field: "level", Err: ErrUnsupported, Problem: fmt.Sprintf("expected none in a transaction, found %v", o.Level)}
	case o.MaxBytes != 0:
		return &InvalidError{Field: "max bytes", Err: ErrUnsupported, Problem: fmt.Sprintf("expected none in a transaction, found %d", o.MaxBytes)}
	}
	return o.Validate()
}

// RangeResult is what a range found.
type RangeResult struct {
	// Items are in the order asked for, each with its own memory.
	Items []Item
	// Count is the number of items, also where they were asked for as a count only.
	Count int
	// More says that Limit or MaxBytes left out at least one key of the interval.
	More bool
	// Revision is the one that was read. In a transaction's result it is the transaction's.
	Revision Revision
	// Applied is the index up to which the replica that answered had applied the log; 0 in a transaction's result.
	Applied Index
}

// PrefixEnd gives the least key above every key that begins with prefix, or nil when there is none: prefix is empty or all
// 0xff. The result has its own memory.
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := bytes.Clone(prefix[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}
