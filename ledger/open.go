package ledger

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Open recovers the ledger in o.Dir: it checks whose it is, reads sidecars below the mark and records above it, writes again what
// it found above the mark and flushes it, and removes the leftovers of a crash. Nothing is written before everything has been
// read and found right.
//
// Errors: an *IdentityError when the directory is another's, a *FormatError when a later version wrote it, a *CorruptionError, one that wraps
// fs.ErrNotExist when there is no group file (see Create), or what the file system gave. It blocks on the device.
func Open(o Options) (*Ledger, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withFS()
	names := layout{o.Dir}
	g, err := readGroup(o.FS, names.group())
	if err != nil {
		return nil, err
	}
	if err := o.Identity.check(names.group(), g.id); err != nil {
		return nil, err
	}
	if o.SegmentSize != 0 && o.SegmentSize != g.segmentSize {
		return nil, &IdentityError{Path: names.group(), Field: "segment size",
			Want: fmt.Sprint(o.SegmentSize), Found: fmt.Sprint(g.segmentSize)}
	}
	o.SegmentSize = g.segmentSize
	o = o.withDefaults()
	r := &recovery{fs: o.FS, names: names, group: g}
	if err := r.run(); err != nil {
		return nil, err
	}
	if f := r.idx.formatAt(r.idx.tip.ID.Index); f > o.Format {
		return nil, &FormatError{Path: names.ledger(g.ledgerEpoch), What: fmt.Sprintf("entries of format %d are in force, and this program knows them up to format %d", f, o.Format)}
	}
	l := &Ledger{opts: o, names: names, size: o.SegmentSize, idx: r.idx, group: g,
		files: fileCache{fs: o.FS, names: names}}
	if err := l.settle(r); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// settle makes what recovery found durable, and the ledger ready.
func (l *Ledger) settle(r *recovery) error {
	l.hard = l.group.hard
	l.owner = owner{epoch: l.idx.epoch, cut: l.idx.tip}
	if err := l.settleNames(); err != nil {
		return err
	}
	if err := l.settleLengths(r); err != nil {
		return err
	}
	s := &l.sync
	s.written, s.established, s.inForce = r.durable, r.durable, r.mark
	f, err := l.opts.FS.Open(l.names.group())
	if err != nil {
		return err
	}
	s.group = f
	if err := l.settleGroup(); err != nil {
		return err
	}
	if l.idx.tip.End > r.durable.End {
		l.opts.Logger.Info("entries above the durable mark are written again", "group", uint64(l.opts.Identity.Group),
			"mark", r.durable.ID.String(), "last", l.idx.tip.ID.String())
		if err := l.rewrite(r.durable.End, l.idx.tip.End); err != nil {
			return err
		}
		s.written = l.idx.tip
		if _, err := l.Flush(); err != nil {
			return err
		}
	}
	if err := l.Idle(); err != nil {
		return err
	}
	l.clean(r)
	l.space.epoch = l.idx.epoch
	l.space.end.Store(r.provisioned())
	return nil
}

// settleNames syncs the directories in which recovery found files. A process may have been killed between a rename and its sync, or that sync
// has failed: a segment file that is seen must not be gone after a power cut, when records in it have been acknowledged.
func (l *Ledger) settleNames() error {
	for _, dir := range [...]string{l.names.dir, l.names.ledger(l.idx.epoch)} {
		if err := l.opts.FS.SyncDir(dir); err != nil {
			return l.fail("syncdir", dir, err)
		}
	}
	return nil
}

// settleLengths has the next flush of each file that holds space for the log make its length durable. The flush that was to do it may have
// failed, before the process ended, and the kernel takes a length that did not change since for a durable one (assumption 4).
func (l *Ledger) settleLengths(r *recovery) error {
	for number := r.lastSegment(); ; number++ {
		size, ok := r.sizes[number]
		if !ok {
			return nil
		}
		path := r.path(number)
		f, err := l.opts.FS.Open(path)
		if err == nil {
			err = errors.Join(f.Truncate(size+pageSize), f.Truncate(size), f.Close())
		}
		if err != nil {
			return l.fail("truncate", path, err)
		}
	}
}

// settleGroup writes the slots in force once more and flushes them: after a killed process they may have been in the page cache only, and a
// vote that was seen must not be forgotten. When the log has a later term than the group file, because the two were not flushed
// at the same moment, no vote was given in that term, and it is entered without one.
func (l *Ledger) settleGroup() error {
	path := l.names.group()
	if err := writeGroupSlots(l.sync.group, &l.group); err != nil {
		return l.fail("write", path, err)
	}
	if err := l.datasync(l.sync.group, path); err != nil {
		return err
	}
	if last := l.idx.tip.ID.Term; last > l.hard.Term {
		l.hard = raft.HardState{Term: last}
		l.sync.hard = &l.hard
		return l.flushGroup(func(*groupState) {})
	}
	return nil
}

// rewrite writes the log's bytes in [from, to) again, as they were read, in whole pages with zeros behind to.
func (l *Ledger) rewrite(from, to raft.Position) error {
	buf := make([]byte, readBlock)
	for pos := pageFloor(from); pos < to; {
		number := segmentOf(pos, l.size)
		boundary := raft.Position((number + 1) * l.size)
		end := min(pageCeil(to), boundary, pos+readBlock)
		if number < segmentOf(l.idx.base.Position, l.size) {
			pos = boundary
			continue
		}
		wf, err := l.openWrite(number)
		if err != nil {
			return err
		}
		b := buf[:end-pos]
		n, err := wf.f.ReadAt(b, fileOffset(pos, l.size))
		if n < len(b) && pos+raft.Position(n) < to {
			return l.fail("read", wf.path, errors.Join(err, fmt.Errorf("%d bytes of %d", n, len(b))))
		}
		clear(b[min(n, len(b)):])
		if end > to {
			clear(b[to-pos:])
		}
		if _, err := wf.f.WriteAt(b, fileOffset(pos, l.size)); err != nil {
			return l.failWrite(wf.path, err)
		}
		wf.dirty = true
		pos = end
	}
	return nil
}

// clean removes the leftovers of a crash, or has the provisioner do so. What can't be removed is left for another time.
func (l *Ledger) clean(r *recovery) {
	l.ledgerEpochs, l.baseEpochs = l.group.ledgerEpoch, l.group.baseEpoch
	entries, err := l.opts.FS.List(l.names.dir)
	if err != nil {
		l.opts.Logger.Warn("leftovers stay until the next start", "path", l.names.dir, "err", err)
		return
	}
	for _, name := range entries {
		var epoch uint32
		path := l.names.dir + "/" + name
		switch {
		case strings.HasSuffix(name, ".tmp"):
			l.removeOld(path)
		case scanName(name, "base-%08x", &epoch) && epoch != l.group.baseEpoch:
			l.baseEpochs = max(l.baseEpochs, epoch)
			l.removeOld(path)
		case scanName(name, "ledger-%08x", &epoch) && epoch != l.group.ledgerEpoch:
			l.ledgerEpochs = max(l.ledgerEpochs, epoch)
			l.leftovers = append(l.leftovers, epoch)
		}
	}
	for _, name := range r.others {
		l.removeOld(l.names.ledger(l.idx.epoch) + "/" + name)
	}
	for _, f := range r.below {
		l.discards = append(l.discards, discard{epoch: l.idx.epoch, number: f})
	}
}

// scanName reads the number out of a name, which must be exactly as it would be written.
func scanName[T uint32 | uint64](name, format string, n *T) bool {
	_, err := fmt.Sscanf(name, format, n)
	return err == nil && fmt.Sprintf(format, *n) == name
}
