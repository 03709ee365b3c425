package ledger

import (
	"fmt"
	"math"

	"github.com/ledgerkv/ledgerkv/raft"
)

// owner is what the owner has done since the last Cut. Only the owner touches it.
type owner struct {
	// epoch is that of the ledger directory to which the rest belongs.
	epoch uint32
	// cut is the tip at the last Cut.
	cut Tip
	// lowered, when not nil, is the lowest tip that the log was truncated to below cut since.
	lowered *Tip
	// runs is what was appended since, at the positions where it belongs.
	runs []run
	// open is the chunk whose bytes from openFrom on are the last piece of the last run, so that what follows in it makes that piece longer;
	// nil when there is none.
	open     *chunk
	openFrom int
	// limit is the position up to which data may be appended on a full device; 0 while there is no limit.
	limit uint64
}

// run is a piece of the log within one segment: contiguous bytes from pos on.
type run struct {
	pos  raft.Position
	end  raft.Position
	bufs [][]byte
}

// Placed says where a record was placed.
type Placed struct {
	Position raft.Position
	// Length is the record's, header and padding included, in bytes.
	Length uint32
}

// Append appends a leader's entry in memory and says where it is. The entry must be the next one; its time is the later of now (nanoseconds since the
// Unix epoch) and its predecessor's. bodyCRC is BodyChecksum(e.Body), which the caller has computed; the body is copied.
//
// It fails, with nothing done, with an error that wraps ErrTooLarge, ErrMismatch (index or term does not follow) or, for data
// only and beyond what the last Room said, ErrNoSpace. Owner; it does not block.
func (l *Ledger) Append(e raft.Entry, bodyCRC uint32, now int64) (Placed, error) {
	if err := checkBodyLen(e.Kind, len(e.Body)); err != nil {
		return Placed{}, fmt.Errorf("ledger: append %v: %w", e.ID, err)
	}
	if len(e.Body) > maxBodyLen {
		return Placed{}, ErrTooLarge
	}
	size := raft.RecordSize(len(e.Body))
	l.mu.Lock()
	tip := l.ownerTip()
	r := Record{ID: e.ID, Kind: e.Kind, Time: max(now, tip.Time), Body: e.Body, BodyCRC: bodyCRC, PrevChecksum: tip.Checksum}
	r.Position = place(tip.End, size, l.size)
	dst, p, err := l.reserve(&r, size, tip)
	l.mu.Unlock()
	if err != nil {
		return Placed{}, err
	}
	r.Checksum = putRecord(dst, &r)
	l.publish(&r, p, tip, size)
	return Placed{Position: r.Position, Length: size}, nil
}

// AppendRecord appends a record that came from the leader, exactly as it is. It must have been verified by DecodeRecord; that it
// follows the last entry is checked here. Raw is copied.
//
// It fails, with nothing done, with an error that wraps ErrMismatch, ErrTooLarge or, for data only and beyond what the last Room
// said, ErrNoSpace. Owner; it does not block.
func (l *Ledger) AppendRecord(r Record) error {
	size := uint32(len(r.Raw))
	l.mu.Lock()
	tip := l.ownerTip()
	dst, p, err := l.reserve(&r, size, tip)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	copy(dst, r.Raw)
	l.publish(&r, p, tip, size)
	return nil
}

// ownerTip is the end of the log for the owner, who forgets what it did to a log that was reset since. REQUIRES: the mutex.
func (l *Ledger) ownerTip() Tip {
	if o := &l.owner; o.epoch != l.idx.epoch {
		*o = owner{epoch: l.idx.epoch, cut: l.idx.tip}
	}
	return l.idx.tip
}

// reserve checks that the record fits the log and that there is room, decodes what the index needs of it, and finds the bytes
// for it. REQUIRES: the mutex.
func (l *Ledger) reserve(r *Record, size uint32, tip Tip) (dst []byte, p prepared, err error) {
	if err := r.follows(tip, size, l.size); err != nil {
		return nil, p, err
	}
	if limit := l.owner.limit; r.Kind == raft.KindData && limit != 0 {
		if need := uint64(r.Position) + uint64(size) + spareBytes; need > limit {
			return nil, p, &NoSpaceError{Need: uint64(size), Room: room(tip, limit, size, l.size), Err: ErrNoSpace}
		}
	}
	if p, err = prepare(r.ID, r.Kind, r.Body); err != nil {
		return nil, p, fmt.Errorf("ledger: append %v: %w", r.ID, err)
	}
	return l.idx.tail.reserve(r.Position, r.ID.Index, int(size)), p, nil
}

// publish makes the record part of the log and of what the next Cut gives.
func (l *Ledger) publish(r *Record, p prepared, prev Tip, size uint32) {
	l.mu.Lock()
	c, from := l.idx.tail.publish(int(size), r.Checksum)
	r.Raw = c.buf[from:]
	l.idx.extend(r, p, l.size)
	l.idx.tail.evict(l.opts.TailBytes)
	l.mu.Unlock()
	if filler := r.Position - prev.End; filler > 0 {
		b := make([]byte, fillerSize)
		putFiller(b, prev.End, prev.Checksum)
		before := l.owner.extend(prev.End, fillerSize, l.size)
		before.bufs = append(before.bufs, b)
		l.owner.open = nil
	}
	l.owner.add(r.Position, c, from, l.size)
}

// add puts the bytes of c from from on, which belong at pos, behind what is waiting to be cut.
func (o *owner) add(pos raft.Position, c *chunk, from int, segmentSize uint64) {
	r := o.extend(pos, len(c.buf)-from, segmentSize)
	if o.open == c && len(r.bufs) > 0 {
		r.bufs[len(r.bufs)-1] = c.buf[o.openFrom:len(c.buf):len(c.buf)]
		return
	}
	r.bufs = append(r.bufs, c.buf[from:len(c.buf):len(c.buf)])
	o.open, o.openFrom = c, from
}

// extend makes the last run longer by n bytes that belong at pos, or starts one, and returns it.
func (o *owner) extend(pos raft.Position, n int, segmentSize uint64) *run {
	if k := len(o.runs); k == 0 || o.runs[k-1].end != pos || uint64(pos)%segmentSize == 0 {
		o.runs = append(o.runs, run{pos: pos, end: pos})
	}
	r := &o.runs[len(o.runs)-1]
	r.end += raft.Position(n)
	return r
}

// Room is how many bytes of data entries Append and AppendRecord will take before they say ErrNoSpace, when none of their records is larger than
// largest bytes. What it says holds until it is called again, so that what was promised to the core can be kept: they refuse by what the
// last Room found, and never without one. It is without limit as long as the device isn't known to be full. Owner.
func (l *Ledger) Room(largest uint32) uint64 {
	l.mu.Lock()
	tip := l.ownerTip()
	l.mu.Unlock()
	if !l.space.full.Load() {
		l.owner.limit = 0
		return math.MaxInt64
	}
	l.owner.limit = l.space.end.Load()
	return room(tip, l.owner.limit, largest, l.size)
}

func room(tip Tip, limit uint64, largest uint32, segmentSize uint64) uint64 {
	end := uint64(tip.End)
	if limit < end+spareBytes {
		return 0
	}
	room := limit - end - spareBytes
	// At each boundary on the way up to one record's size may be lost to the filler.
	boundaries := (limit-1)/segmentSize - end/segmentSize
	return room - min(room, boundaries*uint64(largest))
}
