package ledger

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// Inspection looks at a group's directory without changing anything in it, and makes the best of one that is damaged. The
// directory should not be in use by a running node: what is being written would look damaged. One goroutine at a time.
type Inspection struct {
	Identity    Identity
	SegmentSize uint64
	// State is the hard state that the group file holds.
	State                               raft.HardState
	LedgerEpoch, BaseEpoch, EngineEpoch uint32
	// Base is where the ledger begins; the zero value if its file is damaged, which Faults then says.
	Base raft.Base
	// Durable and DurableEnd are the mark in force: the entry, and the position at which it ends, up to which every record must be there.
	Durable    raft.EntryID
	DurableEnd raft.Position
	// Truncations is how often the log was truncated, as far as the mark knows.
	Truncations uint64
	// Segments are the segment files, ascending.
	Segments []SegmentFile
	// Faults is what was found wrong while looking around, before any record is read: *CorruptionError, *FormatError. Notes is what is
	// damaged but does no harm, as it is held twice or made again.
	Faults []error
	Notes  []string
	// Leftovers is what stands behind the log's end and is no part of it, as the last Walk found it.
	Leftovers []Leftover

	rec       recovery
	baseKnown bool
}

// SegmentFile is a segment file of a ledger directory.
type SegmentFile struct {
	Number uint64
	Path   string
	// Size is the file's length in bytes.
	Size int64
	// Begin is the first position that belongs to the segment.
	Begin raft.Position
}

// Inspect looks around in a group's directory. It fails only when there is nothing to go by: no group file, or none that can be
// read.
func Inspect(fsys fs.FS, dir string) (*Inspection, error) {
	names := layout{dir}
	g, err := readGroup(fsys, names.group())
	if err != nil {
		return nil, err
	}
	in := &Inspection{Identity: g.id, SegmentSize: g.segmentSize, State: g.hard,
		LedgerEpoch: g.ledgerEpoch, BaseEpoch: g.baseEpoch, EngineEpoch: g.engineEpoch,
		rec: recovery{fs: fsys, names: names, group: g}}
	in.noteSlots()
	r := &in.rec
	if in.Base, err = readBase(fsys, names.base(g.baseEpoch)); err != nil {
		in.Faults = append(in.Faults, err)
		in.Base = raft.Base{}
	}
	in.baseKnown = err == nil
	r.idx = index{base: in.Base, epoch: g.ledgerEpoch, tip: baseTip(in.Base)}
	if err := r.list(); err != nil {
		in.Faults = append(in.Faults, err)
		return in, nil
	}
	for _, number := range slices.Sorted(maps.Keys(r.sizes)) {
		in.Segments = append(in.Segments, SegmentFile{Number: number, Path: r.path(number), Size: r.sizes[number],
			Begin: raft.Position(number * g.segmentSize)})
		page, err := r.localPage(number)
		if err != nil {
			in.Faults = append(in.Faults, err)
		}
		if m, _, ok := bestMark(page); ok && r.mark.below(m) {
			r.mark = m
		}
	}
	in.Durable, in.DurableEnd, in.Truncations = r.mark.id, r.mark.end, r.mark.truncations
	if in.DurableEnd < in.Base.Position {
		in.Durable, in.DurableEnd = in.Base.ID, in.Base.Position
	}
	return in, nil
}

// noteSlots looks for damage in the copies of the group file's generation in force.
func (in *Inspection) noteSlots() {
	r := &in.rec
	b, err := fs.ReadFile(r.fs, r.names.group())
	if err != nil {
		return
	}
	for _, slot := range slotsOf(r.group.generation) {
		at := int(slot) * pageSize
		if len(b) < at+pageSize {
			in.Notes = append(in.Notes, fmt.Sprintf("%s: slot %d is missing; the other copy is good", r.names.group(), slot))
			continue
		}
		if g, err := decodeGroupSlot(b[at : at+pageSize]); err != nil || g != r.group {
			in.Notes = append(in.Notes, fmt.Sprintf("%s: slot %d is damaged, the other copy is good: %v", r.names.group(), slot, err))
		}
	}
}

// Digest is a log in short: two ledgers with the same Last and Checksum hold the same entries, as far as both hold them.
type Digest struct {
	// First and Last are the first and last entry; the base's id in both when there is none.
	First, Last raft.EntryID
	// Begin is where the first record begins, End where the last one ends.
	Begin, End raft.Position
	// Checksum is the header checksum of the last entry, which stands for all below.
	Checksum uint32
	// Records counts the records that were read, Bytes their bytes.
	Records int
	Bytes   uint64
}

// errStop ends a walk early.
var errStop = errors.New("stop")

// Leftover is a stretch of a segment file behind the log's end that is not zeros. It is legal: a power cut leaves what was not flushed, a truncation
// what it took back, and a file that is used again what it held before. What is appended next overwrites it.
type Leftover struct {
	Path string
	// Offset is the first byte in the file that is not zero, Bytes the distance to behind the last one.
	Offset, Bytes int64
}

// Walk reads every record from the base to the log's end, checking each and the chain, and gives it to visit in order; the record is valid during
// the call. Behind a damaged place it looks for the next sound record and goes on. The faults are all that is wrong: those of
// looking around, damaged places (*CorruptionError, with path, offset and index), records of an unknown format (*FormatError). Where the log ends above the mark is no fault. err is what visit
// returned, if it stopped the walk.
func (in *Inspection) Walk(visit func(Record) error) (d Digest, faults []error, err error) {
	w := &walk{in: in, visit: visit, tip: baseTip(in.Base), faults: slices.Clone(in.Faults), digest: in.baseDigest()}
	w.lost = !in.baseKnown
	w.scan = scanner{segmentSize: in.SegmentSize, block: readBlock}
	number := segmentOf(in.Base.Position, in.SegmentSize)
	if n := len(in.Segments); w.lost && n > 0 {
		number = in.Segments[0].Number
	}
	for !w.ended && err == nil {
		err = w.segment(number)
		number++
	}
	if in.Leftovers = nil; err == nil && !w.lost {
		w.leftovers()
	}
	return w.digest, w.faults, err
}

// DigestAt is the digest of the log up to entry last, or of all of it when last is 0. It fails with the first fault below, and with an error that wraps
// ErrMismatch when the log ends before.
func (in *Inspection) DigestAt(last raft.Index) (Digest, error) {
	if last != 0 && last < in.Base.ID.Index {
		return Digest{}, &CompactedError{FirstIndex: in.Base.ID.Index + 1, FirstPosition: in.Base.Position}
	}
	d, faults := in.baseDigest(), in.Faults
	if last != in.Base.ID.Index || last == 0 {
		var err error
		d, faults, err = in.Walk(func(r Record) error {
			if r.ID.Index == last {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			return d, err
		}
	}
	if len(faults) > 0 {
		return d, faults[0]
	}
	if last != 0 && d.Last.Index != last {
		return d, mismatch("entry %d, the log ends at %v", last, d.Last)
	}
	return d, nil
}

// baseDigest is the digest of a log without records.
func (in *Inspection) baseDigest() Digest {
	b := in.Base
	return Digest{First: b.ID, Last: b.ID, Begin: b.Position, End: b.Position, Checksum: b.Checksum}
}

// walk is a Walk under way.
type walk struct {
	in     *Inspection
	visit  func(Record) error
	scan   scanner
	tip    Tip
	digest Digest
	faults []error
	// lost: what comes before the next record is not known, so it need not follow anything.
	lost  bool
	ended bool
}

// segment walks one segment.
func (w *walk) segment(number uint64) error {
	r := &w.in.rec
	last := r.markSegment()
	if n := len(w.in.Segments); n > 0 && w.lost {
		last = max(last, w.in.Segments[n-1].Number)
	}
	if _, ok := r.sizes[number]; !ok {
		if w.ended = number > last; !w.ended {
			w.fault(number, errors.New("the segment file is missing"))
			w.lost = true
		}
		return nil
	}
	f, err := r.fs.Open(r.path(number))
	if err != nil {
		w.fault(number, err)
		w.lost = true
		return nil
	}
	defer f.Close()
	w.scan.seek(f, number)
	for {
		if w.lost && !w.resync() {
			w.ended = number >= last
			return nil
		}
		rec, _, err := w.scan.next(w.tip, true, true)
		var bad *badRecord
		switch {
		case errors.Is(err, errSegmentEnd):
			return w.sealed(number)
		case errors.As(err, &bad) && w.tip.End >= r.mark.end:
			w.ended = true
			return nil
		case err != nil:
			w.faults = append(w.faults, faultAt(r.path(number), w.tip, w.in.SegmentSize, err))
			w.lost = true
			w.tip.End = max(w.tip.End, w.scan.start()) + 8
			continue
		}
		w.take(&rec)
		if err := w.visit(rec); err != nil {
			return err
		}
	}
}

func (w *walk) take(rec *Record) {
	if w.digest.Records == 0 {
		w.digest.First, w.digest.Begin = rec.ID, rec.Position
	}
	w.digest.Records++
	w.digest.Bytes += uint64(len(rec.Raw))
	w.tip = rec.tip()
	w.digest.Last, w.digest.End, w.digest.Checksum = rec.ID, w.tip.End, rec.Checksum
	if r := &w.in.rec; w.tip.End == r.mark.end && (w.tip.ID != r.mark.id || w.tip.Checksum != r.mark.checksum) {
		w.fault(segmentOf(rec.Position, w.in.SegmentSize), fmt.Errorf("entry %v with checksum %#x ends at the durable mark, which says %v, %#x",
			rec.ID, rec.Checksum, r.mark.id, r.mark.checksum))
	}
}

// sealed checks the sidecar of a segment that was read to its end, and that there is a next one.
func (w *walk) sealed(number uint64) error {
	r := &w.in.rec
	if _, ok := r.sizes[number+1]; !ok && number >= r.markSegment() {
		w.fault(number+1, errNextMissing)
		w.ended = true
	}
	name := r.names.sidecar(r.group.ledgerEpoch, number)
	src, err := fs.ReadFile(r.fs, name)
	if err == nil {
		if _, err = decodeSidecar(src); err != nil {
			w.in.Notes = append(w.in.Notes, fmt.Sprintf("%s: damaged, the next start makes it again: %v", path.Base(name), err))
		}
	}
	return nil
}

// resync looks for the next sound record of the segment at or behind the tip and makes it the next to be read.
func (w *walk) resync() bool {
	s := &w.scan
	pos := max(w.tip.End, s.start())
	for ; pos+headerSize <= s.end(); pos += 8 {
		b, err := s.window(pos, headerSize, true)
		if err != nil {
			w.faults = append(w.faults, faultAt(w.in.rec.path(s.number), w.tip, w.in.SegmentSize, err))
			return false
		}
		if len(b) < headerSize {
			return false
		}
		rec, _, err := decodeHeader(b)
		if err != nil || rec.Position != pos {
			continue
		}
		before := Tip{ID: raft.EntryID{Index: rec.ID.Index - 1}, End: pos, Checksum: rec.PrevChecksum, Time: minTime}
		if _, _, err := s.next(before, true, true); err == nil {
			w.tip, w.lost = before, false
			return true
		}
	}
	return false
}

func (w *walk) fault(number uint64, err error) {
	w.faults = append(w.faults, w.in.rec.corrupt(number, w.tip, err))
}
