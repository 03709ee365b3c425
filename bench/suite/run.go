package suite

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/limits"
	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// errBudget ends a run whose time is up.
var errBudget = errors.New("the budget of time was used up")

// session is a run on its way.
type session struct {
	*Settings
	systems  []load.System
	terminal *report.Terminal
	report   *report.Report
	dir      string
	left     time.Duration // what the cells that are still to come take, about
	done     int           // cells
	all      int
	// refused are cells that a system turned out not to have, by title; they are not tried again.
	refused map[string]bool
}

// measure measures everything and gives the report. ctx's end, or that of the budget, is told in the report and is no error.
func measure(ctx context.Context, s *Settings, systems []load.System, t *report.Terminal) (r *report.Report, err error) {
	if s.Budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Budget, errBudget)
		defer cancel()
	}
	systems = s.measured(systems)
	dir, err := os.MkdirTemp(s.Dir, "ledgerkv-bench-")
	if err != nil {
		return nil, fmt.Errorf("suite: a directory for data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	x := &session{Settings: s, systems: systems, terminal: t, dir: dir, refused: map[string]bool{}}
	x.report = x.begin()
	x.rounds(ctx)
	if s.Audit {
		x.audit(ctx)
	}
	if ctx.Err() != nil {
		x.report.Cut = context.Cause(ctx).Error()
		if errors.Is(context.Cause(ctx), context.Canceled) {
			x.report.Cut = "interrupted"
		}
	}
	x.report.Ended = time.Now()
	setBounds(x.report)
	t.End()
	return x.report, nil
}

// begin makes the report without results.
func (x *session) begin() *report.Report {
	r := &report.Report{Format: report.Format, Began: time.Now(), Command: x.command, Runs: x.Runs, Scale: x.Scale, Machine: machine(x.dir, x.Procs)}
	for _, s := range x.systems {
		r.Systems = append(r.Systems, s.Info())
	}
	for _, w := range x.chosen() {
		r.Workloads = append(r.Workloads, w.Workload)
	}
	return r
}

// rounds measures round after round.
func (x *session) rounds(ctx context.Context) {
	each := min(x.Window/4, time.Second)
	var plans [][]*cell
	for round := range x.Runs {
		cells := x.plan(x.systems, round)
		plans = append(plans, cells)
		x.left += estimate(cells)
		x.all += len(cells)
	}
	x.terminal.Say("%d cells in %d rounds on %s; about %v\n", x.all, x.Runs, x.report.Machine.FileSystem, x.left.Round(time.Second))
	for _, w := range x.report.Machine.Warnings {
		x.terminal.Say("note: %s\n", w)
	}
	for round, cells := range plans {
		if ctx.Err() != nil {
			return
		}
		if !x.Running {
			x.terminal.Begin(report.Progress{Title: "the machine's limits", Round: round + 1, Rounds: x.Runs, Done: x.done, All: x.all, Left: x.left})
			found, err := limits.Measure(ctx, x.dir, each)
			if err != nil && ctx.Err() == nil {
				x.problem(&cell{Workload: "limits", Round: round}, err.Error())
			}
			x.report.Limits = append(x.report.Limits, found)
		}
		for _, c := range cells {
			if ctx.Err() != nil {
				return
			}
			x.cell(ctx, c)
		}
	}
}

func (x *session) problem(c *cell, text string) {
	x.report.Problems = append(x.report.Problems, report.Problem{System: c.System, Workload: c.Workload, Shape: c.Shape, Run: c.Round + 1, Error: text})
	x.terminal.Say("problem: %s: %s\n", c.title(), text)
}

// cell measures a cell in a process of its own and takes in what that says.
func (x *session) cell(ctx context.Context, c *cell) {
	x.terminal.Begin(report.Progress{Title: c.title(), Round: c.Round + 1, Rounds: x.Runs, Done: x.done, All: x.all, Left: x.left})
	x.done++
	x.left -= estimate([]*cell{c})
	if x.refused[c.title()] {
		return
	}
	var err error
	if c.Dir, err = os.MkdirTemp(x.dir, "cell-"); err == nil {
		err = errors.Join(x.child(ctx, c, nil, func(m message) { x.take(c, m) }), os.RemoveAll(c.Dir))
	}
	if err != nil && ctx.Err() == nil {
		x.problem(c, err.Error())
	}
}

// child starts the process that measures a cell, as prepare has changed it, gives take what it says until it ends, and ends it when ctx does.
func (x *session) child(ctx context.Context, c *cell, prepare func(*exec.Cmd), take func(message)) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	cmd, err := load.Again(cellVariable, string(text))
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, fmt.Sprintf("GOMAXPROCS=%d", x.Procs))
	if prepare != nil {
		prepare(cmd)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 64<<20) // a measure has its histograms in it
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			x.terminal.Say("%s\n", lines.Text()) // the system has printed something
			continue
		}
		take(m)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("the process that measured it: %w: %s", err, lastLines(stderr.String()))
	}
	return lines.Err()
}

// lastLines is the end of what a process has printed.
func lastLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

// take takes in something that a cell's process says.
func (x *session) take(c *cell, m message) {
	switch {
	case m.Measure != nil:
		x.report.Add(c.System, c.Workload, c.Shape, m.Point, *m.Measure)
		x.terminal.Found(x.report.Find(c.System, c.Workload, c.Shape, m.Point))
	case m.Unsupported:
		x.refused[c.title()] = true
		x.terminal.Say("%s: not to be had of this system\n", c.title())
	case m.Problem != "":
		x.problem(c, m.Point.String()+": "+m.Problem)
	case m.Doing != "":
		x.terminal.Doing(m.Doing)
	default:
		x.terminal.Ended(m.Point, m.Ended)
	}
}
