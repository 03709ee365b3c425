package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// Node is a node and, while it runs, its process.
type Node struct {
	ID, Dir string
	// Peer, Client and Admin are where the node listens.
	Peer, Client, Admin string
	// Log is the file that has what the process has written.
	Log string

	program string
	running atomic.Pointer[running]
}

// running is a process from its start to its end.
type running struct {
	command *exec.Cmd
	// ended is closed when the process is gone and result is set.
	ended  chan struct{}
	result error
}

// Start starts the node's process. REQUIRES: it does not run.
func (n *Node) Start() error {
	log, err := os.OpenFile(n.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	r := &running{command: exec.Command(n.program, "server", "--dir", n.Dir), ended: make(chan struct{})}
	r.command.Stdout, r.command.Stderr, r.command.SysProcAttr = log, log, childAttributes()
	if err := r.command.Start(); err != nil {
		return err
	}
	n.running.Store(r)
	go func() {
		r.result = r.command.Wait()
		close(r.ended)
	}()
	return nil
}

// Running says whether the process was started and has not been ended by Kill or Stop. Any goroutine.
func (n *Node) Running() bool { return n.running.Load() != nil }

// Died says whether the process has ended by itself, and how. Any goroutine.
func (n *Node) Died() (bool, error) {
	r := n.running.Load()
	if r == nil {
		return false, nil
	}
	select {
	case <-r.ended:
		return true, r.result
	default:
		return false, nil
	}
}

// Signal sends a signal to the process.
func (n *Node) Signal(s syscall.Signal) error {
	r := n.running.Load()
	if r == nil {
		return fmt.Errorf("process: %s does not run", n.ID)
	}
	return r.command.Process.Signal(s)
}

// Kill ends the process as a crash does, and waits until it is gone. It is no error when it does not run, or has ended by itself.
func (n *Node) Kill() error {
	err := n.end(syscall.SIGKILL)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// Stop asks the process to end, and waits until it has. It is no error when it does not run.
func (n *Node) Stop() error { return n.end(syscall.SIGTERM) }

func (n *Node) end(s syscall.Signal) error {
	r := n.running.Swap(nil)
	if r == nil {
		return nil
	}
	if err := r.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-r.ended
	return r.result
}

// Logged is how many lines of what a node has logged hold all of some texts.
func (n *Node) Logged(texts ...string) (lines int, err error) {
	log, err := os.ReadFile(n.Log)
	for line := range strings.Lines(string(log)) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			lines++
		}
	}
	return lines, err
}

// Tail is the end of what a node has logged, at most so many bytes.
func (n *Node) Tail(bytes int) string {
	log, err := os.ReadFile(n.Log)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-bytes):])
}
