package ledger

import (
	"errors"
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Reader reads the log in order. It follows the tail: at its limit it gives io.EOF, and goes on when the limit has risen. While it
// reads from a segment file, that file is not recycled. One goroutine at a time.
type Reader struct {
	l    *Ledger
	next raft.Index
	disk diskCursor
	runs [][]byte
	one  [1]Record
}

// Reader gives a reader whose first record is entry from. It is to be closed. Any goroutine.
func (l *Ledger) Reader(from raft.Index) *Reader {
	return &Reader{l: l, next: from, disk: diskCursor{l: l}}
}

// Index is the entry that is read next.
func (r *Reader) Index() raft.Index { return r.next }

// Seek makes entry i the next to be read.
func (r *Reader) Seek(i raft.Index) { r.next = i }

// Close gives back what the reader holds.
func (r *Reader) Close() error {
	r.disk.close()
	return nil
}

// Next gives the next record, up to and including entry limit, which should be committed: what is above may be truncated. It fails
// with io.EOF when there is none yet, with a *CompactedError when it has been removed, and with a *CorruptionError. The
// record's slices must not be changed and are valid until the following call of Next or Batch. It may read the disk.
func (r *Reader) Next(limit raft.Index) (Record, error) {
	recs, err := r.Batch(limit, 0, r.one[:0])
	if err != nil {
		return Record{}, err
	}
	return recs[0], nil
}

// Batch appends to recs the next records up to and including entry limit, as far as they are at hand, not more than maxBytes of records
// but at least one. Errors and lifetimes are those of Next; recs is returned as it was when there is an error. It allocates nothing per
// record.
func (r *Reader) Batch(limit raft.Index, maxBytes int, recs []Record) ([]Record, error) {
	return fromDisk(func() ([]Record, error) {
		r.l.mu.Lock()
		x := &r.l.idx
		stop := min(limit, x.tip.ID.Index)
		if r.next <= x.base.ID.Index {
			defer r.l.mu.Unlock()
			return recs, x.compacted()
		}
		if r.next > stop {
			r.l.mu.Unlock()
			return recs, io.EOF
		}
		if n := x.tail.search(r.next); n >= 0 {
			r.runs, _, _ = x.tail.records(n, r.next-1, stop, maxBytes, r.runs[:0])
			r.l.mu.Unlock()
			return r.decode(recs), nil
		}
		r.l.mu.Unlock()
		return r.read(stop, maxBytes, recs)
	})
}

// decode appends the records of the runs, which come from memory.
func (r *Reader) decode(recs []Record) []Record {
	r.disk.close()
	for _, b := range r.runs {
		for len(b) > 0 {
			rec, n := decodeTrusted(b)
			recs = append(recs, rec)
			b = b[n:]
			r.next++
		}
	}
	clear(r.runs)
	return recs
}

// decodeTrusted decodes the first record of b, which was verified before.
func decodeTrusted(b []byte) (Record, int) {
	r, n, err := decodeHeader(b[:headerSize])
	if err != nil {
		panic(fmt.Sprintf("ledger: bytes in the tail have changed: %v", err))
	}
	r.Raw = b[:n:n]
	r.Body = bodyOf(r.Raw)
	return r, n
}

// read appends records from the disk, up to and including entry stop, as far as they are there.
func (r *Reader) read(stop raft.Index, maxBytes int, recs []Record) ([]Record, error) {
	c := &r.disk
	if c.rf == nil || c.spot.tip.ID.Index+1 != r.next || c.stale() {
		if err := c.seek(r.next); err != nil {
			return recs, err
		}
	}
	before, size := len(recs), 0
	for next := r.next; next <= stop; next++ {
		first := len(recs) == before
		rec, err := c.next(first)
		if errors.Is(err, errWindow) {
			break
		}
		if err != nil {
			return recs[:before], err
		}
		if size += len(rec.Raw); !first && size > maxBytes {
			c.back(&rec)
			break
		}
		recs = append(recs, rec)
	}
	if c.stale() {
		return recs[:before], errStale
	}
	r.next += raft.Index(len(recs) - before)
	return recs, nil
}

// back makes the cursor give the record that it gave last once more.
func (c *diskCursor) back(r *Record) {
	c.spot.tip = Tip{ID: raft.EntryID{Index: r.ID.Index - 1}, End: r.Position, Checksum: r.PrevChecksum, Time: minTime}
}

// Record gives entry i; the record is the caller's to read, not to change. It fails with a *CompactedError, with an error that wraps
// ErrMismatch when the log does not reach so far, or with a *CorruptionError. Any goroutine; it may read the disk.
func (l *Ledger) Record(i raft.Index) (Record, error) {
	r := l.Reader(i)
	defer r.Close()
	rec, err := r.Next(i)
	if err == io.EOF {
		err = mismatch("entry %d, the log ends at %v", i, l.Last())
	}
	return rec, err
}

// RecordAt gives the record that begins at pos. Errors are those of Record; ErrMismatch also when no record begins there. Any goroutine; it
// may read the disk.
func (l *Ledger) RecordAt(pos raft.Position) (Record, error) {
	recs, err := l.recordsOver(pos, 1)
	if err != nil {
		return Record{}, err
	}
	if recs[0].Position != pos {
		return Record{}, mismatch("no record begins at position %d, %v begins at %d", pos, recs[0].ID, recs[0].Position)
	}
	return recs[0], nil
}

// ReadAt gives length bytes of the log from pos on, in place: the records that hold them are verified, and none but the bytes asked for are
// returned, which must not be changed. They must be within contiguous records: not in a filler or across it. Errors are those of RecordAt. Any goroutine;
// it may read the disk.
func (l *Ledger) ReadAt(pos raft.Position, length int) ([]byte, error) {
	if length < 0 || uint64(length) > l.size {
		return nil, mismatch("%d bytes are asked for, at most %d are possible", length, l.size)
	}
	l.mu.Lock()
	if c := l.idx.tail.positionOf(pos); c != nil && uint64(pos-c.start)+uint64(length) <= uint64(len(c.buf)) {
		defer l.mu.Unlock()
		from := int(pos - c.start)
		return c.buf[from : from+length : from+length], nil
	}
	l.mu.Unlock()
	recs, err := l.recordsOver(pos, length)
	if err != nil {
		return nil, err
	}
	at := int(pos - recs[0].Position)
	if len(recs) == 1 {
		return recs[0].Raw[at : at+length : at+length], nil
	}
	out := make([]byte, 0, length)
	for _, r := range recs {
		out = append(out, r.Raw[at:min(len(r.Raw), at+length-len(out))]...)
		at = 0
	}
	return out, nil
}

// recordsOver gives the records that hold the bytes [pos, pos+length).
func (l *Ledger) recordsOver(pos raft.Position, length int) ([]Record, error) {
	return fromDisk(func() ([]Record, error) {
		l.mu.Lock()
		from, err := l.idx.pointAt(pos, l.size)
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		r := l.Reader(from)
		defer r.Close()
		var recs []Record
		for end := raft.Position(0); end < pos+raft.Position(max(length, 1)); {
			rec, err := r.Next(l.Last().Index)
			if err == io.EOF {
				return nil, mismatch("positions %d to %d, the log ends at %d", pos, pos+raft.Position(length), end)
			}
			if err != nil {
				return nil, err
			}
			if len(recs) > 0 && rec.Position != end {
				return nil, mismatch("positions %d to %d are not contiguous", pos, pos+raft.Position(length))
			}
			if end = rec.End(); end <= pos {
				continue
			}
			if rec.Position > pos && len(recs) == 0 {
				return nil, mismatch("position %d is in a filler", pos)
			}
			rec.Raw = append([]byte(nil), rec.Raw...)
			rec.Body = bodyOf(rec.Raw)
			recs = append(recs, rec)
		}
		return recs, nil
	})
}

// pointAt gives an entry, not far below, from which the byte at pos can be found. REQUIRES: the mutex.
func (x *index) pointAt(pos raft.Position, segmentSize uint64) (raft.Index, error) {
	switch {
	case pos < x.base.Position:
		return 0, x.compacted()
	case pos >= x.tip.End:
		return 0, mismatch("position %d, the log ends at %d", pos, x.tip.End)
	}
	s := x.segs[lastWhere(len(x.segs), func(n int) bool { return x.segs[n].number <= segmentOf(pos, segmentSize) })]
	p := s.points[lastWhere(len(s.points), func(n int) bool { return s.points[n].pos <= pos })]
	return p.index, nil
}

// BaseAt is what an image of the state after entry i says of the log: id, end, checksum and time of the entry, and the format and the
// configuration in force behind it. The base itself has one, too. Errors are those of Record. Any goroutine; it may read
// the disk.
func (l *Ledger) BaseAt(i raft.Index) (raft.Base, error) {
	for {
		t, err := l.tipAt(i)
		if err != nil {
			return raft.Base{}, err
		}
		l.mu.Lock()
		if x := &l.idx; x.has(t.ID) {
			defer l.mu.Unlock()
			if i == x.base.ID.Index {
				b := x.base
				b.Configuration = b.Configuration.Clone()
				return b, nil
			}
			return x.baseAt(t), nil
		}
		l.mu.Unlock()
	}
}
