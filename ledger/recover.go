package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// recovery reads a ledger from the disk (docs/format.md, "Durable mark and recovery"). It writes nothing.
type recovery struct {
	fs    fs.FS
	names layout
	group groupState

	idx index
	// mark is the one in force; durable is the end of what it covers, the base's when there is no mark above it.
	mark    mark
	durable Tip
	// sizes holds the length of each segment file from the base's on.
	sizes map[uint64]int64
	// below are the numbers of the segment files below the base; others are names in the ledger directory that mean nothing.
	below  []uint64
	others []string

	scan scanner
	// ended: the log's end was found.
	ended bool
}

func (r *recovery) size() uint64 { return r.group.segmentSize }

func (r *recovery) path(number uint64) string { return r.names.segment(r.group.ledgerEpoch, number) }

func (r *recovery) run() error {
	base, err := readBase(r.fs, r.names.base(r.group.baseEpoch))
	if err != nil {
		return err
	}
	r.idx = index{base: base, epoch: r.group.ledgerEpoch, tip: baseTip(base)}
	r.durable = r.idx.tip
	if err := r.list(); err != nil {
		return err
	}
	if err := r.findMark(); err != nil {
		return err
	}
	r.scan = scanner{segmentSize: r.size(), block: readBlock}
	for number := segmentOf(base.Position, r.size()); !r.ended; number++ {
		if err := r.segment(number); err != nil {
			return err
		}
		r.idx.thinAt(len(r.idx.segs) - 1 - fullSegments)
	}
	if r.idx.tip.End < r.mark.end {
		return r.corrupt(r.markSegment(), r.idx.tip, fmt.Errorf("the log ends at position %d, below the durable mark %d", r.idx.tip.End, r.mark.end))
	}
	r.listUseless()
	return nil
}

// list takes stock of the ledger directory.
func (r *recovery) list() error {
	dir := r.names.ledger(r.group.ledgerEpoch)
	entries, err := r.fs.List(dir)
	if err != nil {
		return &CorruptionError{Path: dir, Index: r.idx.first(), Err: err}
	}
	r.sizes = make(map[uint64]int64)
	first := segmentOf(r.idx.base.Position, r.size())
	for _, name := range entries {
		var number uint64
		switch {
		case scanName(name, "%016x.seg", &number) && number < first:
			r.below = append(r.below, number)
		case scanName(name, "%016x.seg", &number):
			if r.sizes[number], err = r.fs.Stat(dir + "/" + name); err != nil {
				return &CorruptionError{Path: dir + "/" + name, Err: err}
			}
		case scanName(name, "%016x.idx", &number) && number >= first:
		default:
			if strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".idx") {
				r.others = append(r.others, name)
			}
		}
	}
	return nil
}

// listUseless names what lies behind the log's end and is not space that it can grow into: sidecars, and segment files behind a gap.
func (r *recovery) listUseless() {
	last := r.lastSegment()
	entries, err := r.fs.List(r.names.ledger(r.group.ledgerEpoch))
	if err != nil {
		return
	}
	for _, name := range entries {
		var number uint64
		if scanName(name, "%016x.idx", &number) && number >= last ||
			scanName(name, "%016x.seg", &number) && number > last && !r.contiguous(last, number) {
			r.others = append(r.others, name)
		}
	}
}

// contiguous reports whether all segment files from one to another are there.
func (r *recovery) contiguous(from, to uint64) bool {
	for ; from < to; from++ {
		if _, ok := r.sizes[from]; !ok {
			return false
		}
	}
	return true
}

func (r *recovery) lastSegment() uint64 {
	return lastSegmentOf(r.idx.tip.End, r.idx.base.Position, r.size())
}

func (r *recovery) markSegment() uint64 {
	return lastSegmentOf(r.mark.end, r.idx.base.Position, r.size())
}

// provisioned is how far there are segment files with space behind the log's end.
func (r *recovery) provisioned() uint64 {
	number := r.lastSegment()
	end := uint64(pageCeil(r.idx.tip.End))
	for {
		size, ok := r.sizes[number]
		if !ok {
			return end
		}
		have := min(pageFloor(uint64(max(size-pageSize, 0))), r.size())
		end = max(end, number*r.size()+have)
		if have < r.size() {
			return end
		}
		number++
	}
}

// findMark reads the local pages and takes the highest mark. A mark below the base says nothing.
func (r *recovery) findMark() error {
	for _, number := range slices.Sorted(maps.Keys(r.sizes)) {
		page, err := r.localPage(number)
		if err != nil {
			return err
		}
		if m, _, ok := bestMark(page); ok && r.mark.below(m) {
			r.mark = m
		}
	}
	return nil
}

// localPage reads a segment file's local page and checks its header. A segment file got its name after its header was durable, so a bad header is corruption
// wherever it stands.
func (r *recovery) localPage(number uint64) ([]byte, error) {
	path := r.path(number)
	f, err := r.fs.Open(path)
	if err != nil {
		return nil, &CorruptionError{Path: path, Err: err}
	}
	defer f.Close()
	page := make([]byte, pageSize)
	if err := readFull(f, page, 0); err != nil {
		return nil, &CorruptionError{Path: path, Err: err}
	}
	return page, checkSegmentHeader(page, path, number, &r.group)
}

// checkSegmentHeader checks that a segment file's header is right and of this log.
func checkSegmentHeader(page []byte, path string, number uint64, g *groupState) error {
	h, err := decodeSegmentHeader(page)
	var unknown *unknownFormat
	if errors.As(err, &unknown) {
		return &FormatError{Path: path, What: unknown.what}
	}
	want := segmentHeader{cluster: g.id.Cluster, group: g.id.Group, incarnation: g.id.Incarnation, number: number, size: g.segmentSize}
	if err == nil && h != want {
		err = fmt.Errorf("the header is of segment %d, size %d, group %d, incarnation %d; expected segment %d, size %d, group %d, incarnation %d of this cluster",
			h.number, h.size, h.group, h.incarnation, want.number, want.size, want.group, want.incarnation)
	}
	if err != nil {
		return &CorruptionError{Path: path, Err: err}
	}
	return nil
}

// segment recovers the records of one segment, or finds that the log ended before it.
func (r *recovery) segment(number uint64) error {
	if _, ok := r.sizes[number]; !ok {
		r.ended = true
		if number <= r.markSegment() {
			return r.corrupt(number, r.idx.tip, errors.New("the segment file is missing"))
		}
		return nil
	}
	if number < r.markSegment() {
		s, specials, err := r.fromSidecar(number)
		if err != nil {
			return err
		}
		if s != nil {
			r.idx.segs = append(r.idx.segs, s)
			r.idx.tip = s.tip
			for _, p := range specials {
				r.idx.note(p)
			}
			return nil
		}
	}
	f, err := r.fs.Open(r.path(number))
	if err != nil {
		return r.corrupt(number, r.idx.tip, err)
	}
	defer f.Close()
	r.scan.seek(f, number)
	return r.scanSegment(number)
}

// scanSegment reads the records of a segment up to its end, or to the log's.
func (r *recovery) scanSegment(number uint64) error {
	for {
		rec, _, err := r.scan.next(r.idx.tip, true, true)
		var bad *badRecord
		switch {
		case errors.Is(err, errSegmentEnd):
			return r.sealed(number)
		case errors.As(err, &bad) && r.idx.tip.End >= r.mark.end:
			r.ended = true
			return nil
		case err != nil:
			return faultAt(r.path(number), r.idx.tip, r.size(), err)
		}
		if err := r.admit(number, &rec); err != nil {
			return err
		}
	}
}

// admit takes a record into the index and compares it with the mark.
func (r *recovery) admit(number uint64, rec *Record) error {
	p, err := prepare(rec.ID, rec.Kind, rec.Body)
	if err != nil {
		return r.corrupt(number, r.idx.tip, err)
	}
	r.idx.extend(rec, p, r.size())
	t := r.idx.tip
	if t.End == r.mark.end && (t.ID != r.mark.id || t.Checksum != r.mark.checksum) {
		return r.corrupt(number, t, fmt.Errorf("entry %v with checksum %#x ends at the durable mark, which says %v, %#x",
			t.ID, t.Checksum, r.mark.id, r.mark.checksum))
	}
	if t.End <= r.mark.end {
		r.durable = t
	} else if r.durable.End < r.mark.end {
		return r.corrupt(number, t, fmt.Errorf("no entry ends at the durable mark, position %d", r.mark.end))
	}
	return nil
}

// sealed is called where a segment ends with a filler or is full to the last byte. It is sealed only when the next segment's file is durable, so
// that a missing file is noticed even if it alone held the mark.
func (r *recovery) sealed(number uint64) error {
	if _, ok := r.sizes[number+1]; !ok {
		return r.corrupt(number+1, r.idx.tip, errNextMissing)
	}
	return nil
}

var errNextMissing = errors.New("the segment file is missing: the one before it is sealed")

func (r *recovery) corrupt(number uint64, tip Tip, err error) error {
	return &CorruptionError{Path: r.path(number), Offset: fileOffset(max(tip.End, raft.Position(number*r.size())), r.size()),
		Index: tip.ID.Index + 1, Err: err}
}
