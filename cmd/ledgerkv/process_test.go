package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// asProgram makes the test binary be the program, so that what runs in processes of its own is what is tested, race detector included.
const asProgram = "LEDGERKV_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Unsetenv(endpointsVariable)
	os.Exit(m.Run())
}

// patience bounds every wait of the tests.
const patience = 40 * time.Second

// eventually polls what can be observed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			require.Fail(t, "it did not come about within "+patience.String(), what)
		}
	}
}

// nextBase counts up the base ports that tests in this process take.
var nextBase atomic.Int64

// basePorts is how many ports belong to a base port; the one behind them is held while the test runs, so that tests of other processes
// don't take the same.
const basePorts = 39

// freeBase gives a base port whose ports nobody uses, nor those that defaults derive from them. It is below what Linux gives to
// connections.
func freeBase(t *testing.T) int {
	t.Helper()
	for range 400 {
		base := 11_000 + os.Getpid()%50*200 + int(nextBase.Add(1)-1)*40%10_000
		claim, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+basePorts))
		if err != nil {
			continue
		}
		if portsFree(base, basePorts) && portsFree(base+10_000, 3) && portsFree(base+20_000, 3) {
			t.Cleanup(func() { claim.Close() })
			return base
		}
		claim.Close()
	}
	require.Fail(t, "no free ports")
	return 0
}

func portsFree(base, count int) bool {
	for p := base; p < base+count; p++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// proc is the program as a process.
type proc struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error

	mu  sync.Mutex
	out []string
	// errs is what it wrote to standard error.
	errs lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start starts the program; it is killed at the end of the test if it still runs.
func start(t *testing.T, args ...string) *proc {
	t.Helper()
	p := &proc{cmd: exec.Command(os.Args[0], args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = &p.errs
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.mu.Lock()
			p.out = append(p.out, lines.Text())
			p.mu.Unlock()
		}
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%v\nout:\n%s\nerr:\n%s", args, strings.Join(p.lines(), "\n"), p.errs.String())
		}
	})
	return p
}

// startInto starts the program with its output going to w.
func startInto(t *testing.T, w *os.File, args ...string) *proc {
	t.Helper()
	p := &proc{cmd: exec.Command(os.Args[0], args...), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = w, &p.errs
	require.NoError(t, p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

func (p *proc) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.out...)
}

// line waits for a line of output that begins with prefix, behind the first skip lines, and gives the rest of it.
func (p *proc) line(t *testing.T, prefix string) string {
	t.Helper()
	rest := ""
	eventually(t, "a line that begins with "+prefix, func() bool {
		for _, l := range p.lines() {
			if r, ok := strings.CutPrefix(l, prefix); ok {
				rest = r
				return true
			}
		}
		select {
		case <-p.done:
			require.Fail(t, "the program has ended", "waiting for %q; %v\n%s", prefix, p.lines(), p.errs.String())
		default:
		}
		return false
	})
	return rest
}

// end waits for the end and gives the exit status, -1 after a signal.
func (p *proc) end(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		require.Fail(t, "the program does not end")
	}
	var failed *exec.ExitError
	if p.err != nil {
		require.True(t, errors.As(p.err, &failed), "%v", p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *proc) signal(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// alive reports whether a process exists that is more than a zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err != nil && !errors.Is(err, os.ErrNotExist)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// result is what a command line came to, run in this process.
type result struct {
	status   int
	out, err string
}

// runIn carries out a command line with standard input.
func runIn(in string, args ...string) result {
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	status := program().Run(ctx, args, cli.Streams{In: strings.NewReader(in), Out: &out, Err: &errs})
	return result{status, out.String(), errs.String()}
}

func run(args ...string) result { return runIn("", args...) }

// session is a cluster to talk to.
type session struct {
	t         *testing.T
	endpoints string
}

func newSession(t *testing.T, base, nodes int) session {
	var all []string
	for i := 1; i <= nodes; i++ {
		all = append(all, fmt.Sprintf("127.0.0.1:%d", base+10*i+1))
	}
	return session{t, strings.Join(all, ",")}
}

// run carries out a command line against the cluster.
func (s session) run(args ...string) result { return s.runIn("", args...) }

func (s session) runIn(in string, args ...string) result {
	verb := 1
	if args[0] == "log" || args[0] == "member" || len(args) > 1 && args[1] == "raise" {
		verb = 2
	}
	return runIn(in, slices.Insert(slices.Clone(args), verb, "--endpoints", s.endpoints, "--timeout", patience.String())...)
}

// good carries out a command line that has to succeed, and gives its output.
func (s session) good(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	require.Zero(s.t, r.status, "%v: %s", args, r.err)
	return r.out
}
