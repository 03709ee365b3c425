//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fs

import (
	"os"
	"syscall"
)

// lock takes flock(2) on the open file; it goes with the descriptor. flock, unlike fcntl, also keeps two openings within
// one process apart.
func lock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for err == syscall.EINTR {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == syscall.EWOULDBLOCK {
		return ErrLocked
	}
	return err
}
