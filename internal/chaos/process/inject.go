package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// ErrNoInjection: system calls can't be made to fail here: strace is not there, or may not attach to a process.
var ErrNoInjection = errors.New("process: system calls can't be made to fail here")

// Inject makes system calls of the node's process fail or take long, as strace's --inject says, for instance "fdatasync,fsync:error=EIO", until end is called
// or the process ends. It blocks until strace has attached itself. It fails with ErrNoInjection where that can't be.
// REQUIRES: the process runs and is not stopped.
func (n *Node) Inject(what string) (end func() error, err error) {
	r := n.running.Load()
	if r == nil {
		return nil, fmt.Errorf("process: %s does not run", n.ID)
	}
	calls, _, _ := strings.Cut(what, ":")
	command := exec.Command("strace", "-f", "-o", "/dev/null", "-e", "trace="+calls, "-e", "inject="+what, "-p", strconv.Itoa(r.command.Process.Pid))
	command.SysProcAttr = childAttributes()
	stderr, err := command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoInjection, err)
	}
	said := bufio.NewReader(stderr)
	line, err := said.ReadString('\n')
	if err != nil || !strings.Contains(line, "attached") {
		_ = command.Process.Kill()
		_, _ = io.Copy(io.Discard, said)
		return nil, fmt.Errorf("%w: %s (%w)", ErrNoInjection, strings.TrimSpace(line), errors.Join(err, command.Wait()))
	}
	var drained sync.WaitGroup
	drained.Add(1)
	go func() {
		defer drained.Done()
		_, _ = io.Copy(io.Discard, said) // ends with the command
	}()
	return func() error {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended with the process
		drained.Wait()
		var exit *exec.ExitError
		if err := command.Wait(); err != nil && !errors.As(err, &exit) {
			return err
		}
		return nil
	}, nil
}
