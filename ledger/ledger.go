package ledger

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// Ledger is an open ledger. The package comment says which goroutine may call what.
type Ledger struct {
	// Set by Open and never changed.
	opts  Options
	names layout
	size  uint64 // S
	hard  raft.HardState

	mu sync.Mutex
	// idx, guarded by mu. The owner, and the syncer in CommitReset, also read it without: they are the ones that change it.
	idx index
	// group is what the group file says, durable or soon to be; the syncer changes it.
	group groupState
	// ledgerEpochs and baseEpochs are the highest that were ever handed out.
	ledgerEpochs, baseEpochs uint32
	// discards are segment files that are no longer part of the log, for the provisioner to recycle or remove.
	discards []discard
	// leftovers are ledger directories that are no longer part of the log, for the provisioner to remove.
	leftovers []uint32

	owner owner
	sync  syncer
	space space
	files fileCache

	// failed is set once by what could not be written or flushed.
	failed atomic.Pointer[FailedError]
	closed atomic.Bool
}

// discard is a segment file below the base.
type discard struct {
	epoch  uint32
	number uint64
}

// Restart is what the core is to be started from: the state that Open found. Commit is the base's index; the
// node raises it to what a machine has durably applied. It is for the goroutine that called Open, before any other call.
func (l *Ledger) Restart() raft.Restart {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idx.restart(l.hard)
}

// Trims are the trim entries that the log holds, ascending, committed or not. Any goroutine.
func (l *Ledger) Trims() []TrimEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.idx.trims)
}

// EngineEpoch is the epoch of the machine's place that the group file names. Any goroutine.
func (l *Ledger) EngineEpoch() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(l.group.engineEpoch)
}

// SegmentSize is S, in bytes. Any goroutine.
func (l *Ledger) SegmentSize() uint64 { return l.size }

// MaxRecordSize is what the largest record may take, in bytes: S/4. Any goroutine.
func (l *Ledger) MaxRecordSize() uint32 { return uint32(min(l.size/4, maxBodyLen)) }

// Base is where the ledger begins now. Any goroutine.
func (l *Ledger) Base() raft.Base {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.idx.base
	b.Configuration = b.Configuration.Clone()
	return b
}

// BaseID is the entry behind which the log begins, Base's ID. Any goroutine.
func (l *Ledger) BaseID() raft.EntryID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idx.base.ID
}

// Tip is the end of the log as the owner has built it, durable or not. Any goroutine.
func (l *Ledger) Tip() Tip {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idx.tip
}

// Last is the last entry; the base's id when the ledger is empty. Any goroutine.
func (l *Ledger) Last() raft.EntryID { return l.Tip().ID }

// End is the position at which the last entry ends. Any goroutine.
func (l *Ledger) End() raft.Position { return l.Tip().End }

// ChecksumAt gives the header checksum of an entry, if it is the base, the last entry or in memory. Any goroutine; it never touches the disk.
func (l *Ledger) ChecksumAt(id raft.EntryID) (checksum uint32, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.idx.tipInMemory(id.Index)
	return t.Checksum, ok && t.ID == id
}

// tipInMemory gives the end of entry i if that is known without the disk.
func (x *index) tipInMemory(i raft.Index) (Tip, bool) {
	if i == x.tip.ID.Index {
		return x.tip, true
	}
	if i == x.base.ID.Index {
		return baseTip(x.base), true
	}
	if c, n := x.tail.find(i); c != nil {
		return c.tip(n), true
	}
	return Tip{}, false
}

// UnsyncedBytes is how many bytes of records were appended and are not known to be durable, those that were truncated
// meanwhile included. Any goroutine.
func (l *Ledger) UnsyncedBytes() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idx.tail.appended - l.idx.tail.synced
}

// Failed gives the error that latched the ledger, or nil. Any goroutine.
func (l *Ledger) Failed() error {
	if err := l.failed.Load(); err != nil {
		return err
	}
	return nil
}

// usable says why nothing may be written any more.
func (l *Ledger) usable() error {
	if l.closed.Load() {
		return ErrClosed
	}
	return l.Failed()
}

// fail latches the ledger, but for a full disk, from which it recovers. It returns what the caller is to return.
func (l *Ledger) fail(op, path string, err error) error {
	failed := &FailedError{Op: op, Path: path, Err: err}
	if l.failed.CompareAndSwap(nil, failed) {
		l.opts.Logger.Error("ledger stops", "group", uint64(l.opts.Identity.Group), "op", op, "path", path, "err", err)
	}
	return l.failed.Load()
}

// failWrite is fail for a write, which a full disk does not make fatal.
func (l *Ledger) failWrite(path string, err error) error {
	if errors.Is(err, fs.ErrNoSpace) {
		return &NoSpaceError{Err: err}
	}
	return l.fail("write", path, err)
}

// Close closes the files. It neither writes nor flushes. REQUIRES: the owner, the syncer and the provisioner have
// stopped; readers may still be at work and get ErrClosed.
func (l *Ledger) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	return errors.Join(l.sync.close(), l.space.close(), l.files.close())
}
