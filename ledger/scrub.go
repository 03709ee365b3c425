package ledger

import (
	"errors"
	"fmt"
	"math"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Scrubber reads the sealed segments on the disk again, whether anybody needs them or not, so that what has rotted is known while other replicas
// still hold it. It checks each record's checksums, the chain, and that both say what the index says. It holds no file between two calls. One goroutine
// at a time.
type Scrubber struct {
	l    *Ledger
	next raft.Index
}

// Scrubber gives a scrubber at the beginning of the log. Any goroutine.
func (l *Ledger) Scrubber() *Scrubber { return &Scrubber{l: l} }

// stretch is a piece of a sealed segment from one waypoint to the next, or to the segment's end.
type stretch struct {
	spot
	// to is the last entry of the stretch; its Time is not known where a waypoint follows.
	to Tip
	// seals: the stretch ends its segment.
	seals bool
}

// Next reads the next piece of the sealed segments: one waypoint's distance (IndexAt), or up to the segment's end if that is nearer. n is how many bytes that
// were. At the end of what is sealed and durable it gives 0 and begins anew.
//
// A *CorruptionError or *FormatError says what is damaged and where; the next call goes on behind the piece. It blocks on the device; the
// operating system may give what it has in memory. One goroutine at a time, which may be any.
func (s *Scrubber) Next() (n int, err error) {
	for {
		s.l.mu.Lock()
		piece, ok := s.l.idx.stretchFrom(s.next)
		s.l.mu.Unlock()
		if !ok {
			s.next = 0
			return 0, nil
		}
		err := s.l.checkStretch(&piece)
		if errors.Is(err, errStale) {
			continue
		}
		if errors.Is(err, ErrClosed) {
			return 0, err
		}
		s.next = piece.to.ID.Index + 1
		return int(piece.to.End - piece.tip.End), err
	}
}

// stretchFrom gives the stretch that holds entry i, or the first one behind it; false when there is none in a sealed, durable segment. REQUIRES: the
// mutex.
func (x *index) stretchFrom(i raft.Index) (stretch, bool) {
	i = max(i, x.first())
	if i > x.tip.ID.Index {
		return stretch{}, false
	}
	k := lastWhere(len(x.segs), func(n int) bool { return x.segs[n].first.Index <= i })
	if k+1 == len(x.segs) || max(x.segs[k].serial, x.segs[k+1].serial) > x.tail.synced {
		return stretch{}, false // the filler goes to the disk with what follows it
	}
	s := x.segs[k]
	n := lastWhere(len(s.points), func(n int) bool { return s.points[n].index <= i })
	p := s.points[n]
	piece := stretch{to: s.tip, seals: n+1 == len(s.points)}
	piece.number, piece.epoch, piece.truncations = s.number, x.epoch, x.truncations
	piece.tip = Tip{ID: raft.EntryID{Index: p.index - 1}, End: p.pos, Checksum: p.prev, Time: minTime}
	if !piece.seals {
		q := s.points[n+1]
		piece.to = Tip{ID: raft.EntryID{Index: q.index - 1, Term: s.termAt(q.index - 1)}, End: q.pos, Checksum: q.prev}
	}
	return piece, true
}

// checkStretch reads a stretch from its file.
func (l *Ledger) checkStretch(piece *stretch) error {
	c := diskCursor{l: l, spot: piece.spot}
	defer c.close()
	c.spot.stop, c.spot.limit = math.MaxUint64, 0
	if err := c.enter(); err != nil {
		return err
	}
	c.scan.block = min(int(piece.to.End-piece.tip.End), readBlock)
	for c.spot.tip.ID.Index < piece.to.ID.Index {
		r, _, err := c.scan.next(c.spot.tip, true, true)
		if err != nil {
			return c.fault(err)
		}
		c.spot.tip = r.tip()
	}
	if found := c.spot.tip; found.ID != piece.to.ID || found.End != piece.to.End || found.Checksum != piece.to.Checksum {
		return c.disagrees(piece.to.ID, found.ID)
	}
	if !piece.seals {
		return nil
	}
	_, _, err := c.scan.next(c.spot.tip, false, true)
	switch {
	case errors.Is(err, errSegmentEnd):
		return nil
	case err == nil:
		err = fmt.Errorf("a record where the segment should end, behind %v", piece.to.ID)
	}
	return c.fault(err)
}
