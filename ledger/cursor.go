package ledger

import (
	"errors"

	"github.com/ledgerkv/ledgerkv/raft"
)

// errStale: the log was changed under a reader; what it read means nothing, and it has to look again.
var errStale = errors.New("the log was changed meanwhile")

// spot is where on the disk reading can begin: a tip, the segment that holds the record behind it, and the state of the log in
// which that is so.
type spot struct {
	tip         Tip
	number      uint64
	epoch       uint32
	truncations uint64
	// limit is where the records of the segment end.
	limit raft.Position
	// stop is the last entry that is not in memory. In this state of the log, and only in it, the disk holds the entries up to it.
	stop raft.Index
}

// spotFor finds the last spot known in memory from which entry i can be reached. REQUIRES: the mutex, and that i is in the log.
func (x *index) spotFor(i raft.Index) spot {
	s := x.segmentFor(i)
	p := s.pointFor(i)
	// The tip's time is not known: 0 is below every time, and follows checks only that time does not go back.
	sp := spot{number: s.number, epoch: x.epoch, truncations: x.truncations, limit: s.tip.End, stop: x.lastOnDisk()}
	sp.tip = Tip{ID: raft.EntryID{Index: p.index - 1}, End: p.pos, Checksum: p.prev, Time: minTime}
	return sp
}

const minTime = -1 << 63

// lastOnDisk is the last entry that is not in memory, and so surely on the disk. REQUIRES: the mutex.
func (x *index) lastOnDisk() raft.Index {
	if first := x.tail.first(); first != 0 {
		return first - 1
	}
	return x.tip.ID.Index
}

// changed reports whether the log was changed below what a reader that started at the spot may have read. REQUIRES: the mutex.
func (x *index) changed(sp *spot) bool {
	return x.epoch != sp.epoch || x.truncations != sp.truncations || sp.tip.ID.Index < x.base.ID.Index
}

// diskCursor reads records in order from one segment file after the other, checking each.
type diskCursor struct {
	l    *Ledger
	spot spot
	rf   *readFile
	scan scanner
}

// seek moves the cursor so that next gives entry i. It fails with errStale when the entry is in memory. REQUIRES: the ledger's mutex is not held.
func (c *diskCursor) seek(i raft.Index) error {
	c.l.mu.Lock()
	x := &c.l.idx
	if i <= x.base.ID.Index {
		defer c.l.mu.Unlock()
		return x.compacted()
	}
	if i > x.tip.ID.Index {
		defer c.l.mu.Unlock()
		return mismatch("entry %d, the log ends at %v", i, x.tip.ID)
	}
	if i > x.lastOnDisk() {
		// What is on the disk there may be what was truncated since the caller looked.
		c.l.mu.Unlock()
		return errStale
	}
	c.spot = x.spotFor(i)
	c.l.mu.Unlock()
	if err := c.enter(); err != nil {
		return err
	}
	for c.spot.tip.ID.Index+1 < i {
		if err := c.skip(); err != nil {
			return err
		}
	}
	return nil
}

// enter opens the spot's segment file.
func (c *diskCursor) enter() error {
	if c.rf == nil || c.rf.epoch != c.spot.epoch || c.rf.number != c.spot.number {
		c.close()
		rf, err := c.l.files.get(c.spot.epoch, c.spot.number)
		if err != nil {
			return c.fault(err)
		}
		c.rf = rf
	}
	c.scan.segmentSize, c.scan.block = c.l.size, readBlock
	c.scan.seek(c.rf.f, c.spot.number)
	c.scan.limit = c.spot.limit
	return nil
}

func (c *diskCursor) stale() bool {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	return c.l.idx.changed(&c.spot)
}

// skip moves over a record, reading only its header.
func (c *diskCursor) skip() error {
	r, size, err := c.scan.next(c.spot.tip, false, true)
	if err != nil {
		return c.fault(err)
	}
	c.spot.tip = tipAfter(&r, size)
	return nil
}

// next gives the next record, from the following segment if this one has no more. Its slices are valid until the window moves: with move
// unset that is not in this call, which fails with errWindow instead. It fails with errStale when the record
// is in memory.
func (c *diskCursor) next(move bool) (Record, error) {
	if c.spot.tip.ID.Index >= c.spot.stop || c.spot.tip.End >= c.scan.limit {
		if !move {
			return Record{}, errWindow
		}
		if err := c.advance(); err != nil {
			return Record{}, err
		}
	}
	r, _, err := c.scan.next(c.spot.tip, true, move)
	if err != nil {
		return Record{}, c.fault(err)
	}
	c.spot.tip = r.tip()
	return r, nil
}

// advance finds where the record behind the spot is, when that was not known when the spot was taken.
func (c *diskCursor) advance() error {
	next := c.spot.tip.ID.Index + 1
	c.l.mu.Lock()
	x := &c.l.idx
	if x.changed(&c.spot) || next > x.lastOnDisk() {
		c.l.mu.Unlock()
		return errStale
	}
	s := x.segmentFor(next)
	c.spot.number, c.spot.limit, c.spot.stop = s.number, s.tip.End, x.lastOnDisk()
	c.l.mu.Unlock()
	return c.enter()
}

// fault makes of what went wrong at the cursor what a caller can act on: errStale when the log was changed meanwhile, else the file's fault.
func (c *diskCursor) fault(err error) error {
	switch {
	case errors.Is(err, errWindow), errors.Is(err, ErrClosed):
		return err
	case c.stale():
		return errStale
	}
	return faultAt(c.l.names.segment(c.spot.epoch, c.spot.number), c.spot.tip, c.l.size, err)
}

// faultAt says that what follows tip in a segment file is not what it should be.
func faultAt(path string, tip Tip, segmentSize uint64, err error) error {
	var unknown *unknownFormat
	if errors.As(err, &unknown) {
		return &FormatError{Path: path, Offset: fileOffset(tip.End, segmentSize), What: unknown.what}
	}
	at := tip.End
	var bad *badRecord
	if errors.As(err, &bad) {
		at, err = bad.pos, bad.err
	}
	return &CorruptionError{Path: path, Offset: fileOffset(at, segmentSize), Index: tip.ID.Index + 1, Err: err}
}

func (c *diskCursor) close() {
	if c.rf != nil {
		c.l.files.release(c.rf)
		c.rf = nil
	}
}

// fromDisk runs read until it doesn't find the log changed under it.
func fromDisk[T any](read func() (T, error)) (T, error) {
	for {
		v, err := read()
		if !errors.Is(err, errStale) {
			return v, err
		}
	}
}

// tipAt gives the end of entry i, from memory or from the disk.
func (l *Ledger) tipAt(i raft.Index) (Tip, error) {
	return fromDisk(func() (Tip, error) {
		l.mu.Lock()
		t, ok := l.idx.tipInMemory(i)
		l.mu.Unlock()
		if ok {
			return t, nil
		}
		c := diskCursor{l: l}
		defer c.close()
		if err := c.seek(i); err != nil {
			return Tip{}, err
		}
		if err := c.skip(); err != nil {
			return Tip{}, err
		}
		return c.spot.tip, nil
	})
}
