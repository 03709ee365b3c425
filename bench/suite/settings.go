package suite

import (
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// Settings say what is measured and how. Define makes them from flags.
type Settings struct {
	// Systems, Workloads and Shapes are names to choose by; empty: all, but for workloads that take long.
	Systems, Workloads []string
	Shapes             []load.Shape
	// Workers and Rates take the place of the points of workloads that differ in them.
	Workers []int
	Rates   []float64
	// Window and WarmUp are those of each point, Runs the number of rounds.
	Window, WarmUp time.Duration
	Runs           int
	// Repeats is how often an episode, such as a failover, is repeated in a round.
	Repeats int
	// Scale multiplies the sizes of stores and logs.
	Scale float64
	// Quick chooses a part of everything that takes less than five minutes, Full everything.
	Quick, Full bool
	// Budget ends the run when it has lasted so long; 0: never.
	Budget time.Duration
	// Audit counts flushes by tracing system calls, too, in runs of their own at the end.
	Audit bool
	// Dir is where data is kept meanwhile; empty: the system's directory for temporary files.
	Dir string
	// Out is the name of the reports, without .json and .html. From shows a report that was saved before instead of measuring.
	Out, From string
	// Procs is GOMAXPROCS of each measured process.
	Procs int
	Seed  uint64
	// Running: what is measured is a cluster that runs already (load.Running).
	Running bool
	// List shows what there is to choose from.
	List bool

	command []string
}

// words is a flag of several words.
type words struct{ at *[]string }

func (w words) String() string {
	if w.at == nil {
		return ""
	}
	return strings.Join(*w.at, ",")
}

func (w words) Set(s string) error {
	*w.at = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	return nil
}

// numbers is a flag of several numbers.
type numbers[T int | float64] struct{ at *[]T }

func (n numbers[T]) String() string {
	if n.at == nil {
		return ""
	}
	return strings.Trim(fmt.Sprint(*n.at), "[]")
}

func (n numbers[T]) Set(s string) error {
	*n.at = nil
	for _, word := range strings.Split(s, ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(word), 64)
		if err != nil || f <= 0 || f != float64(T(f)) {
			return fmt.Errorf("expected numbers above 0 with commas between them, got %q", word)
		}
		*n.at = append(*n.at, T(f))
	}
	return nil
}

// Define defines the flags and gives the settings that they will be parsed into. running leaves out those that don't go with a cluster that runs already, which is all
// there is to measure then.
func Define(flags *flag.FlagSet, running bool) *Settings {
	s := &Settings{Window: 5 * time.Second, WarmUp: 2 * time.Second, Runs: 3, Repeats: 3, Scale: 1, Procs: max(4, runtime.NumCPU()), Out: "bench-report", Running: running}
	flags.Var(words{&s.Workloads}, "workloads", "`names` of workloads, with commas between them; -list shows them")
	flags.Var(numbers[int]{&s.Workers}, "workers", "`numbers` of callers, in the place of each workload's own")
	flags.Var(numbers[float64]{&s.Rates}, "rates", "operations a second (`numbers`) of open loops, in the place of each workload's own")
	flags.DurationVar(&s.Window, "window", s.Window, "how long a point counts")
	flags.DurationVar(&s.WarmUp, "warm-up", s.WarmUp, "how long a point is under load before it counts")
	flags.IntVar(&s.Runs, "runs", s.Runs, "`number` of rounds; medians of them are shown")
	flags.Float64Var(&s.Scale, "scale", s.Scale, "`factor` for the sizes of stores and logs")
	flags.DurationVar(&s.Budget, "budget", 0, "end after so long, with what there is then")
	flags.StringVar(&s.Out, "out", s.Out, "`name` of the reports, to which .json and .html are added")
	flags.StringVar(&s.From, "from", "", "show the report in this JSON `file` again, and measure nothing")
	flags.Uint64Var(&s.Seed, "seed", 1, "where random choices begin")
	flags.BoolVar(&s.List, "list", false, "show the systems, workloads and shapes")
	flags.BoolVar(&s.Quick, "quick", false, "a part of everything, in less than five minutes")
	if running {
		return s
	}
	flags.Var(words{&s.Systems}, "systems", "`names` of systems")
	flags.Func("shapes", "`names` of shapes", func(text string) error {
		for _, name := range strings.Split(text, ",") {
			s.Shapes = append(s.Shapes, load.Shape(strings.TrimSpace(name)))
		}
		return nil
	})
	flags.BoolVar(&s.Full, "full", false, "also what takes long, such as a store of ten million keys")
	flags.BoolVar(&s.Audit, "audit", false, "count each system's flushes by tracing its system calls, too, in runs of their own at the end; needs strace")
	flags.IntVar(&s.Repeats, "repeats", s.Repeats, "`number` of times that an episode, such as a failover, is repeated in a round")
	flags.StringVar(&s.Dir, "dir", "", "`directory` on the device to be measured (default: the system's for temporary files)")
	flags.IntVar(&s.Procs, "procs", s.Procs, "GOMAXPROCS of the measured processes")
	return s
}

// finish applies what follows from other settings and reports every fault at once.
func (s *Settings) finish(flags map[string]bool, systems []load.System) error {
	if s.Quick {
		setUnless(flags["window"], &s.Window, time.Second)
		setUnless(flags["warm-up"], &s.WarmUp, 500*time.Millisecond)
		setUnless(flags["scale"], &s.Scale, 0.2)
		setUnless(flags["repeats"], &s.Repeats, 1)
		setUnless(flags["runs"], &s.Runs, 2)
		setUnless(flags["budget"], &s.Budget, 4*time.Minute+30*time.Second)
	}
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(s.Quick && s.Full, "-quick and -full exclude each other")
	fault(s.Window < 100*time.Millisecond, "-window is %v, expected at least 100ms", s.Window)
	fault(s.WarmUp < 0, "-warm-up is %v, expected at least 0", s.WarmUp)
	fault(s.Runs < 1, "-runs is %d, expected at least 1", s.Runs)
	fault(s.Repeats < 1, "-repeats is %d, expected at least 1", s.Repeats)
	fault(s.Scale <= 0 || s.Scale > 1, "-scale is %v, expected above 0 and at most 1", s.Scale)
	fault(s.Procs < 1, "-procs is %d, expected at least 1", s.Procs)
	fault(s.Budget < 0, "-budget is %v, expected at least 0", s.Budget)
	all := workloads()
	for _, name := range s.Workloads {
		fault(!slices.ContainsFunc(all, func(w workload) bool { return w.Name == name }), "there is no workload %q; -list shows them", name)
	}
	for _, name := range s.Systems {
		fault(!slices.ContainsFunc(systems, func(x load.System) bool { return x.Info().Name == name }), "there is no system %q; -list shows them", name)
	}
	for _, name := range s.Shapes {
		fault(!slices.Contains(load.Shapes, name), "there is no shape %q; -list shows them", name)
	}
	return errors.Join(faults...)
}

func setUnless[T any](given bool, at *T, v T) {
	if !given {
		*at = v
	}
}
