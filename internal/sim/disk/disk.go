package disk

import (
	"errors"
	iofs "io/fs"
	"sync"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// ErrCrashed is what every call returns once the disk has been stopped by CrashAt or Halt. Test with errors.Is.
var ErrCrashed = errors.New("the disk has lost power")

// ErrIO is the error of an injected fault that names no other. Test with errors.Is.
var ErrIO = errors.New("input/output error")

// SectorSize is the number of bytes that are written as one or not at all.
const SectorSize = 512

// unlimited is the capacity of a disk to which none was given, in bytes.
const unlimited = 1 << 40

// Disk is a file system in memory with a crash model. The zero value is not usable; see New.
type Disk struct {
	// Before, when not nil, is called before each operation, reads included, without any lock held: it may block, look at
	// the disk, or clone it. An error it returns is the operation's result, and nothing is done. Set it before the disk is
	// shared between goroutines.
	Before func(Op) error

	mu      sync.Mutex
	seed    uint64
	lastID  uint64 // of inodes, in order of creation
	root    *inode
	ops     int
	crashAt int // 0: never
	halted  bool
	locked  map[string]bool // by clean path
	faults  []*fault
	peeking bool // see Peek
	// misplaced is the write that is about to go wrong, if any.
	misplaced *Misplacement
	capacity  uint64
	used      uint64 // bytes of sectors allocated in files that have a name or are open
}

var _ fs.FS = (*Disk)(nil)

// New gives an empty disk. All that Crash leaves to chance is drawn from the seed.
func New(seed uint64) *Disk {
	d := &Disk{seed: seed, capacity: unlimited, locked: map[string]bool{}}
	d.root = d.newDir()
	return d
}

// OpKind says what an operation does.
type OpKind uint8

// The operations. Those from OpWrite on change something and are numbered.
const (
	OpOpen OpKind = iota + 1
	OpRead
	OpStat
	OpList
	OpWrite
	OpZero
	OpTruncate
	OpDatasync
	OpCreate
	OpRename
	OpRemove
	OpMkdir
	OpSyncDir
)

var opNames = [...]string{"", "open", "read", "stat", "list", "write", "zero", "truncate", "datasync", "create", "rename",
	"remove", "mkdir", "syncdir"}

// String gives the operation's name in lower case.
func (k OpKind) String() string {
	if int(k) >= len(opNames) {
		return "unknown operation"
	}
	return opNames[k]
}

// mutates tells whether the operation is numbered.
func (k OpKind) mutates() bool { return k >= OpWrite }

// Op describes one operation.
type Op struct {
	// Seq is the operation's number, from 1; 0 when it changes nothing.
	Seq  int
	Kind OpKind
	// Path is the clean path, without a leading slash; for a rename the old one. "." is the root.
	Path string
	// To is the new path of a rename.
	To string
	// Off and Len are the range in bytes of a read, write or zero; Len is the new length for a truncate.
	Off, Len int64
}

// Ops gives the number of operations begun so far, those that change nothing apart.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// CrashAt stops the disk at the operation numbered n: it and every later call, reads included, return ErrCrashed. What
// operation n writes counts as issued and not synced; a sync that is operation n has done nothing. 0 means never.
func (d *Disk) CrashAt(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashAt = n
}

// Halt stops the disk now: every later call returns ErrCrashed. Crash, KillProcess and Clone still work.
func (d *Disk) Halt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halted = true
}

// Crashed tells whether the disk has been stopped.
func (d *Disk) Crashed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.halted
}

// SetCapacity bounds the bytes that files may occupy, in whole sectors; writes beyond it give fs.ErrNoSpace. 0 lifts the
// bound. A capacity below what is in use is allowed: nothing more can be written until space is given back.
func (d *Disk) SetCapacity(bytes uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes == 0 {
		bytes = unlimited
	}
	d.capacity = bytes
}

// Used gives the bytes that files occupy.
func (d *Disk) Used() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// begin numbers the operation, asks the hook and the faults, and returns with the lock held when it returns nil. dying
// says that this is the operation at which the disk stops: its effect is to be applied, and ErrCrashed returned.
func (d *Disk) begin(op Op) (dying bool, f *fault, err error) {
	d.mu.Lock()
	if d.halted {
		d.mu.Unlock()
		return false, nil, pathError(op, ErrCrashed)
	}
	if op.Kind.mutates() {
		d.ops++
		op.Seq = d.ops
	}
	if before := d.Before; before != nil && !d.peeking {
		d.mu.Unlock()
		if err := before(op); err != nil {
			return false, nil, err
		}
		d.mu.Lock()
		if d.halted {
			d.mu.Unlock()
			return false, nil, pathError(op, ErrCrashed)
		}
	}
	if d.crashAt != 0 && d.ops >= d.crashAt && !d.peeking { // whoever only looks ends nothing
		d.halted = true
		if !op.Kind.mutates() || op.Kind == OpDatasync || op.Kind == OpSyncDir {
			d.mu.Unlock()
			return false, nil, pathError(op, ErrCrashed)
		}
		return true, nil, nil
	}
	if !d.peeking {
		f = d.fault(op)
	}
	if f != nil && op.Kind != OpDatasync {
		d.mu.Unlock()
		return false, nil, pathError(op, f.err())
	}
	return false, f, nil
}

// end releases the lock and gives the operation's result.
func (d *Disk) end(op Op, dying bool, err error) error {
	d.mu.Unlock()
	if dying {
		return pathError(op, ErrCrashed)
	}
	if err != nil {
		return pathError(op, err)
	}
	return nil
}

func pathError(op Op, err error) error {
	return &iofs.PathError{Op: op.Kind.String(), Path: op.Path, Err: err}
}
