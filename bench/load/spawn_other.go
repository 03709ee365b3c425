//go:build !unix

package load

import "syscall"

// ownGroup keeps signals of the terminal away from a process, where there are such.
func ownGroup() *syscall.SysProcAttr { return nil }
