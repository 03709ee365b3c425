package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/ours"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// TestMain lets the test's program be started again for cells and nodes.
func TestMain(m *testing.M) {
	if served, status := ServeChild(systems()); served {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// systems are LedgerKV, and one that can do nothing.
func systems() []load.System { return append(ours.Systems(), incapable{}) }

// incapable is a system that promises puts and has none.
type incapable struct{}

func (incapable) Info() load.Info {
	return load.Info{Name: "incapable", Shapes: load.Shapes, Kinds: []load.Kind{load.Put}}
}

func (incapable) Start(_ context.Context, setup load.Setup) (load.Cluster, error) {
	if setup.Shape == load.OneNode {
		return nil, fmt.Errorf("no port is free")
	}
	return incapable{}, nil
}

func (incapable) Do(context.Context, *load.Op) (load.Done, error) {
	return load.Done{}, load.ErrUnsupported
}

func (incapable) Close() error { return nil }

// small measures a cell in this process as a short test can, and gives what it found by point. On a machine with other things to do a leader may be lost meanwhile, so
// that a window of 300 ms sees nothing done; then it is measured again.
func small(t *testing.T, w *workload, shape load.Shape, points []report.Point) map[report.Point]load.Measure {
	t.Helper()
	for try := 1; ; try++ {
		found, problems := measureSmall(t, w, shape, points)
		if len(problems) == 0 {
			return found
		}
		require.Less(t, try, 4, "%v", problems)
		t.Log(problems)
	}
}

func measureSmall(t *testing.T, w *workload, shape load.Shape, points []report.Point) (found map[report.Point]load.Measure, problems []string) {
	t.Helper()
	found = map[report.Point]load.Measure{}
	c := cell{System: "ledgerkv", Workload: w.Name, Shape: shape, Points: points, Window: 300 * time.Millisecond, WarmUp: 50 * time.Millisecond, Scale: 0.005, Repeats: 1,
		Seed: 1, Dir: t.TempDir()}
	c.tell = func(m message) error {
		require.False(t, m.Unsupported)
		if m.Problem != "" {
			problems = append(problems, m.Problem)
		}
		if m.Measure != nil {
			found[m.Point] = *m.Measure
			if m.Measure.Failed > m.Measure.Ended {
				problems = append(problems, m.Measure.FirstError)
			}
		}
		return nil
	}
	require.NoError(t, c.run(t.Context(), systems()))
	return found, problems
}

// TestEveryWorkload measures each workload for a moment, at its smallest points, in its first shape.
func TestEveryWorkload(t *testing.T) {
	for _, w := range workloads() {
		t.Run(w.Name, func(t *testing.T) {
			t.Parallel()
			points := w.points[:1]
			switch w.Axis {
			case report.ByGroups:
				points = w.points[:2]
				if points[1].Groups > 16 {
					points[1].Groups = 16
				}
			case report.ByRate:
				points = rates(200)
			case report.ByLabel:
				points = w.points
			case report.ByWorkers:
				points = workers(2)
			case report.BySize:
				points = sizes(200)
			}
			found := small(t, &w, w.shapes[0], points)
			require.Len(t, found, len(points))
			for p, m := range found {
				checkMeasure(t, &w, p, m)
			}
		})
	}
}

// checkMeasure checks what must be so on any machine.
func checkMeasure(t *testing.T, w *workload, p report.Point, m load.Measure) {
	t.Helper()
	switch w.Shows {
	case report.Duration:
		require.Positive(t, m.Values[string(report.Duration)])
		require.GreaterOrEqual(t, m.Values["max_ms"], m.Values[string(report.Duration)])
		return
	case report.CPUShare:
		require.NotNil(t, m.Usage.CPU)
		return
	}
	require.Positive(t, m.Ended, "%v", p)
	require.Positive(t, m.Items, "%v: operations that find nothing measure nothing", p)
	kinds := map[load.Kind]bool{}
	for kind, l := range m.Latency {
		kinds[kind] = true
		require.Positive(t, l.Count)
		require.Positive(t, l.P50)
	}
	if len(w.mix) == 1 {
		require.Equal(t, map[load.Kind]bool{w.mix[0].kind: true}, kinds)
	}
	writes := slices.ContainsFunc(w.mix, func(s share) bool {
		return slices.Contains([]load.Kind{load.Put, load.Txn, load.Append, load.Tail}, s.kind) && s.weight == 100
	})
	if writes && w.Axis == report.ByWorkers {
		require.NotNil(t, m.Usage.Flushes)
		require.GreaterOrEqual(t, *m.Usage.Flushes, uint64(2), "a write is flushed by a quorum")
	}
}

// TestEveryShape puts and reads in each shape.
func TestEveryShape(t *testing.T) {
	all := workloads()
	for _, name := range []string{"mix-90-10", "append"} {
		w := all[slices.IndexFunc(all, func(w workload) bool { return w.Name == name })]
		for _, shape := range ownShapes {
			t.Run(fmt.Sprintf("%s/%s", name, shape), func(t *testing.T) {
				t.Parallel()
				for _, m := range small(t, &w, shape, workers(4)) {
					require.Positive(t, m.Ended)
				}
			})
		}
	}
	for _, name := range []string{"range-100", "txn-10", "log-sequential", "log-random", "log-tail"} {
		w := all[slices.IndexFunc(all, func(w workload) bool { return w.Name == name })]
		t.Run(name+"/remote", func(t *testing.T) {
			t.Parallel()
			for _, m := range small(t, &w, load.OneNodeRemote, workers(4)) {
				require.Positive(t, m.Items)
			}
		})
	}
}

// run is the whole program, with its arguments.
func run(t *testing.T, ctx context.Context, args ...string) (*report.Report, string, error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "report")
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	settings := Define(flags, false)
	require.NoError(t, flags.Parse(append([]string{"-dir", t.TempDir(), "-out", out}, args...)))
	var text bytes.Buffer
	err := Run(ctx, settings, flags, systems(), &text)
	r, readErr := report.Read(out + ".json")
	if readErr != nil {
		return nil, text.String(), err
	}
	page, readErr := os.ReadFile(out + ".html")
	require.NoError(t, readErr)
	require.Contains(t, string(page), "</html>")
	return r, text.String(), err
}

// brief is long enough for an election, which a busy machine may bring about, and work after it.
var brief = []string{"-window", "1500ms", "-warm-up", "20ms", "-scale", "0.01"}

func TestRunInterleavesSystemsAndRounds(t *testing.T) {
	r, text, err := run(t, t.Context(), append(brief, "-workloads", "put", "-workers", "1,8", "-shapes", "three-nodes,one-node", "-runs", "2")...)
	require.NoError(t, err, text)
	require.Len(t, r.Limits, 2)
	for _, system := range []string{"ledgerkv", "ledgerkv-pebble"} {
		for _, shape := range []load.Shape{load.ThreeNodes, load.OneNode} {
			for _, p := range workers(1, 8) {
				x := r.Find(system, "put", shape, p)
				require.NotNil(t, x, "%s %s %v", system, shape, p)
				require.Len(t, x.Runs, 2)
				require.Equal(t, []int{0, 1}, []int{x.Runs[0].Round, x.Runs[1].Round})
				require.NotZero(t, x.Runs[0].Began)
				require.Positive(t, x.Spread(report.Rate).Median)
			}
		}
	}
	require.NotNil(t, r.Find("ledgerkv", "put", load.ThreeNodes, report.Point{Workers: 1}).Bound)
	require.Contains(t, text, "ledgerkv-pebble")
	require.Contains(t, text, "not to be had of this system", "the other system has no puts")
	require.Len(t, r.Problems, 2, "and it can't start a single node, in either round")
	require.Contains(t, r.Problems[0].Error, "no port is free")
}

func TestSystemsTakeTurns(t *testing.T) {
	s := Settings{Workloads: []string{"put"}, Window: time.Second, Scale: 1}
	for round := range 3 {
		var order []string
		for _, c := range s.plan(systems(), round) {
			if c.Shape == load.ThreeNodes {
				order = append(order, c.System)
			}
		}
		names := []string{"ledgerkv", "ledgerkv-pebble", "incapable"}
		require.Equal(t, append(names[round:], names[:round]...), order)
	}
}

func TestInterruptedRunsReport(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, text, err := run(t, ctx, "-workloads", "put")
	require.ErrorContains(t, err, "nothing was measured")
	require.Equal(t, "interrupted", r.Cut)
	require.Contains(t, text, "Ended early: interrupted")
}

func TestBudgetEndsARun(t *testing.T) {
	began := time.Now()
	r, _, err := run(t, t.Context(), "-systems", "ledgerkv", "-workloads", "put", "-window", "1h", "-budget", "2s")
	require.Error(t, err)
	require.Contains(t, r.Cut, "budget")
	require.Less(t, time.Since(began), time.Minute)
}

func TestSettingsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"-workloads", "nothing"}, {"-systems", "nothing"}, {"-shapes", "nothing"}, {"-runs", "0"}, {"-window", "1ms"}, {"-scale", "2"}, {"-quick", "-full"}, {"-procs", "0"},
		{"-repeats", "0"}, {"-warm-up", "-1s"}, {"-budget", "-1s"}} {
		_, _, err := run(t, t.Context(), args...)
		var misuse *MisuseError
		require.ErrorAs(t, err, &misuse, "%v", args)
	}
	_, _, err := run(t, t.Context(), "-workloads", "a,b", "-runs", "0")
	require.ErrorContains(t, err, `"a"`)
	require.ErrorContains(t, err, `"b"`)
	require.ErrorContains(t, err, "-runs is 0")
}

func TestListAndShowAgain(t *testing.T) {
	_, text, err := run(t, t.Context(), "-list")
	require.NoError(t, err)
	for _, w := range workloads() {
		require.Contains(t, text, w.Name)
	}
	saved := filepath.Join(t.TempDir(), "old.json")
	require.NoError(t, (&report.Report{Format: report.Format, Cut: "a test", Systems: []load.Info{{Name: "x"}}}).Save(saved))
	_, text, err = run(t, t.Context(), "-from", saved)
	require.NoError(t, err)
	require.Contains(t, text, "a test")
}

func TestCellsTravelAsJSON(t *testing.T) {
	s := Settings{Full: true, Window: time.Second, WarmUp: time.Second, Scale: 1, Repeats: 2, Seed: 9}
	for _, c := range s.plan(systems(), 1) {
		text, err := json.Marshal(c)
		require.NoError(t, err)
		var back cell
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, *c, back)
	}
}

func TestScaleMakesSizesSmaller(t *testing.T) {
	s := Settings{Workloads: []string{"restart"}, Scale: 0.05, Window: time.Second}
	for _, c := range s.plan(ours.Systems(), 0) {
		require.Equal(t, sizes(500, 5000, 50_000), c.Points, "what is shown is what is done")
	}
	require.EqualValues(t, 100, scaled(1000, 0.0001))
	require.EqualValues(t, 10, scaled(10, 0.0001))
	require.EqualValues(t, 0, scaled(0, 0.5))
}

func TestQuickIsShort(t *testing.T) {
	s := &Settings{Quick: true, Runs: 3, Window: 5 * time.Second, Repeats: 3, Scale: 1, Procs: 1}
	require.NoError(t, s.finish(map[string]bool{}, systems()))
	var sum time.Duration
	for round := range s.Runs {
		sum += estimate(s.plan(s.measured(ours.Systems()), round))
	}
	require.Less(t, sum, 5*time.Minute)
	require.LessOrEqual(t, s.Budget, 5*time.Minute)
	require.Equal(t, time.Second, s.Window)
	given := &Settings{Quick: true, Runs: 3, Window: 3 * time.Second, Repeats: 3, Scale: 1, Procs: 1}
	require.NoError(t, given.finish(map[string]bool{"window": true}, systems()))
	require.Equal(t, 3*time.Second, given.Window, "what was said counts")
}

func TestTracesAreCounted(t *testing.T) {
	const trace = `12 1700000000.000100 openat(AT_FDCWD, "/x/wal", O_RDWR|O_CREAT|O_DSYNC|O_CLOEXEC, 0644) = 5
12 1700000000.000200 openat(AT_FDCWD, "/x/file", O_RDWR|O_CLOEXEC) = 6
12 1700000000.999999 fdatasync(7) = 0
13 1700000001.000000 fdatasync(7 <unfinished ...>
12 1700000001.000010 fsync(8) = 0
13 1700000001.000300 <... fdatasync resumed>) = 0
14 1700000001.500000 fdatasync(9) = -1 EIO (Input/output error)
14 1700000002.000000 fdatasync(9) = 0
14 1700000002.100000 +++ exited with 0 +++
`
	calls, syncing, err := parseTrace(strings.NewReader(trace), time.Unix(1700000001, 0), time.Unix(1700000002, 0))
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{"fdatasync": 2, "fsync": 1}, calls)
	require.EqualValues(t, 1, syncing)
}
