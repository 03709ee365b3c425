package load

import "syscall"

// childAttributes: the kernel kills a node when this program is gone, however that came about, and Ctrl-C at the terminal reaches this program alone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// Freeze stops the process without ending it; Thaw lets it go on.
func (p *Process) Freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a process go on that was frozen.
func (p *Process) Thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }
