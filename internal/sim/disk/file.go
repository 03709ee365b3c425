package disk

import (
	"errors"
	"io"
	iofs "io/fs"
	"syscall"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// file is an open file. Its methods may be called from any goroutine.
type file struct {
	d      *Disk
	n      *inode
	path   string
	closed bool // guarded by the disk's mutex
}

var _ fs.File = (*file)(nil)

func isNotExist(err error) bool { return errors.Is(err, iofs.ErrNotExist) }

// begin is Disk.begin for an open file, and checks the range.
func (f *file) begin(op Op) (dying bool, fl *fault, err error) {
	if op.Off < 0 || op.Len < 0 {
		return false, nil, pathError(op, syscall.EINVAL)
	}
	dying, fl, err = f.d.begin(op)
	if err != nil {
		return false, nil, err
	}
	if f.closed {
		return false, nil, f.d.end(op, false, iofs.ErrClosed)
	}
	return dying, fl, nil
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	op := Op{Kind: OpRead, Path: f.path, Off: off, Len: int64(len(p))}
	dying, _, err := f.begin(op)
	if err != nil {
		return 0, err
	}
	n := f.n.content.readAt(p, off)
	if err := f.d.end(op, dying, nil); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	return f.write(Op{Kind: OpWrite, Path: f.path, Off: off, Len: int64(len(p))}, [][]byte{p})
}

// WritevAt implements fs.File. It is one operation.
func (f *file) WritevAt(bufs [][]byte, off int64) (int, error) {
	total := 0
	for _, b := range bufs {
		total += len(b)
	}
	return f.write(Op{Kind: OpWrite, Path: f.path, Off: off, Len: int64(total)}, bufs)
}

// Zero implements fs.File. It is one operation.
func (f *file) Zero(off, n int64) error {
	_, err := f.write(Op{Kind: OpZero, Path: f.path, Off: off, Len: n}, nil)
	return err
}

// write writes as much as the space left allows, as a kernel does.
func (f *file) write(op Op, bufs [][]byte) (int, error) {
	dying, _, err := f.begin(op)
	if err != nil {
		return 0, err
	}
	c := f.n.content
	n := op.Len
	if c.missing(op.Off, n) > f.d.free() {
		n = c.fits(op.Off, n, f.d.free())
		err = fs.ErrNoSpace
	}
	before := c.allocated
	if at, ok := f.d.misplace(op, c.size, n); !ok {
		n = op.Len // so it says
	} else if op.Kind == OpZero {
		c.zeroAt(at, n)
	} else {
		c.writeAt(bufs, at, n)
	}
	f.d.used += c.allocated - before
	if err := f.d.end(op, dying, err); err != nil {
		return int(n), err
	}
	return int(n), nil
}

// Truncate implements fs.File.
func (f *file) Truncate(size int64) error {
	op := Op{Kind: OpTruncate, Path: f.path, Len: size}
	dying, _, err := f.begin(op)
	if err != nil {
		return err
	}
	c := f.n.content
	before := c.allocated
	c.truncate(size)
	f.d.used += c.allocated - before
	return f.d.end(op, dying, nil)
}

// Datasync implements fs.File.
func (f *file) Datasync() error {
	op := Op{Kind: OpDatasync, Path: f.path}
	dying, fl, err := f.begin(op)
	if err != nil {
		return err
	}
	c := f.n.content
	if fl == nil {
		c.datasync()
		return f.d.end(op, dying, nil)
	}
	before := c.allocated
	c.lose(fl.Evict)
	f.d.used += c.allocated - before
	return f.d.end(op, dying, fl.err())
}

// Size implements fs.File.
func (f *file) Size() (int64, error) {
	op := Op{Kind: OpStat, Path: f.path}
	dying, _, err := f.begin(op)
	if err != nil {
		return 0, err
	}
	size := f.n.content.size
	return size, f.d.end(op, dying, nil)
}

// Close implements io.Closer. It works on a stopped disk too, so that a test can tear down what it built.
func (f *file) Close() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.closed {
		return pathError(Op{Kind: OpOpen, Path: f.path}, iofs.ErrClosed)
	}
	f.release()
	return nil
}

// release closes the file. The lock is held.
func (f *file) release() {
	f.closed = true
	f.n.opens--
	f.d.reclaim(f.n)
}
