//go:build !linux

package load

import "time"

// ownCPU and deviceOf are read on Linux alone.
func ownCPU() (time.Duration, bool) { return 0, false }

func deviceOf(string) (major, minor uint64, ok bool) { return 0, 0, false }
