package fs

import (
	iofs "io/fs"
	"os"
	"syscall"
)

// osFile is an open file of the operating system. The raw connection guards the descriptor against being closed, and given
// to another file, while a system call that package os does not offer uses it.
type osFile struct {
	f   *os.File
	raw syscall.RawConn
}

// ReadAt implements io.ReaderAt.
func (o *osFile) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }

// WriteAt implements io.WriterAt.
func (o *osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.f.WriteAt(p, off)
	return n, spaced(err)
}

// WritevAt implements File.
func (o *osFile) WritevAt(bufs [][]byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, o.failed("pwritev", syscall.EINVAL)
	}
	if len(bufs) == 1 {
		return o.WriteAt(bufs[0], off)
	}
	n, err = o.writev(bufs, off)
	return n, spaced(err)
}

// Datasync implements File.
func (o *osFile) Datasync() error { return spaced(o.datasync()) }

// zeros is what Zero writes. It is never changed.
var zeros [256 << 10]byte

// Zero implements File.
func (o *osFile) Zero(off, n int64) error {
	if off < 0 || n < 0 {
		return o.failed("zero", syscall.EINVAL)
	}
	for {
		m, err := o.f.WriteAt(zeros[:min(n, int64(len(zeros)))], off)
		off, n = off+int64(m), n-int64(m)
		if err != nil || n == 0 {
			return spaced(err)
		}
	}
}

// Truncate implements File.
func (o *osFile) Truncate(size int64) error { return spaced(o.f.Truncate(size)) }

// Size implements File.
func (o *osFile) Size() (int64, error) {
	info, err := o.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close implements io.Closer.
func (o *osFile) Close() error { return o.f.Close() }

func (o *osFile) failed(op string, err error) error {
	return &iofs.PathError{Op: op, Path: o.f.Name(), Err: err}
}
