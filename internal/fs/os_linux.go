package fs

import (
	iofs "io/fs"
	"syscall"
	"unsafe"
)

// maxIovecs is how many buffers Linux takes in one call (UIO_MAXIOV).
const maxIovecs = 1024

// call runs a system call on the descriptor, again when a signal interrupts it.
func (o *osFile) call(op string, do func(fd uintptr) syscall.Errno) error {
	var errno syscall.Errno
	err := o.raw.Control(func(fd uintptr) {
		for errno = do(fd); errno == syscall.EINTR; errno = do(fd) {
		}
	})
	if err != nil {
		return o.failed(op, iofs.ErrClosed)
	}
	if errno != 0 {
		return o.failed(op, errno)
	}
	return nil
}

// datasync is fdatasync(2), which covers the length as well. It is not tried again after a failure: the kernel may have
// marked the pages clean.
func (o *osFile) datasync() error {
	var errno syscall.Errno
	err := o.raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_FDATASYNC, fd, 0, 0)
	})
	if err != nil {
		return o.failed("fdatasync", iofs.ErrClosed)
	}
	if errno != 0 {
		return o.failed("fdatasync", errno)
	}
	return nil
}

// writev is pwritev(2), with as many calls as it takes.
func (o *osFile) writev(bufs [][]byte, off int64) (total int, err error) {
	return writeAll(bufs, off, o.pwritev)
}

// writeAll hands the buffers to write, as many at a time as the kernel takes, and goes on where a short write ended.
func writeAll(bufs [][]byte, off int64, write func([]syscall.Iovec, int64) (int, error)) (total int, err error) {
	iovecs := make([]syscall.Iovec, 0, min(len(bufs), maxIovecs))
	skip := 0 // bytes of bufs[0] that are written
	for {
		for len(bufs) > 0 && skip == len(bufs[0]) {
			bufs, skip = bufs[1:], 0
		}
		if len(bufs) == 0 {
			return total, nil
		}
		iovecs = gather(iovecs[:0], bufs, skip)
		n, err := write(iovecs, off)
		if err != nil {
			return total, err
		}
		total, off, skip = total+n, off+int64(n), skip+n
		for len(bufs) > 0 && skip > len(bufs[0]) {
			skip -= len(bufs[0])
			bufs = bufs[1:]
		}
	}
}

// gather describes the first buffers, without skip bytes, to the kernel.
func gather(iovecs []syscall.Iovec, bufs [][]byte, skip int) []syscall.Iovec {
	for _, b := range bufs {
		b, skip = b[skip:], 0
		if len(b) == 0 {
			continue
		}
		if len(iovecs) == maxIovecs {
			break
		}
		v := syscall.Iovec{Base: &b[0]}
		v.SetLen(len(b))
		iovecs = append(iovecs, v)
	}
	return iovecs
}

func (o *osFile) pwritev(iovecs []syscall.Iovec, off int64) (n int, err error) {
	err = o.call("pwritev", func(fd uintptr) syscall.Errno {
		// The offset travels as two halves of a long each; on 64 bits the second one is shifted out by the kernel.
		r, _, errno := syscall.Syscall6(syscall.SYS_PWRITEV, fd, uintptr(unsafe.Pointer(&iovecs[0])), uintptr(len(iovecs)),
			uintptr(off), uintptr(uint64(off)>>32), 0)
		n = int(r)
		return errno
	})
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, o.failed("pwritev", syscall.EIO) // no progress and no reason given
	}
	return n, nil
}

func space(dir string) (free, total uint64, err error) {
	var s syscall.Statfs_t
	for err = syscall.Statfs(dir, &s); err == syscall.EINTR; err = syscall.Statfs(dir, &s) {
	}
	if err != nil {
		return 0, 0, err
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), nil
}
