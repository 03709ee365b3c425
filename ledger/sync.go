package ledger

import (
	"errors"
	"io"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// syncer is what the syncer knows of the disk. Only the syncer touches it.
type syncer struct {
	// written is the end of what was written, established the end of what the last flush made durable.
	// Invariant: established is written or lies below it in the same log.
	written     Tip
	established Tip
	serial      uint64
	// inForce is the highest mark that was written, flushed or not.
	inForce mark
	// files are the segment files open for writing, ascending; few.
	files []*writeFile
	// page holds the log's bytes from pageFloor(pageEnd) to pageEnd: the beginning of a page that is written again with what follows.
	page    [pageSize]byte
	pageEnd raft.Position
	// hard is the hard state that the next flush makes durable; nil when there is none.
	hard  *raft.HardState
	group fs.File
	bufs  [][]byte
	// stats
	inline uint64
}

// writeFile is a segment file open for writing.
type writeFile struct {
	number uint64
	path   string
	f      fs.File
	// slot is the mark slot to write next: not the one with the highest mark.
	slot  int
	dirty bool
}

var zeroPage [pageSize]byte

// Synced says what a Flush made durable.
type Synced struct {
	// Tip is the end of the log that is durable now.
	Tip Tip
	// Flushes is how many files were flushed.
	Flushes int
}

// Write writes a Write to the disk, without making it durable: whole pages to segment files, where space was prepared for them. The
// hard state is kept for the next Flush. A write that truncates makes the lowered mark durable first, which is a flush.
//
// An error that wraps ErrNoSpace means that the device is full: nothing is latched, and the same Write is to be given again
// once Provision has succeeded. Any other error is a *FailedError, which latches the ledger. Syncer; it blocks on the device.
func (l *Ledger) Write(w Write) error {
	if err := l.usable(); err != nil {
		return err
	}
	s := &l.sync
	if w.hard != nil {
		s.hard = w.hard
	}
	if w.epoch != l.idx.epoch {
		return nil // the ledger was reset since, and this log is no more
	}
	if w.lowered != nil {
		if err := l.lower(*w.lowered); err != nil {
			return err
		}
	}
	if n := len(w.runs); n > 0 {
		// Space for all of it comes first: a filler on the disk says that the next segment file is there.
		if err := l.ensureSpace(pageCeil(w.runs[n-1].end)); err != nil {
			return err
		}
	}
	for i := range w.runs {
		if err := l.writeRun(&w.runs[i]); err != nil {
			return err
		}
	}
	if len(w.runs) > 0 {
		s.written = w.tip
	}
	s.serial = w.serial
	return nil
}

// lower is the barrier of a truncation (docs/format.md, "Durable mark and recovery"): before anything behind to is overwritten, both slots of the segment
// that holds the new end get a mark that is not above it, durably.
func (l *Ledger) lower(to Tip) error {
	s := &l.sync
	if to.End < s.established.End {
		s.established = to
	}
	wf, err := l.openWrite(lastSegmentOf(to.End, l.idx.base.Position, l.size))
	if err != nil {
		return err
	}
	m := markOf(s.inForce.truncations+1, s.established)
	for range markSlots {
		if err := l.writeMark(wf, m); err != nil {
			return err
		}
	}
	if err := l.datasync(wf.f, wf.path); err != nil {
		return err
	}
	wf.dirty = false
	s.written = to
	return nil
}

func markOf(truncations uint64, t Tip) mark {
	return mark{truncations: truncations, id: t.ID, end: t.End, checksum: t.Checksum}
}

// writeMark writes a mark to the next slot of a segment file.
func (l *Ledger) writeMark(wf *writeFile, m mark) error {
	at := int64(firstMarkSlot + wf.slot*sectorSize)
	if _, err := wf.f.WriteAt(m.encode(), at); err != nil {
		return l.failWrite(wf.path, err)
	}
	wf.slot, wf.dirty = 1-wf.slot, true
	l.sync.inForce = m
	return nil
}

// writeRun writes a run as whole pages: the beginning of the first page from what was written before, zeros behind the last.
func (l *Ledger) writeRun(r *run) error {
	s := &l.sync
	wf, err := l.openWrite(segmentOf(r.pos, l.size))
	if err != nil {
		return err
	}
	head, err := l.pageHead(wf, r.pos)
	if err != nil {
		return err
	}
	bufs := s.bufs[:0]
	if len(head) > 0 {
		bufs = append(bufs, head)
	}
	bufs = append(bufs, r.bufs...)
	if pad := int(pageCeil(r.end) - r.end); pad > 0 {
		bufs = append(bufs, zeroPage[:pad])
	}
	wf.dirty = true
	_, err = wf.f.WritevAt(bufs, fileOffset(pageFloor(r.pos), l.size))
	clear(bufs)
	s.bufs = bufs[:0]
	if err != nil {
		return l.failWrite(wf.path, err)
	}
	s.keepPage(r)
	return nil
}

// pageHead gives the log's bytes from the beginning of pos's page up to pos.
func (l *Ledger) pageHead(wf *writeFile, pos raft.Position) ([]byte, error) {
	s := &l.sync
	n := int(pos - pageFloor(pos))
	if n == 0 {
		return nil, nil
	}
	if pageFloor(s.pageEnd) == pageFloor(pos) && s.pageEnd >= pos {
		return s.page[:n], nil
	}
	s.pageEnd = 0
	if err := readFull(wf.f, s.page[:n], fileOffset(pageFloor(pos), l.size)); err != nil {
		return nil, l.fail("read", wf.path, err)
	}
	s.pageEnd = pos
	return s.page[:n], nil
}

// keepPage remembers the beginning of the page in which the run ended.
func (s *syncer) keepPage(r *run) {
	start := max(pageFloor(r.end), r.pos)
	at := int(start - pageFloor(r.end))
	skip := int(start - r.pos)
	for _, b := range r.bufs {
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		at += copy(s.page[at:], b[skip:])
		skip = 0
	}
	s.pageEnd = r.end
}

// openWrite gives a segment file for writing. A file that was not open tells which of its mark slots to write next.
func (l *Ledger) openWrite(number uint64) (*writeFile, error) {
	s := &l.sync
	at := len(s.files)
	for n, wf := range s.files {
		if wf.number == number {
			return wf, nil
		}
		if wf.number > number {
			at = n
			break
		}
	}
	path := l.names.segment(l.idx.epoch, number)
	f, err := l.opts.FS.Open(path)
	if err != nil {
		return nil, l.fail("open", path, err)
	}
	var page [pageSize]byte
	if err := readFull(f, page[:], 0); err != nil {
		return nil, errors.Join(l.fail("read", path, err), f.Close())
	}
	_, next, _ := bestMark(page[:])
	wf := &writeFile{number: number, path: path, f: f, slot: next}
	s.files = append(s.files, nil)
	copy(s.files[at+1:], s.files[at:])
	s.files[at] = wf
	return wf, nil
}

// readFull reads len(b) bytes at off; less is an error.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// datasync flushes a file, and latches the ledger when that fails.
func (l *Ledger) datasync(f fs.File, path string) error {
	if err := f.Datasync(); err != nil {
		return l.fail("datasync", path, err)
	}
	// A flush elsewhere may have failed meanwhile and dropped what this one was to make durable.
	return l.Failed()
}

// Flush makes everything durable that was given to Write: one datasync for each segment file that was written (one, or two where the log enters a
// new segment), and one for the group file when the hard state changed. The mark that an earlier flush has earned goes to the disk with it.
//
// An error that wraps ErrNoSpace may be followed by another Flush; any other is a *FailedError, which latches the ledger. When
// it fails, nothing that was written since the last Flush may be taken for durable. Syncer; it blocks on the device.
func (l *Ledger) Flush() (Synced, error) {
	if err := l.usable(); err != nil {
		return Synced{}, err
	}
	s := &l.sync
	last := s.lastDirty()
	if last != nil {
		if m := markOf(s.inForce.truncations, s.established); s.inForce.below(m) {
			if err := l.writeMark(last, m); err != nil {
				return Synced{}, err
			}
		}
	}
	flushes := 0
	if s.hard != nil {
		flushes++
		if err := l.flushGroup(func(*groupState) {}); err != nil {
			return Synced{}, err
		}
	}
	for _, wf := range s.files {
		if !wf.dirty {
			continue
		}
		flushes++
		if err := l.datasync(wf.f, wf.path); err != nil {
			return Synced{}, err
		}
		wf.dirty = false
	}
	s.established = s.written
	s.closeBehind()
	l.mu.Lock()
	l.idx.tail.synced = s.serial
	l.idx.tail.evict(l.opts.TailBytes)
	l.mu.Unlock()
	return Synced{Tip: s.established, Flushes: flushes}, nil
}

// lastDirty is the last segment file that was written since the last flush.
func (s *syncer) lastDirty() *writeFile {
	for n := len(s.files) - 1; n >= 0; n-- {
		if s.files[n].dirty {
			return s.files[n]
		}
	}
	return nil
}

// closeBehind closes the files before the one that is written now. They are flushed, so a failed close loses nothing.
func (s *syncer) closeBehind() {
	for len(s.files) > 1 {
		_ = s.files[0].f.Close()
		s.files = s.files[1:]
	}
}

// flushGroup makes the next generation of the group file durable: the hard state that waits, and what change does to the rest.
func (l *Ledger) flushGroup(change func(*groupState)) error {
	s := &l.sync
	next := l.group
	next.generation++
	if s.hard != nil {
		next.hard = *s.hard
	}
	change(&next)
	path := l.names.group()
	if err := writeGroupSlots(s.group, &next); err != nil {
		return l.failWrite(path, err)
	}
	if err := l.datasync(s.group, path); err != nil {
		return err
	}
	s.hard = nil
	l.mu.Lock()
	l.group = next
	l.mu.Unlock()
	return nil
}

// Idle brings the mark up to date, when nothing was written since the last Flush, and lets go of memory and of files that only
// traffic needs. It costs at most one flush. Errors are those of Flush. Syncer; it blocks on the device.
func (l *Ledger) Idle() error {
	if err := l.usable(); err != nil {
		return err
	}
	s := &l.sync
	if s.lastDirty() != nil || s.hard != nil {
		return nil
	}
	if m := markOf(s.inForce.truncations, s.established); s.inForce.below(m) {
		wf, err := l.openWrite(lastSegmentOf(s.established.End, l.idx.base.Position, l.size))
		if err != nil {
			return err
		}
		if err := l.writeMark(wf, m); err != nil {
			return err
		}
		if err := l.datasync(wf.f, wf.path); err != nil {
			return err
		}
		wf.dirty = false
	}
	l.mu.Lock()
	l.idx.tail.evict(0)
	l.mu.Unlock()
	l.files.idle()
	return nil
}

// InlineProvisions is how often a Write found no space prepared and had to prepare it itself. Syncer.
func (l *Ledger) InlineProvisions() uint64 { return l.sync.inline }

func (s *syncer) close() error {
	var errs []error
	for _, wf := range s.files {
		errs = append(errs, wf.f.Close())
	}
	s.files = nil
	if s.group != nil {
		errs = append(errs, s.group.Close())
		s.group = nil
	}
	return errors.Join(errs...)
}
