package ledger

import (
	"fmt"
	"math"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Reset is a ledger that begins at an image's base, on the disk under fresh epochs and not yet in force.
type Reset struct {
	base        raft.Base
	ledgerEpoch uint32
	baseEpoch   uint32
}

// Base is where the ledger will begin.
func (r *Reset) Base() raft.Base { return r.base }

// PrepareReset makes an empty ledger that begins at b, durable but not in force: that is CommitReset's. A crash before then leaves the ledger as it was.
// Any goroutine; it blocks on the device. Errors that wrap ErrNoSpace may be tried again.
func (l *Ledger) PrepareReset(b raft.Base) (*Reset, error) {
	if err := checkBase(b); err != nil {
		return nil, fmt.Errorf("ledger: reset to %v: %w", b.ID, err)
	}
	if err := b.Configuration.Validate(); err != nil {
		return nil, fmt.Errorf("ledger: reset to %v: %w", b.ID, err)
	}
	b.Configuration = b.Configuration.Clone()
	l.mu.Lock()
	l.ledgerEpochs++
	l.baseEpochs++
	r := &Reset{base: b, ledgerEpoch: l.ledgerEpochs, baseEpoch: l.baseEpochs}
	l.mu.Unlock()
	if err := makeLedger(l.opts, r.ledgerEpoch, r.baseEpoch, b); err != nil {
		l.DropReset(r)
		return nil, fmt.Errorf("ledger: reset to %v: %w", b.ID, err)
	}
	return r, nil
}

// DropReset gives up a reset that will not be committed. Any goroutine; it blocks on the device.
func (l *Ledger) DropReset(r *Reset) {
	l.removeOld(l.names.base(r.baseEpoch))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leftovers = append(l.leftovers, r.ledgerEpoch)
}

// CommitReset puts a prepared reset in force, durably, with engineEpoch as the epoch of the machine's place: one flush of the group file, before which the
// old ledger is in force and after which the new one is. The ledger is then empty; readers get a *CompactedError, and Writes that were
// cut before count for their hard state only.
//
// REQUIRES: from when the owner asked for the reset until it is told of the outcome it calls neither Append, AppendRecord nor
// Truncate; Cut it may. Errors are those of Flush. Syncer; it blocks on the device, and waits for the provisioner's piece of
// work.
func (l *Ledger) CommitReset(r *Reset, engineEpoch uint64) error {
	if err := l.usable(); err != nil {
		return err
	}
	if engineEpoch > math.MaxUint32 {
		return fmt.Errorf("ledger: engine epoch %d, at most %d is possible", engineEpoch, uint64(math.MaxUint32))
	}
	l.space.mu.Lock()
	defer l.space.mu.Unlock()
	old := l.group
	err := l.flushGroup(func(g *groupState) {
		g.ledgerEpoch, g.baseEpoch, g.engineEpoch = r.ledgerEpoch, r.baseEpoch, uint32(engineEpoch)
	})
	if err != nil {
		return err
	}
	l.restartAt(r)
	l.removeOld(l.names.base(old.baseEpoch))
	l.opts.Logger.Info("ledger reset", "group", uint64(l.opts.Identity.Group), "base", r.base.ID.String())
	return nil
}

// restartAt makes all state that of an empty ledger at r's base. REQUIRES: the space's lock.
func (l *Ledger) restartAt(r *Reset) {
	tip := baseTip(r.base)
	l.mu.Lock()
	x := &l.idx
	l.leftovers = append(l.leftovers, x.epoch)
	l.discards = nil
	appended := x.tail.appended
	*x = index{base: r.base, epoch: r.ledgerEpoch, truncations: x.truncations + 1, tip: tip,
		tail: tail{appended: appended, synced: appended}}
	l.mu.Unlock()

	s := &l.sync
	for _, wf := range s.files {
		_ = wf.f.Close() // of a log that is no more
	}
	s.files, s.written, s.established, s.serial = nil, tip, tip, appended
	s.inForce, s.pageEnd = mark{}, 0

	p := &l.space
	_ = p.closeFile()
	p.epoch, p.spare = r.ledgerEpoch, nil
	from := uint64(pageFloor(r.base.Position))
	p.end.Store(from + min(firstChunk, l.size-from%l.size, l.opts.ChunkBytes))
}
