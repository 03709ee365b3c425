package process

import "syscall"

// childAttributes: the kernel kills a server when this program is gone, however that came about, and Ctrl-C in the terminal reaches this program
// alone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
