package ledger

import (
	"errors"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// Trim removes whole segments below entry keepFrom and reports the new base, for raft.Core.Compacted, or false when there is no
// whole segment to remove, or the entry that says who the members are is not below keepFrom. The new base is made durable first; readers get a *CompactedError from then on. The files themselves
// go, or are recycled, with Provision.
//
// REQUIRES: keepFrom is at most one above the commit index. The segment with the last durable entry always stays.
//
// An error that wraps ErrNoSpace leaves everything as it was; any other latches the ledger. Syncer; it blocks on the device.
func (l *Ledger) Trim(keepFrom raft.Index) (raft.Base, bool, error) {
	if err := l.usable(); err != nil {
		return raft.Base{}, false, err
	}
	l.mu.Lock()
	b, gone, ok := l.idx.trimmed(keepFrom, l.sync.established.ID, l.size)
	if !ok {
		l.mu.Unlock()
		return b, false, nil
	}
	l.baseEpochs++
	epoch := l.baseEpochs
	l.mu.Unlock()
	if err := l.moveMark(); err != nil {
		return b, false, err
	}
	if err := l.writeBase(epoch, b, gone); err != nil {
		return b, false, err
	}
	old := l.group.baseEpoch
	if err := l.flushGroup(func(g *groupState) { g.baseEpoch = epoch }); err != nil {
		return b, false, err
	}
	l.mu.Lock()
	for _, number := range l.idx.rebase(b) {
		l.discards = append(l.discards, discard{epoch: l.idx.epoch, number: number})
	}
	l.mu.Unlock()
	l.opts.Logger.Info("log trimmed", "group", uint64(l.opts.Identity.Group), "first", uint64(b.ID.Index)+1)
	l.removeOld(l.names.base(old))
	b.Configuration = b.Configuration.Clone()
	return b, true, nil
}

// moveMark makes the mark durable in the segment with the last durable entry, which stays. The mark in force may stand in one that goes, and
// without it a mark that was there before a truncation would be in force again.
func (l *Ledger) moveMark() error {
	s := &l.sync
	wf, err := l.openWrite(lastSegmentOf(s.established.End, l.idx.base.Position, l.size))
	if err != nil {
		return err
	}
	if err := l.writeMark(wf, markOf(s.inForce.truncations, s.established)); err != nil {
		return err
	}
	return l.datasync(wf.f, wf.path)
}

// trimmed gives the base that a trim would make, and the numbers of the segments that would go. durable is what the last flush made durable; when the
// owner has truncated it since, nothing is known of what it put in its place, and nothing goes. The first entry that stays
// is below keepFrom, and so committed: the base says where it is, so it must not be replaced. REQUIRES: the mutex.
func (x *index) trimmed(keepFrom raft.Index, durable raft.EntryID, segmentSize uint64) (b raft.Base, gone []uint64, ok bool) {
	if !x.has(durable) {
		return b, nil, false
	}
	n := lastWhere(len(x.segs), func(n int) bool {
		first := x.segs[n].first.Index
		return first < keepFrom && first <= durable.Index
	})
	if n == 0 {
		return b, nil, false
	}
	for _, s := range x.segs[:n] {
		gone = append(gone, s.number)
	}
	b = x.baseAt(x.segs[n-1].tip)
	if len(b.Configuration.Members) == 0 {
		return b, nil, false // who joined learns the members from an entry further on; a base that does not know them could found nobody's log
	}
	// The first segment file that is left is the one in which the base lies; so the filler that went with the others is counted in.
	b.Position = raft.Position(x.segs[n].number * segmentSize)
	return b, gone, true
}

// writeBase makes a base file durable. On a full device segment files that wait to be used again and the sidecars of the segments that are to go make
// room for it: they can be made again.
func (l *Ledger) writeBase(epoch uint32, b raft.Base, gone []uint64) error {
	path := l.names.base(epoch)
	err := fs.WriteFileAtomic(l.opts.FS, l.names.dir, path, encodeBase(b))
	if errors.Is(err, fs.ErrNoSpace) {
		for _, number := range gone {
			l.removeOld(l.names.sidecar(l.idx.epoch, number))
		}
		l.space.mu.Lock()
		for _, d := range l.space.spare {
			l.removeOld(l.names.segment(d.epoch, d.number))
		}
		l.space.spare = nil
		l.space.mu.Unlock()
		err = fs.WriteFileAtomic(l.opts.FS, l.names.dir, path, encodeBase(b))
	}
	if err != nil {
		l.removeOld(path + ".tmp")
		return l.failWrite(path, err)
	}
	return nil
}

// removeOld removes a file that means nothing any more. If that fails, the next start does it.
func (l *Ledger) removeOld(path string) {
	if err := removeIfThere(l.opts.FS, path); err != nil {
		l.opts.Logger.Warn("leftover stays until the next start", "path", path, "err", err)
	}
}
