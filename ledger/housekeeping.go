package ledger

import (
	"errors"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// writeSidecar writes the sidecar of one sealed, durable segment that has none, and lets go of waypoints of old ones that have one. A truncation
// meanwhile may make it stale; recovery notices, because it no longer chains to the segment behind, and the segment will get another when it is sealed
// again. REQUIRES: the space's lock.
func (l *Ledger) writeSidecar() (done bool, err error) {
	l.mu.Lock()
	var s *segment
	epoch, synced := l.idx.epoch, l.idx.tail.synced
	for n := 0; n+1 < len(l.idx.segs); n++ {
		l.idx.thinAt(n)
		if c := l.idx.segs[n]; !c.sidecar && c.serial <= synced {
			s = c
			break
		}
	}
	l.mu.Unlock()
	if s == nil {
		return false, nil
	}
	path := l.names.sidecar(epoch, s.number)
	if err := fs.WriteFileAtomic(l.opts.FS, l.names.ledger(epoch), path, s.encodeSidecar()); err != nil {
		return false, errors.Join(err, removeIfThere(l.opts.FS, path+".tmp"))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sidecar = true
	return true, nil
}

func removeIfThere(fsys fs.FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// discardOne recycles or removes one segment file or ledger directory that is no longer part of the log. REQUIRES: the space's lock.
func (l *Ledger) discardOne() (more bool, err error) {
	l.mu.Lock()
	var d discard
	var old uint32
	epoch := l.idx.epoch
	if n := len(l.discards); n > 0 {
		d = l.discards[n-1]
		l.discards = l.discards[:n-1]
	} else if n := len(l.leftovers); n > 0 {
		old = l.leftovers[n-1]
		l.leftovers = l.leftovers[:n-1]
	}
	more = len(l.discards)+len(l.leftovers) > 0
	l.mu.Unlock()
	if old != 0 {
		return more, l.opts.FS.RemoveAll(l.names.ledger(old))
	}
	if d.epoch != epoch {
		return more, nil // there is nothing, or the whole directory is a leftover
	}
	if err := removeIfThere(l.opts.FS, l.names.sidecar(epoch, d.number)); err != nil {
		return more, err
	}
	if len(l.space.spare) < l.opts.RecycleSegments && l.isFull(d) {
		l.space.spare = append(l.space.spare, d)
		return more, nil
	}
	l.files.retire(d)
	return more, removeIfThere(l.opts.FS, l.names.segment(epoch, d.number))
}

// isFull reports whether a segment file has its full length, so that it can be recycled.
func (l *Ledger) isFull(d discard) bool {
	size, err := l.opts.FS.Stat(l.names.segment(d.epoch, d.number))
	return err == nil && uint64(size) >= pageSize+l.size
}
