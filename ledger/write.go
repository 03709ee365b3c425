package ledger

import (
	"errors"

	"github.com/ledgerkv/ledgerkv/raft"
)

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
		// Space for all of it comes first, and a page more where it fills a segment to its last byte: a segment that is sealed on the disk, by a
		// filler or by being full, says that the next segment file is there.
		end := pageCeil(w.runs[n-1].end)
		if uint64(end)%l.size == 0 {
			end += pageSize
		}
		if err := l.ensureSpace(end); err != nil {
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
	m.put(&l.sync.sector)
	if _, err := wf.f.WriteAt(l.sync.sector[:], at); err != nil {
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
