package model

import "fmt"

// These limits are part of the format: every replica refuses what is over them, so that all agree. What a log entry takes is
// limited by the group's segment size besides (MaxEntryBytes for the default of 16 MiB).
const (
	// MaxKeyBytes is the longest key; the shortest has 1 byte.
	MaxKeyBytes = 4 << 10
	// MaxBoundBytes is the longest bound of a range: a key and one byte more, so that "just after this key" can be said.
	MaxBoundBytes = MaxKeyBytes + 1
	// MaxOps is the largest number of comparisons in a transaction, and of operations in each of its branches.
	MaxOps = 1 << 14
	// MaxTxnReadBytes bounds what the gets of a transaction return together, past which it is refused and nothing is written,
	// and likewise what its ranges return together, past which RangeResult.More is set and the rest left out. Each item
	// counts as its key, its value and ItemOverheadBytes. A single get always fits.
	MaxTxnReadBytes = 4 << 20
	// MaxTxnVisits bounds the keys that a transaction visits without returning them, past which it is refused and nothing is
	// written: every replica carries it out, and nothing else meanwhile. What counts is said at Range and DeleteRange.
	MaxTxnVisits = 1 << 17
	// MaxDeleteKeys is how many keys a delete of a range by itself, which is no transaction, removes in one step. What is left is removed in further
	// ones, at further revisions, so that a replica is never busy for long.
	MaxDeleteKeys = 1 << 14
	// ItemOverheadBytes is what an item counts beside its key and value wherever results are bounded in bytes.
	ItemOverheadBytes = 64
	// MaxLimit is the largest RangeOptions.Limit.
	MaxLimit = 1<<31 - 1
)

// In a group with segments of the default 16 MiB, MaxEntryBytes is the longest encoded command: a quarter of a segment, less
// the record's header. MaxValueBytes is a value that fits with the longest key; with a short key a value may be a little longer.
const (
	MaxEntryBytes = 4<<20 - 64
	MaxValueBytes = 4<<20 - 8<<10
)

// checkKey says whether a key may be stored or asked for.
func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return &InvalidError{Field: "key", Problem: fmt.Sprintf("expected 1 to %d bytes, found none", MaxKeyBytes)}
	case len(key) > MaxKeyBytes:
		return &InvalidError{Field: "key", Err: ErrTooLarge, Problem: fmt.Sprintf("expected at most %d bytes, found %d", MaxKeyBytes, len(key))}
	}
	return nil
}

// checkBound says whether a bound of a range is short enough.
func checkBound(name string, bound []byte) error {
	if len(bound) > MaxBoundBytes {
		return &InvalidError{Field: name, Err: ErrTooLarge, Problem: fmt.Sprintf("expected at most %d bytes, found %d", MaxBoundBytes, len(bound))}
	}
	return nil
}

// checkCount says whether a list of a transaction is short enough. place and what name it: nothing is put together on the
// way to a good answer.
func checkCount(place, what string, n int) error {
	if n > MaxOps {
		return &InvalidError{Field: place + " " + what, Err: ErrTooLarge, Problem: fmt.Sprintf("expected at most %d, found %d", MaxOps, n)}
	}
	return nil
}
