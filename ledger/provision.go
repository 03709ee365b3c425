package ledger

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// space is the zero-filled space that was prepared for the log. Its lock is held across file work: it keeps the provisioner and the
// syncer, which do this work, apart. Neither the owner nor readers take it.
type space struct {
	// end is the position up to which writes find space. It rises, but for a reset. A multiple of the page size.
	end atomic.Uint64
	// full: the device had no space when more was to be prepared.
	full atomic.Bool

	mu sync.Mutex
	// epoch names the ledger directory.
	epoch uint32
	// file is the segment file that grows, with its number; nil when it isn't open.
	file   fs.File
	number uint64
	path   string
	// spare are removed segment files that wait to be used again.
	spare []discard
}

func (p *space) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closeFile()
}

func (p *space) closeFile() error {
	if p.file == nil {
		return nil
	}
	err := p.file.Close()
	p.file = nil
	return err
}

// Provision does one piece of the work that is better done ahead of need: it zero-fills the next chunk, makes or recycles the next segment file,
// writes a sidecar, or removes what is no longer part of the ledger. more says that there is more to do now.
//
// An error that wraps ErrNoSpace means that the device is full: Append refuses data beyond what is prepared, and Provision
// is to be called again from time to time, as it succeeds when space has returned. Other errors are
// *FailedError where the ledger is latched by them. Provisioner; it blocks on the device.
func (l *Ledger) Provision() (more bool, err error) {
	if err := l.usable(); err != nil {
		return false, err
	}
	p := &l.space
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full.Load() || l.wanted() > p.end.Load() {
		err := l.grow(0)
		return err == nil, err
	}
	if done, err := l.writeSidecar(); done || err != nil {
		return err == nil, err
	}
	return l.discardOne()
}

// wanted is how far space should be prepared: more the more the log has grown, so that an idle group stays small.
func (l *Ledger) wanted() uint64 {
	l.mu.Lock()
	end, base := uint64(l.idx.tip.End), uint64(l.idx.base.Position)
	l.mu.Unlock()
	ahead := min(max(end-base, firstChunk/2), 4*l.opts.ChunkBytes, l.size/2)
	return end + ahead
}

// ensureSpace makes sure that writes up to end find space: the provisioner should have prepared it; where it has not, it is done here.
func (l *Ledger) ensureSpace(end raft.Position) error {
	p := &l.space
	if uint64(end) <= p.end.Load() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for uint64(end) > p.end.Load() {
		l.sync.inline.Add(1)
		if err := l.grow(uint64(end)); err != nil {
			var full *NoSpaceError
			if errors.As(err, &full) {
				full.Need, full.Room = uint64(end), p.end.Load()
			}
			return err
		}
	}
	return nil
}

// grow prepares the next chunk, or more if need is further. REQUIRES: the space's lock.
func (l *Ledger) grow(need uint64) error {
	p := &l.space
	end := p.end.Load()
	number := end / l.size
	var n uint64
	var err error
	if p.file == nil || p.number != number {
		n, err = l.enterSegment(number, end)
	}
	if err == nil && n == 0 {
		n = min(max(l.chunk(end), max(need, end)-end), (number+1)*l.size-end)
		err = l.zeroFill(end, n)
	}
	if errors.Is(err, fs.ErrNoSpace) {
		if !p.full.Swap(true) {
			l.opts.Logger.Warn("device is full: data is refused until space returns", "group", uint64(l.opts.Identity.Group))
		}
		return &NoSpaceError{Err: err}
	}
	if err != nil {
		return l.fail("prepare space", l.names.ledger(p.epoch), err)
	}
	p.end.Store(end + n)
	if p.full.Swap(false) {
		l.opts.Logger.Info("space has returned", "group", uint64(l.opts.Identity.Group))
	}
	return nil
}

// chunk is how much to prepare at a time: little in a ledger that holds little.
func (l *Ledger) chunk(end uint64) uint64 {
	l.mu.Lock()
	start := pageFloor(uint64(l.idx.base.Position))
	l.mu.Unlock()
	return min(max(end-start, firstChunk), l.opts.ChunkBytes)
}

// zeroFill makes [end, end+n) zeros, durably, with the file's length. A failed flush latches the ledger: the file may hold records.
func (l *Ledger) zeroFill(end, n uint64) error {
	p := &l.space
	if err := p.file.Zero(fileOffset(raft.Position(end), l.size), int64(n)); err != nil {
		if errors.Is(err, fs.ErrNoSpace) {
			return err
		}
		return l.fail("zero", p.path, err)
	}
	return l.datasync(p.file, p.path)
}

// enterSegment opens the segment file in which space ends, or makes it. It returns how much space that gave by itself.
func (l *Ledger) enterSegment(number, end uint64) (uint64, error) {
	p := &l.space
	if err := p.closeFile(); err != nil {
		return 0, l.fail("close", p.path, err)
	}
	path := l.names.segment(p.epoch, number)
	f, err := l.opts.FS.Open(path)
	if err == nil {
		p.file, p.number, p.path = f, number, path
		return l.found(f, end)
	}
	if !errors.Is(err, fs.ErrNotExist) || end%l.size != 0 {
		return 0, l.fail("open", path, err)
	}
	if n := len(p.spare); n > 0 && l.files.retire(p.spare[n-1]) {
		d := p.spare[n-1]
		p.spare = p.spare[:n-1]
		if err := l.recycle(d, number); err == nil {
			return l.size, nil
		}
		// What could not be recycled is of no use; a new file is made.
	}
	n := min(l.chunk(end), l.size)
	if err := makeSegment(l.opts.FS, l.names, p.epoch, l.header(number), 0, n); err != nil {
		return 0, err
	}
	return n, nil
}

// found says how much of an existing segment file lies behind end.
func (l *Ledger) found(f fs.File, end uint64) (uint64, error) {
	size, err := f.Size()
	if err != nil {
		return 0, l.fail("size", l.space.path, err)
	}
	if have := pageFloor(uint64(max(size-pageSize, 0))); have > end%l.size {
		return min(have, l.size) - end%l.size, nil
	}
	return 0, nil
}

func (l *Ledger) header(number uint64) segmentHeader {
	id := l.opts.Identity
	return segmentHeader{cluster: id.Cluster, group: id.Group, incarnation: id.Incarnation, number: number, size: l.size}
}

// makeSegment makes a segment file with n bytes of zeros from offset from of the segment on: aside, synced and then named. It leaves nothing behind when it fails.
func makeSegment(fsys fs.FS, names layout, epoch uint32, h segmentHeader, from, n uint64) error {
	path := names.segment(epoch, h.number)
	aside := path + ".tmp"
	if err := fsys.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.Create(aside)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(h.newLocalPage(), 0)
	if err == nil && n > 0 {
		err = f.Zero(pageSize+int64(from), int64(n))
	}
	return finishSegment(fsys, names, epoch, f, path, err)
}

// finishSegment syncs and names a segment file that was made aside, unless err says that this failed already.
func finishSegment(fsys fs.FS, names layout, epoch uint32, f fs.File, path string, err error) error {
	aside := path + ".tmp"
	if err == nil {
		err = f.Datasync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fsys.Rename(aside, path)
	}
	if err != nil {
		return errors.Join(err, fsys.Remove(aside))
	}
	return fsys.SyncDir(names.ledger(epoch))
}

// recycle makes a removed segment file the file of another segment. Its old records stand at other positions than their headers say, so
// they are never taken for records of the new one; its local page is written anew before it gets the name.
func (l *Ledger) recycle(d discard, number uint64) error {
	path := l.names.segment(d.epoch, number)
	aside := path + ".tmp"
	if err := l.opts.FS.Rename(l.names.segment(d.epoch, d.number), aside); err != nil {
		return err
	}
	f, err := l.opts.FS.Open(aside)
	if err != nil {
		return err
	}
	h := l.header(number)
	_, err = f.WriteAt(h.newLocalPage(), 0)
	return finishSegment(l.opts.FS, l.names, d.epoch, f, path, err)
}
