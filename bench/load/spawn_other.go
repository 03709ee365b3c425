//go:build !linux

package load

import "syscall"

func childAttributes() *syscall.SysProcAttr { return nil }

// Freeze and Thaw are there on Linux alone; elsewhere they fail with ErrUnsupported.
func (p *Process) Freeze() error { return ErrUnsupported }

// Thaw fails with ErrUnsupported.
func (p *Process) Thaw() error { return ErrUnsupported }
