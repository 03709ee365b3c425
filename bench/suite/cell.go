package suite

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// cellVariable holds the cell that a process is to measure, as JSON.
const cellVariable = "LEDGERKV_BENCH_CELL"

// startTimeout bounds the start of a cluster, and stepTimeout each step of an episode.
const (
	startTimeout = time.Minute
	stepTimeout  = 5 * time.Minute
)

// cell is a workload on a system in a shape, to be measured at some points in a process of its own.
type cell struct {
	System   string         `json:"system"`
	Workload string         `json:"workload"`
	Shape    load.Shape     `json:"shape"`
	Points   []report.Point `json:"points"`

	Round  int           `json:"round"`
	Window time.Duration `json:"window_ns"`
	WarmUp time.Duration `json:"warm_up_ns"`
	// Scale multiplies the sizes of stores and logs that are made beforehand.
	Scale float64 `json:"scale"`
	// Repeats is how often an episode is repeated on one cluster.
	Repeats int    `json:"repeats"`
	Seed    uint64 `json:"seed"`
	// Dir is where the cell may keep data; it exists and is its own.
	Dir string `json:"dir"`

	work   *workload
	system load.System
	tell   func(message) error
	starts int // clusters started so far
}

// message is what a cell's process says, a line each.
type message struct {
	Point report.Point `json:"point"`
	// Doing says what it is about, and Ended how many operations have ended, while it measures.
	Doing string `json:"doing,omitempty"`
	Ended uint64 `json:"ended,omitempty"`
	// Measure is there when the point has been measured; Unsupported and Problem when it can't be.
	Measure     *load.Measure `json:"measure,omitempty"`
	Unsupported bool          `json:"unsupported,omitempty"`
	Problem     string        `json:"problem,omitempty"`
}

// serveCell measures the cell that this process was started for, and says what it finds on out. It reports whether there was one.
func serveCell(ctx context.Context, systems []load.System, out io.Writer) (served bool, err error) {
	text := os.Getenv(cellVariable)
	if text == "" {
		return false, nil
	}
	c := &cell{}
	if err := json.Unmarshal([]byte(text), c); err != nil {
		return true, fmt.Errorf("suite: expected a cell as JSON: %w", err)
	}
	lines := bufio.NewWriter(out)
	c.tell = func(m message) error {
		data, err := json.Marshal(m)
		if err != nil {
			return err
		}
		_, _ = lines.Write(append(data, '\n')) // Flush has the error
		return lines.Flush()
	}
	return true, c.run(ctx, systems)
}

// run measures all points. What can't be measured is told and is no error.
func (c *cell) run(ctx context.Context, systems []load.System) error {
	all := workloads()
	i := slices.IndexFunc(all, func(w workload) bool { return w.Name == c.Workload })
	j := slices.IndexFunc(systems, func(s load.System) bool { return s.Info().Name == c.System })
	if i < 0 || j < 0 {
		return fmt.Errorf("suite: no workload %q or no system %q in this program", c.Workload, c.System)
	}
	c.work, c.system = &all[i], systems[j]
	for todo := c.Points; len(todo) > 0; {
		n := 1
		for !c.work.fresh && n < len(todo) && todo[n].Groups == todo[0].Groups {
			n++
		}
		if err := c.points(ctx, todo[:n]); err != nil {
			if tellErr := c.tellError(todo[0], err); tellErr != nil || ctx.Err() != nil {
				return errors.Join(tellErr, ctx.Err())
			}
			if errors.Is(err, load.ErrUnsupported) {
				return nil
			}
		}
		todo = todo[n:]
	}
	return nil
}

func (c *cell) tellError(p report.Point, err error) error {
	if errors.Is(err, load.ErrUnsupported) {
		return c.tell(message{Point: p, Unsupported: true})
	}
	return c.tell(message{Point: p, Problem: err.Error()})
}

// points measures points on one cluster, or lets the workload measure them in its own way.
func (c *cell) points(ctx context.Context, points []report.Point) error {
	if c.work.measure != nil {
		for _, p := range points {
			m, err := c.work.measure(ctx, c, p)
			if err != nil {
				return err
			}
			if err := c.found(p, m); err != nil {
				return err
			}
		}
		return nil
	}
	cluster, err := c.start(ctx, points[0].Groups)
	if err != nil {
		return err
	}
	return errors.Join(c.loops(ctx, cluster, points), c.stop(cluster))
}

func (c *cell) found(p report.Point, m load.Measure) error {
	m.Round = c.Round
	return c.tell(message{Point: p, Measure: &m})
}

// start starts a cluster in a directory of its own.
func (c *cell) start(ctx context.Context, groups int) (load.Cluster, error) {
	c.starts++
	dir := filepath.Join(c.Dir, fmt.Sprint(c.starts))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("suite: %w", err)
	}
	setup := c.work.setup
	setup.Shape, setup.Dir, setup.Groups = c.Shape, dir, max(groups, 1)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cluster, err := c.system.Start(ctx, setup)
	if err != nil {
		return nil, fmt.Errorf("starting: %w", err)
	}
	return cluster, nil
}

// stop closes a cluster and removes its data.
func (c *cell) stop(cluster load.Cluster) error {
	err := cluster.Close()
	return errors.Join(err, os.RemoveAll(filepath.Join(c.Dir, fmt.Sprint(c.starts))))
}

// loops measures points of load on a cluster.
func (c *cell) loops(ctx context.Context, cluster load.Cluster, points []report.Point) error {
	t := c.traffic(max(points[0].Groups, 1))
	if c.work.preload {
		if err := c.preload(ctx, cluster, t, points[0]); err != nil {
			return fmt.Errorf("filling: %w", err)
		}
	}
	device := c.Dir
	if c.Shape == load.Running {
		device = "" // its data is somewhere else
	}
	for _, p := range points {
		m, err := load.Run(ctx, cluster, load.Phase{Workers: p.Workers, Rate: p.Rate, WarmUp: c.WarmUp, Window: c.Window, Source: t.source, Device: device,
			Progress: func(ended uint64) { _ = c.tell(message{Point: p, Ended: ended}) }}) // when nobody listens the process is about to end
		if err != nil {
			return err
		}
		if m.Ended == 0 {
			return fmt.Errorf("no operation was done in %v; %d failed, the first of them so: %q", c.Window, m.Failed, m.FirstError)
		}
		if err := c.found(p, m); err != nil {
			return err
		}
	}
	return nil
}

// traffic makes what the workload's callers share.
func (c *cell) traffic(groups int) *traffic {
	t := &traffic{mix: c.work.mix, keys: scaled(c.work.keys, c.Scale), groups: groups, popular: c.work.popular, inserts: c.work.inserts, scanLimit: c.work.scanLimit,
		valueBytes: c.work.valueBytes, seed: c.Seed}
	if t.popular != evenly {
		t.zipf = load.NewZipf(t.keys)
	}
	return t
}

// scaled is a number of keys or entries, made smaller for a short run, but not without need below a hundred.
func scaled(n uint64, scale float64) uint64 {
	const least = 100
	return min(n, max(least, uint64(float64(n)*scale)))
}
