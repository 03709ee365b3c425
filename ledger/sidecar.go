package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/ledgerkv/ledgerkv/raft"
)

const sidecarMagic = "LKVIDX\x00\x01"

// waypoint says where an entry begins and what it chains to, so that reading can start there.
type waypoint struct {
	index raft.Index
	pos   raft.Position
	prev  uint32
}

// segment is what the index knows of a segment that holds records: what its sidecar says.
type segment struct {
	number uint64
	first  raft.EntryID
	// prev is the header checksum before the first entry, firstTime the first entry's time.
	prev      uint32
	firstTime int64
	// tip is the last entry in the segment.
	tip Tip
	// terms holds the first entry of each run of entries with one term; the segment's first entry is always there.
	terms []raft.EntryID
	// special holds the indexes of configuration, format and trim entries, which recovery has to read.
	special []raft.Index
	// points holds a waypoint for the first entry and then about one for each 64 KiB, for each MiB once thinned.
	points  []waypoint
	thinned bool

	// serial is the tail's count of appended bytes when the segment was last appended to.
	serial uint64
	// sidecar: the segment's sidecar is written and current.
	sidecar bool
}

// termAt gives the term of an entry of the segment. REQUIRES: it is in the segment.
func (s *segment) termAt(i raft.Index) raft.Term {
	lo, hi := 0, len(s.terms)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; s.terms[mid].Index <= i {
			lo = mid
		} else {
			hi = mid
		}
	}
	return s.terms[lo].Term
}

// pointFor gives the last waypoint at or below an entry of the segment.
func (s *segment) pointFor(i raft.Index) waypoint {
	return s.points[lastWhere(len(s.points), func(n int) bool { return s.points[n].index <= i })]
}

// lastWhere gives the last of n ascending things for which ok holds; 0 when it holds for none.
func lastWhere(n int, ok func(int) bool) int {
	lo, hi := 0, n
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; ok(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// The index keeps all waypoints of the last fullSegments segments, and of those before one for each thinnedBytes: 24 bytes for 64 KiB and for a MiB
// of log. So an old entry is found by reading a MiB. The sidecar on the disk has all waypoints.
const (
	fullSegments = 16
	thinnedBytes = 1 << 20
)

// thin is a copy with fewer waypoints.
func (s *segment) thin() *segment {
	t := *s
	t.points, t.thinned = nil, true
	for n, p := range s.points {
		if n == 0 || p.pos-t.points[len(t.points)-1].pos >= thinnedBytes {
			t.points = append(t.points, p)
		}
	}
	return &t
}

// add takes note of the next record of the segment.
func (s *segment) add(r *Record) {
	if len(s.points) == 0 {
		s.first, s.prev, s.firstTime = r.ID, r.PrevChecksum, r.Time
	}
	if n := len(s.points); n == 0 || r.Position-s.points[n-1].pos >= waypointBytes {
		s.points = append(s.points, waypoint{index: r.ID.Index, pos: r.Position, prev: r.PrevChecksum})
	}
	if n := len(s.terms); n == 0 || s.terms[n-1].Term != r.ID.Term {
		s.terms = append(s.terms, r.ID)
	}
	if r.Kind == raft.KindConfig || r.Kind == raft.KindFormat || r.Kind == raft.KindTrim {
		s.special = append(s.special, r.ID.Index)
	}
	s.tip = r.tip()
}

// encodeSidecar gives the content of a segment's sidecar (docs/format.md, "Sidecar").
func (s *segment) encodeSidecar() []byte {
	le := binary.LittleEndian
	b := append([]byte(nil), sidecarMagic...)
	b = le.AppendUint64(b, s.number)
	b = le.AppendUint64(b, uint64(s.first.Index))
	b = le.AppendUint64(b, uint64(s.first.Term))
	b = le.AppendUint64(b, uint64(s.tip.ID.Index))
	b = le.AppendUint64(b, uint64(s.tip.ID.Term))
	b = le.AppendUint64(b, uint64(s.tip.Time))
	b = le.AppendUint64(b, uint64(s.tip.End))
	b = le.AppendUint32(b, s.prev)
	b = le.AppendUint32(b, s.tip.Checksum)
	b = le.AppendUint64(b, uint64(s.firstTime))
	b = le.AppendUint32(b, uint32(len(s.terms)))
	for _, t := range s.terms {
		b = le.AppendUint64(le.AppendUint64(b, uint64(t.Index)), uint64(t.Term))
	}
	b = le.AppendUint32(b, uint32(len(s.special)))
	for _, i := range s.special {
		b = le.AppendUint64(b, uint64(i))
	}
	b = le.AppendUint32(b, uint32(len(s.points)))
	for _, p := range s.points {
		b = le.AppendUint64(le.AppendUint64(b, uint64(p.index)), uint64(p.pos))
		b = le.AppendUint32(b, p.prev)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// fieldReader takes fields off a slice; once it ran short it gives zeros and says so.
type fieldReader struct {
	b     []byte
	short bool
}

func (f *fieldReader) take(n int) []byte {
	if len(f.b) < n {
		f.short, f.b = true, nil
		return make([]byte, n)
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

func (f *fieldReader) u64() uint64 { return binary.LittleEndian.Uint64(f.take(8)) }
func (f *fieldReader) u32() uint32 { return binary.LittleEndian.Uint32(f.take(4)) }

// count reads the length of a list whose items have the given size, never more than there are bytes for.
func (f *fieldReader) count(itemSize int) int {
	n := f.u32()
	if uint64(n)*uint64(itemSize) > uint64(len(f.b)) {
		f.short = true
		return 0
	}
	return int(n)
}

func (f *fieldReader) id() raft.EntryID {
	i := raft.Index(f.u64())
	return raft.EntryID{Index: i, Term: raft.Term(f.u64())}
}

// decodeSidecar is the reverse of encodeSidecar. It checks that the sidecar is consistent in itself; whether it fits the log is for the
// caller to check.
func decodeSidecar(src []byte) (*segment, error) {
	if err := checkSealed(src, sidecarMagic); err != nil {
		return nil, err
	}
	f := &fieldReader{b: src[8 : len(src)-4]}
	s := &segment{sidecar: true}
	s.number, s.first = f.u64(), f.id()
	s.tip.ID, s.tip.Time, s.tip.End = f.id(), int64(f.u64()), raft.Position(f.u64())
	s.prev, s.tip.Checksum, s.firstTime = f.u32(), f.u32(), int64(f.u64())
	for range f.count(16) {
		s.terms = append(s.terms, f.id())
	}
	for range f.count(8) {
		s.special = append(s.special, raft.Index(f.u64()))
	}
	for range f.count(20) {
		i, pos := raft.Index(f.u64()), raft.Position(f.u64())
		s.points = append(s.points, waypoint{index: i, pos: pos, prev: f.u32()})
	}
	if f.short || len(f.b) != 0 {
		return nil, errors.New("the length does not fit the content")
	}
	return s, s.check()
}

// check looks for contradictions in what a sidecar says.
func (s *segment) check() error {
	last := s.tip.ID
	if s.first.Index == 0 || last.Index < s.first.Index || len(s.terms) == 0 || s.terms[0] != s.first ||
		len(s.points) == 0 || s.points[0].index != s.first.Index || s.points[0].prev != s.prev {
		return fmt.Errorf("entries %v to %v do not fit the lists", s.first, last)
	}
	for n, t := range s.terms {
		if t.Index > last.Index || n > 0 && (t.Index <= s.terms[n-1].Index || t.Term <= s.terms[n-1].Term) {
			return fmt.Errorf("term run %v is out of order", t)
		}
	}
	if s.terms[len(s.terms)-1].Term != last.Term {
		return fmt.Errorf("the last term run does not hold %v", last)
	}
	for n, i := range s.special {
		if i < s.first.Index || i > last.Index || n > 0 && i <= s.special[n-1] {
			return fmt.Errorf("listed entry %d is out of order", i)
		}
	}
	for n, p := range s.points {
		if p.index > last.Index || p.pos >= s.tip.End || n > 0 && (p.index <= s.points[n-1].index || p.pos <= s.points[n-1].pos) {
			return fmt.Errorf("waypoint %d is out of order", p.index)
		}
	}
	return nil
}
