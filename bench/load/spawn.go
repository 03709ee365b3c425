package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// nodeVariable names the system whose node a process is to be.
const nodeVariable = "LEDGERKV_BENCH_NODE"

// NodeServer is a System whose clusters have nodes in processes of their own (ThreeProcesses, ThreeProcessesRemote). Spawn starts this program once more for each, and
// there OpenNode is called.
type NodeServer interface {
	// OpenNode opens a node as spec, a line of text, says, and blocks until it is up as far as it can be on its own.
	OpenNode(ctx context.Context, spec string) (Node, error)
}

// Node is a node in a process of its own, as that process sees it. Its methods are called from one goroutine.
type Node interface {
	// Ask does or answers what the process that has started this one asks by Process.Ask. Both are a line.
	Ask(question string) (answer string)
	// Close closes the node cleanly.
	Close() error
}

// Process is a node's process, as the process that has started it sees it. Its methods may be called from any goroutine.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has been waited for
	lines chan string   // what it says; closed at its end

	mu    sync.Mutex // one question at a time
	asked uint64     // questions, by which answers are told apart: one that was given up is answered all the same
	stdin io.WriteCloser
	close sync.Once
}

// Again is a command that starts this program once more, with the same arguments and a variable in its environment, by which it sees what it is to be. It ends when this
// process does, on Linux, and is spared the signals of the terminal.
func Again(variable, value string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("load: to start this program again: %w", err)
	}
	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Env = append(os.Environ(), variable+"="+value)
	cmd.SysProcAttr = childAttributes()
	return cmd, nil
}

// Spawn starts this program once more, as a node of a system, and blocks until the node is open, the process ends or ctx is done. The process ends with this one,
// however this one ends.
func Spawn(ctx context.Context, system, spec string) (*Process, error) {
	cmd, err := Again(nodeVariable, system)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("load: to start a node's process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("load: to start a node's process: %w", err)
	}
	p := &Process{cmd: cmd, stdin: stdin, ended: make(chan struct{}), lines: make(chan string, 64)}
	go p.watch(stdout)
	if _, err := p.Ask(ctx, spec); err != nil {
		p.Kill()
		return nil, fmt.Errorf("load: a node's process did not become ready: %w", err)
	}
	return p, nil
}

// watch passes on what the node says, and waits for its end.
func (p *Process) watch(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		select {
		case p.lines <- lines.Text():
		default: // nobody has asked, or has given up
		}
	}
	close(p.lines)
	_ = p.cmd.Wait()
	close(p.ended)
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ask asks the node something, a line, and blocks until it has answered, the process ends or ctx is done.
func (p *Process) Ask(ctx context.Context, question string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if _, err := fmt.Fprintf(p.stdin, "%d %s\n", p.asked, question); err != nil {
		return "", fmt.Errorf("load: the process of a node is gone: %w", err)
	}
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", errors.New("load: the process of a node has ended; what it has printed says why")
			}
			if answer, ok := strings.CutPrefix(line, fmt.Sprintf("%d ", p.asked)); ok {
				return answer, nil
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// Stop asks the node to close and waits until the process has ended, or ctx is done.
func (p *Process) Stop(ctx context.Context) error {
	p.close.Do(func() { _ = p.stdin.Close() })
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
	p.close.Do(func() { _ = p.stdin.Close() })
}

// ServeSpawned runs the node that this process was started as by Spawn, until the program that has started it ends or closes it, and reports whether it was. A program
// that measures calls it before anything else.
func ServeSpawned(systems []System) (spawned bool, err error) {
	name := os.Getenv(nodeVariable)
	if name == "" {
		return false, nil
	}
	for _, s := range systems {
		if server, ok := s.(NodeServer); ok && s.Info().Name == name {
			return true, serveNode(server, os.Stdin, os.Stdout)
		}
	}
	return true, fmt.Errorf("load: asked to be a node of the system %q, which this program does not have or which has no processes of its own", name)
}

// serveNode opens a node as the first line says, then answers a line with a line, until there are no more. Each begins with the question's number.
func serveNode(server NodeServer, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return errors.Join(errors.New("load: expected a line that says what node to be"), lines.Err())
	}
	number, spec, _ := strings.Cut(lines.Text(), " ")
	node, err := server.OpenNode(context.Background(), spec)
	if err != nil {
		return err
	}
	for answer := "ready"; ; {
		if _, err := fmt.Fprintf(out, "%s %s\n", number, answer); err != nil || !lines.Scan() {
			return node.Close()
		}
		var question string
		number, question, _ = strings.Cut(lines.Text(), " ")
		answer = node.Ask(question)
	}
}
