package model

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// write is what one operation of a branch writes: the key from alone (point), or the interval [from, to).
type write struct {
	from, to []byte
	point    bool
	op       int
}

// checkWrites refuses a branch that would write a key twice: a key's change at a revision is one, so that it has one
// answer to what happened there. It depends on the operations alone, never on what the store holds. REQUIRES: each operation
// is valid.
func checkWrites(name string, ops []Op) error {
	count := 0
	for i := range ops {
		if ops[i].Kind <= OpDeleteRange {
			count++
		}
	}
	if count < 2 {
		return nil
	}
	writes := make([]write, 0, count)
	for i := range ops {
		op := &ops[i]
		switch op.Kind {
		case OpPut, OpDelete:
			writes = append(writes, write{from: op.Key, point: true, op: i})
		case OpDeleteRange:
			from, to := op.Range.Bounds()
			if to == nil || bytes.Compare(from, to) < 0 {
				writes = append(writes, write{from: from, to: to, op: i})
			}
		}
	}
	if len(writes) < 2 {
		return nil // all but one are of empty intervals
	}
	slices.SortFunc(writes, func(a, b write) int {
		if c := bytes.Compare(a.from, b.from); c != 0 {
			return c
		}
		return cmp.Compare(a.op, b.op)
	})
	// Sorted by where they begin, two writes overlap only if some write overlaps the one that reaches furthest before it.
	reach := writes[0]
	for _, w := range writes[1:] {
		if reach.covers(w.from) {
			first, second := min(reach.op, w.op), max(reach.op, w.op)
			return &InvalidError{
				Field: name + " operations", Err: ErrDuplicateWrite,
				Problem: fmt.Sprintf("expected each key to be written once, but operations %d (%v) and %d (%v) both write %q",
					first+1, ops[first].Kind, second+1, ops[second].Kind, w.from),
			}
		}
		reach = w
	}
	return nil
}

// covers says whether the write changes key. REQUIRES: key is at or above w.from.
func (w write) covers(key []byte) bool {
	if w.point {
		return bytes.Equal(w.from, key)
	}
	return w.to == nil || bytes.Compare(key, w.to) < 0
}
