package ledger

import "github.com/ledgerkv/ledgerkv/raft"

// Write is what the owner did to the log between two Cuts, and a hard state, for the syncer to write. It refers to the
// tail's bytes and holds no copy.
type Write struct {
	epoch uint32
	// lowered, when not nil: first truncate to this tip.
	lowered *Tip
	runs    []run
	tip     Tip
	serial  uint64
	hard    *raft.HardState
}

// Bytes is how many bytes of log the write holds.
func (w *Write) Bytes() int {
	n := 0
	for _, r := range w.runs {
		n += int(r.end - r.pos)
	}
	return n
}

// Tip is the end of the log once the write is done.
func (w *Write) Tip() Tip { return w.tip }

// Cut gives everything that was appended or truncated since the last Cut, with hs if that isn't nil, as one unit for the syncer; ok is false
// when there is nothing. Writes are to be given to Write in the order in which they were cut. Owner; it does not block.
func (l *Ledger) Cut(hs *raft.HardState) (w Write, ok bool) {
	o := &l.owner
	l.mu.Lock()
	tip, serial := l.ownerTip(), l.idx.tail.appended
	l.mu.Unlock()
	if o.lowered == nil && len(o.runs) == 0 && hs == nil {
		return w, false
	}
	w = Write{epoch: o.epoch, lowered: o.lowered, runs: o.runs, tip: tip, serial: serial}
	if hs != nil {
		state := *hs
		w.hard = &state
	}
	o.cut, o.lowered, o.runs, o.open = tip, nil, nil, nil
	return w, true
}

// Truncate removes the entries from index from on, from memory at once and from the disk with the next Write. from must be above the base; when it is
// above the last entry nothing is done.
//
// It does not block, with one exception: when the entry before from is no longer in memory, it is read from the disk (at most
// 64 KiB and a record), which can fail with a *CorruptionError. Owner.
func (l *Ledger) Truncate(from raft.Index) error {
	l.mu.Lock()
	tip, first := l.ownerTip(), l.idx.first()
	l.mu.Unlock()
	switch {
	case from > tip.ID.Index:
		return nil
	case from < first:
		return mismatch("truncation from entry %d, the log begins at %d", from, first)
	}
	to, err := l.tipAt(from - 1)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.idx.truncate(to)
	l.mu.Unlock()
	l.owner.truncate(to)
	return nil
}

// truncate takes what lies behind to out of what is waiting to be cut; what was cut already is for the syncer to truncate.
func (o *owner) truncate(to Tip) {
	written := o.cut
	if o.lowered != nil {
		written = *o.lowered
	}
	if to.ID.Index < written.ID.Index {
		o.lowered, o.runs, o.open = &to, nil, nil
		return
	}
	for n := len(o.runs); n > 0 && o.runs[n-1].pos >= to.End; n-- {
		o.runs = o.runs[:n-1]
	}
	if n := len(o.runs); n > 0 && o.runs[n-1].end > to.End {
		o.runs[n-1].cutBack(to.End)
	}
	o.open = nil
}

// cutBack makes the run end at end.
func (r *run) cutBack(end raft.Position) {
	excess := int(r.end - end)
	for excess > 0 {
		n := len(r.bufs) - 1
		if last := r.bufs[n]; len(last) > excess {
			keep := len(last) - excess
			r.bufs[n] = last[:keep:keep]
			break
		}
		excess -= len(r.bufs[n])
		r.bufs = r.bufs[:n]
	}
	r.end = end
}
