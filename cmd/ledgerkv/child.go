package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/config"
)

// logName is where a node that dev has started writes its log, in its directory.
const logName = "server.log"

// child is a node as a process of ours, or, once that has ended, of somebody else.
type child struct {
	dir    string
	config config.Config

	cmd    *exec.Cmd
	log    *os.File
	tether io.WriteCloser
	// line gets the line that the node prints when it has opened.
	line chan string
	// done is closed when the process has ended; err says how.
	done chan struct{}
	err  error
	// running and elsewhere belong to the goroutine that watches: whether our process runs, and the pid of one that is not ours.
	running   bool
	elsewhere int
}

// exit is the end of a child.
type exit struct {
	node *child
	err  error
}

// reason says how the process ended.
func (e exit) reason() string {
	if e.err == nil {
		return "exit status 0"
	}
	return e.err.Error()
}

func newChild(dir string, c config.Config) *child { return &child{dir: dir, config: c} }

// startOnKeptThread starts a process on a thread that lives as long as the program: on Linux a child dies with the thread that made it.
func startOnKeptThread(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	keptThread() <- func() { started <- cmd.Start() }
	return <-started
}

// keptThread gives the way to a goroutine that has a thread to itself and never ends.
var keptThread = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// start starts the node's process, whose end is sent to exits.
func (n *child) start(exits chan<- exit) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	if n.log, err = os.OpenFile(filepath.Join(n.dir, logName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return err
	}
	n.cmd = exec.Command(program, "server", "--dir", n.dir, "--until-stdin-closes")
	n.cmd.Stderr = n.log
	n.cmd.SysProcAttr = childAttributes()
	out, err := n.cmd.StdoutPipe()
	if err == nil {
		n.tether, err = n.cmd.StdinPipe()
	}
	if err == nil {
		err = startOnKeptThread(n.cmd)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("starting %s: %w", n.config.ID, err), n.log.Close())
	}
	n.running, n.line, n.done = true, make(chan string, 1), make(chan struct{})
	go func() {
		r := bufio.NewReader(out)
		line, _ := r.ReadString('\n') // without a line the process has ended, which is reported
		n.line <- strings.TrimSuffix(line, "\n")
		_, _ = io.Copy(io.Discard, r)
		n.err = n.cmd.Wait()
		n.log.Close()
		close(n.done)
		exits <- exit{n, n.err}
	}()
	return nil
}

// openWait is how long a node may take to open its directory: it may have much to recover.
const openWait = time.Minute

// opened blocks until the node has opened and gives the line that it printed.
func (n *child) opened(ctx context.Context) (string, error) {
	timer := time.NewTimer(openWait)
	defer timer.Stop()
	select {
	case line := <-n.line:
		if line != "" {
			return line, nil
		}
		<-n.done
		return "", n.failure(n.err)
	case <-timer.C:
		return "", fmt.Errorf("%s has not opened within %v; its log is %s", n.config.ID, openWait, n.log.Name())
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// failure is why a node ended too early, with what it logged last.
func (n *child) failure(err error) error {
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("%s has ended: %w\n%s", n.config.ID, err, lastLines(filepath.Join(n.dir, logName), 5))
}

// lastLines gives the last lines of a file, indented.
func lastLines(name string, count int) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return "  " + err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(bytes.ToValidUTF8(data, []byte("?"))), "\n"), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-count):], "\n  ")
}

// release tells the process to end, cleanly.
func (n *child) release() {
	if n.running {
		_ = n.tether.Close() // it may have ended already
	}
}

// kill ends the process at once and waits for it.
func (n *child) kill() {
	_ = n.cmd.Process.Kill() // it may have ended already
	<-n.done
}

// restartLine is the command that starts the node again.
func (n *child) restartLine() string {
	return fmt.Sprintf("%s server --dir %s", programName(), shellQuoted(n.dir))
}

// programName is this program as a user would write it in a shell.
func programName() string {
	name := os.Args[0]
	switch {
	case strings.Contains(name, string(filepath.Separator)+"go-build"):
		return "go run ./cmd/ledgerkv"
	case strings.ContainsRune(name, filepath.Separator):
		return shellQuoted(name)
	}
	return "ledgerkv"
}

func shellQuoted(s string) string {
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,", r) {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}
