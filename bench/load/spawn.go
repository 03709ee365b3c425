package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// nodeVariable names the system whose node a process is to be.
const nodeVariable = "LEDGERKV_BENCH_NODE"

// Process is a node's process that Spawn has started. Its methods may be called from any goroutine.
type Process struct {
	// Answer is what the node has said when it was ready.
	Answer []byte

	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{} // closed when the process has been waited for
	once  sync.Once
}

// Spawn starts this program once more, as a node of a system (NodeServer), and blocks until the node says that it is ready, the process ends or ctx is done. spec and
// the answer are a line each. The process ends with this one, however this one ends.
func Spawn(ctx context.Context, system string, spec []byte) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("load: to start a node's process: %w", err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), nodeVariable+"="+system)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = ownGroup() // a Ctrl-C at the terminal is for the program that measures, which ends its nodes itself
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("load: to start a node's process: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("load: to start a node's process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("load: to start a node's process: %w", err)
	}
	p := &Process{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	answer := make(chan []byte, 1)
	go p.watch(stdout, answer)
	if _, err := fmt.Fprintf(stdin, "%s\n", spec); err != nil {
		p.Kill()
		return nil, fmt.Errorf("load: to tell a node's process what it is: %w", err)
	}
	select {
	case line, ok := <-answer:
		if !ok {
			return nil, errors.New("load: a node's process ended before it was ready; what it has printed says why")
		}
		p.Answer = line
		return p, nil
	case <-ctx.Done():
		p.Kill()
		return nil, ctx.Err()
	}
}

// watch reads the one line that the node says, and waits for its end.
func (p *Process) watch(stdout io.Reader, answer chan<- []byte) {
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadBytes('\n'); err == nil {
		answer <- line[:len(line)-1]
	} else {
		close(answer)
	}
	_, _ = io.Copy(io.Discard, lines)
	_ = p.cmd.Wait()
	close(p.ended)
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Stop asks the node to close and waits until the process has ended, or ctx is done.
func (p *Process) Stop(ctx context.Context) error {
	p.once.Do(func() { _ = p.stdin.Close() })
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kill ends the process at once and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
	p.once.Do(func() { _ = p.stdin.Close() })
}

// ServeSpawned runs the node that this process was started as by Spawn, until the program that started it ends or asks for it, and reports whether it was. A
// program that measures calls it before anything else.
func ServeSpawned(systems []System) (spawned bool, err error) {
	name := os.Getenv(nodeVariable)
	if name == "" {
		return false, nil
	}
	for _, s := range systems {
		server, ok := s.(NodeServer)
		if !ok || s.Info().Name != name {
			continue
		}
		in := bufio.NewReader(os.Stdin)
		spec, err := in.ReadBytes('\n')
		if err != nil {
			return true, fmt.Errorf("load: expected a line that says what node to be: %w", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { // ends with the process
			_, _ = io.Copy(io.Discard, in)
			cancel()
		}()
		return true, server.ServeNode(ctx, spec[:len(spec)-1], func(answer []byte) { fmt.Printf("%s\n", answer) })
	}
	return true, fmt.Errorf("load: asked to be a node of the system %q, which this program does not have or which has no processes of its own", name)
}
