package ledger

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Records appends to bufs the records (prev, last] as they are to be sent: contiguous bytes, as few pieces as there are, without fillers. It stops
// before the record that would make it more than maxBytes, but gives at least one. got is the last entry given and size the number
// of bytes.
//
// Both ids are checked against the log that is read: the error wraps ErrMismatch when one of them is not, or no longer, an entry of it, and is a
// *CompactedError when prev lies below the base. Records from memory are parts of the tail and must not be changed; those from the
// disk are verified and the caller's. One call gives records from memory or from one segment file. Any goroutine; it may read the disk.
func (l *Ledger) Records(prev, last raft.EntryID, maxBytes int, bufs [][]byte) (recs [][]byte, got raft.EntryID, size int, err error) {
	type found struct {
		recs [][]byte
		got  raft.EntryID
		size int
	}
	f, err := fromDisk(func() (found, error) {
		l.mu.Lock()
		if err := l.idx.holds(prev, last); err != nil || prev == last {
			l.mu.Unlock()
			return found{recs: bufs, got: prev}, err
		}
		if n := l.idx.tail.search(prev.Index + 1); n >= 0 {
			defer l.mu.Unlock()
			recs, got, size := l.idx.tail.records(n, prev.Index, last.Index, maxBytes, bufs)
			return found{recs, got, size}, nil
		}
		l.mu.Unlock()
		raw, got, err := l.readRun(prev, last, maxBytes)
		if err != nil {
			return found{recs: bufs}, err
		}
		return found{append(bufs, raw), got, len(raw)}, nil
	})
	if err != nil {
		return bufs, prev, 0, err
	}
	return f.recs, f.got, f.size, nil
}

// holds checks that prev and last are entries of the log, in order. REQUIRES: the mutex.
func (x *index) holds(prev, last raft.EntryID) error {
	switch {
	case prev.Index < x.base.ID.Index:
		return x.compacted()
	case last.Index < prev.Index:
		return mismatch("entries (%v, %v] are asked for", prev, last)
	case !x.has(prev):
		return mismatch("entry %v is not in the log, which ends at %v", prev, x.tip.ID)
	case !x.has(last):
		return mismatch("entry %v is not in the log, which ends at %v", last, x.tip.ID)
	}
	return nil
}

// records appends the records (prev, last] to bufs, from chunk n on, which holds the first of them.
func (t *tail) records(n int, prev, last raft.Index, maxBytes int, bufs [][]byte) (recs [][]byte, got raft.EntryID, size int) {
	next := prev + 1
	for ; n < len(t.chunks) && next <= last; n++ {
		c := t.chunks[n]
		i := int(next - c.first)
		from := int(c.items[i].offset)
		to := from
		for ; i < len(c.items) && next <= last; i++ {
			_, end := c.bounds(i)
			if size+end-from > maxBytes && size+to-from > 0 {
				break
			}
			to, got = end, raft.EntryID{Index: next, Term: c.term(i)}
			next++
		}
		if to == from {
			break
		}
		bufs = append(bufs, c.buf[from:to:to])
		size += to - from
		if i < len(c.items) {
			break
		}
	}
	return bufs, got, size
}

// readRun reads the records (prev, last] from the disk, as many as fit into maxBytes and are in one segment, at least one.
func (l *Ledger) readRun(prev, last raft.EntryID, maxBytes int) ([]byte, raft.EntryID, error) {
	c := diskCursor{l: l}
	defer c.close()
	if err := c.seek(prev.Index + 1); err != nil {
		return nil, prev, err
	}
	if c.spot.tip.ID.Term != 0 && c.spot.tip.ID != prev {
		return nil, prev, c.disagrees(prev, c.spot.tip.ID)
	}
	// The window becomes the answer: it is filled once, from the first record on.
	c.scan.buf, c.scan.block = nil, max(maxBytes, headerSize)
	got, n := prev, 0
	for got.Index < last.Index {
		r, err := c.next(n == 0)
		if errors.Is(err, errWindow) {
			break
		}
		if err != nil {
			return nil, prev, err
		}
		if n > 0 && n+len(r.Raw) > maxBytes {
			break
		}
		got, n = r.ID, n+len(r.Raw)
	}
	if c.stale() {
		return nil, prev, errStale
	}
	if got.Index == last.Index && got != last {
		return nil, prev, c.disagrees(last, got)
	}
	return c.scan.buf[:n:n], got, nil
}

// disagrees says that the disk holds another entry than the index: a corruption, unless the log was changed meanwhile.
func (c *diskCursor) disagrees(want, found raft.EntryID) error {
	return c.fault(fmt.Errorf("expected entry %v, found %v", want, found))
}
