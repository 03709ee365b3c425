package load

import (
	"syscall"
	"time"
)

// ownCPU gives the processor time of this process.
func ownCPU() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}

// deviceOf gives the numbers of the block device below a directory.
func deviceOf(dir string) (major, minor uint64, ok bool) {
	var s syscall.Stat_t
	if err := syscall.Stat(dir, &s); err != nil {
		return 0, 0, false
	}
	dev := s.Dev
	return dev>>8&0xfff | dev>>32&^0xfff, dev&0xff | dev>>12&^0xff, true
}
