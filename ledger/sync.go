package ledger

import (
	"errors"
	"io"
	"sync/atomic"

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
	// bufs and sector are used again by each write.
	bufs   [][]byte
	sector [sectorSize]byte
	// inline counts the chunks that a write found missing and prepared itself; others read it.
	inline atomic.Uint64
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

// InlineProvisions is how many chunks of space a Write found missing and had to prepare itself. Any goroutine.
func (l *Ledger) InlineProvisions() uint64 { return l.sync.inline.Load() }

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
