package main

import "syscall"

// childAttributes: the kernel kills a child when its parent is gone, however that came about, and Ctrl-C in the terminal reaches
// the parent alone, which stops its children in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
