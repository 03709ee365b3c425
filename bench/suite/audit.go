package suite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// flushCalls are the system calls that flush.
var flushCalls = []string{"fsync", "fdatasync", "sync_file_range", "syncfs", "msync"}

// audit counts the flushes of each system from outside, by tracing its system calls with strace, in runs of their own: tracing makes them slow, so that their rates
// mean nothing.
func (x *session) audit(ctx context.Context) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		x.terminal.Say("flushes are not audited: there is no strace here\n")
		return
	}
	asked := &Settings{Workloads: []string{"put"}, Workers: []int{1, 64}, Shapes: []load.Shape{load.ThreeNodes, load.OneNode}, Window: time.Second, WarmUp: 500 * time.Millisecond, Scale: 0.1, Seed: x.Seed}
	for _, c := range asked.plan(x.systems, 0) {
		if ctx.Err() != nil {
			return
		}
		if err := x.auditCell(ctx, strace, c); err != nil && ctx.Err() == nil {
			c.Workload = "audit of flushes"
			x.problem(c, err.Error())
		}
	}
}

// auditCell measures a cell under strace.
func (x *session) auditCell(ctx context.Context, strace string, c *cell) (err error) {
	if c.Dir, err = os.MkdirTemp(x.dir, "audit-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.Dir)) }()
	trace := filepath.Join(c.Dir, "trace")
	x.terminal.Begin(report.Progress{Title: "audit of flushes, " + c.title(), Round: x.Runs, Rounds: x.Runs, Done: x.done - 1, All: x.all})
	var found []report.Audit
	err = x.child(ctx, c, func(cmd *exec.Cmd) {
		cmd.Args = append([]string{strace, "-f", "--seccomp-bpf", "-qq", "-ttt", "-o", trace, "-e", "trace=openat," + strings.Join(flushCalls, ","), cmd.Path}, cmd.Args[1:]...)
		cmd.Path = strace
	}, func(m message) {
		switch {
		case m.Measure != nil:
			found = append(found, report.Audit{System: c.System, Shape: c.Shape, Point: m.Point, Measure: *m.Measure})
		case m.Problem != "":
			x.problem(c, "audit of flushes: "+m.Problem)
		}
	})
	if err != nil {
		return err
	}
	for i := range found {
		if err := countCalls(trace, &found[i]); err != nil {
			return err
		}
	}
	x.report.Audits = append(x.report.Audits, found...)
	return nil
}

// countCalls counts the flushes that began in an audit's window.
func countCalls(trace string, a *report.Audit) error {
	f, err := os.Open(trace)
	if err != nil {
		return fmt.Errorf("suite: what strace has written: %w", err)
	}
	defer f.Close()
	a.Calls, a.SyncingOpens, err = parseTrace(f, a.Measure.Began, a.Measure.Began.Add(a.Measure.Window))
	return err
}

// parseTrace counts the calls that began in [from, to), by name, in what strace -f -ttt has written, and the files that were opened at any time so that each write is
// a flush.
func parseTrace(r io.Reader, from, to time.Time) (calls map[string]uint64, syncing uint64, err error) {
	calls = map[string]uint64{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// "123 1700000000.123456 fdatasync(7) = 0", or "… fdatasync(7 <unfinished ...>" and later "… <... fdatasync resumed>) = 0".
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		seconds, err := strconv.ParseFloat(fields[1], 64)
		name, args, ok := strings.Cut(fields[2], "(")
		if err != nil || !ok {
			continue
		}
		at := time.UnixMicro(int64(seconds * 1e6))
		switch {
		case name == "openat" && (strings.Contains(lines.Text(), "O_DSYNC") || strings.Contains(lines.Text(), "O_SYNC")) && args != "":
			syncing++
		case slices.Contains(flushCalls, name) && !at.Before(from) && at.Before(to):
			calls[name]++
		}
	}
	return calls, syncing, lines.Err()
}
