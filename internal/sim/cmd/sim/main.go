// Command sim runs whole clusters from seeds, with everything that goes wrong with them, and says whether a law was broken:
//
//	go run ./internal/sim/cmd/sim -seed 7            one seed, with a readable trace
//	go run ./internal/sim/cmd/sim -seeds 1..1000     many
//	go run ./internal/sim/cmd/sim -for 10m -jobs 2   as many as there is time for, from a random one on
//
// It ends with status 1 when a seed breaks a law, after printing the smallest plan found that still does, and the command that replays it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are the command line.
type options struct {
	seed      uint64
	seeds     string
	plan      string
	stories   string
	time      time.Duration
	jobs      int
	picture   string
	verbose   bool
	logs      bool
	tries     int
	reach     bool
	stopAfter int
	rate      float64
	profile   string
}

func run(args []string, out, errs io.Writer) int {
	var o options
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Uint64Var(&o.seed, "seed", 0, "replay one seed, with a readable trace")
	flags.StringVar(&o.seeds, "seeds", "", "run the seeds N..M")
	flags.StringVar(&o.plan, "plan", "", "replay a plan as a failure printed it")
	flags.StringVar(&o.stories, "stories", "", "run the plans of this file, as internal/sim/testdata/stories.txt has them")
	flags.DurationVar(&o.time, "for", 0, "run seeds, from a random one on, for so long")
	flags.IntVar(&o.jobs, "jobs", 1, "how many seeds run at a time")
	flags.StringVar(&o.picture, "picture", "", "with -seed or -plan: write a timeline to this .html or .svg file")
	flags.BoolVar(&o.verbose, "v", false, "with -seed or -plan: show what the clients do, too")
	flags.BoolVar(&o.logs, "logs", false, "with -seed or -plan: show what the nodes log")
	flags.IntVar(&o.tries, "shrink", 200, "how many runs to spend on making a failing plan smaller")
	flags.BoolVar(&o.reach, "reached", false, "print how often each situation came about")
	flags.IntVar(&o.stopAfter, "failures", 1, "stop after so many failing seeds")
	flags.Float64Var(&o.rate, "rate", 0, "with -seed, -seeds or -for: about how many operations the clients begin in a second of virtual time; 0: what the seed says")
	flags.StringVar(&o.profile, "profile", "", "with -seeds or -for: write a CPU profile to this file")
	if flags.Parse(args) != nil {
		return 2
	}
	debug.SetGCPercent(1600) // a run is short and makes much garbage
	var err error
	switch {
	case o.plan != "":
		var p sim.Plan
		if p, err = sim.DecodePlan(o.plan); err == nil {
			return replay(p, &o, out, errs)
		}
	case o.stories != "":
		var all []sim.Story
		if all, err = readStories(o.stories); err == nil {
			return tell(all, out)
		}
	case o.seed != 0:
		return replay(o.planOf(o.seed), &o, out, errs)
	case o.seeds != "" || o.time > 0:
		var r seedRange
		if r, err = rangeOf(&o); err == nil {
			var stop func() error
			if stop, err = profile(o.profile); err == nil {
				status := hunt(r, &o, out)
				if err = stop(); err == nil {
					return status
				}
			}
		}
	default:
		err = fmt.Errorf("sim: expected -seed, -seeds, -plan, -stories or -for; see -help")
	}
	fmt.Fprintln(errs, err)
	return 2
}

// profile begins a CPU profile if there is a file for it; stop ends it.
func profile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// replay runs one plan and shows what happened.
func replay(p sim.Plan, o *options, out, errs io.Writer) int {
	keep := sim.RunOptions{Trace: true}
	if o.logs {
		keep.Logger = slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	result := sim.Run(p, keep)
	if err := result.Trace.WriteText(out, o.verbose); err != nil {
		fmt.Fprintln(errs, err)
		return 2
	}
	if o.picture != "" {
		if err := writePicture(result.Trace, o.picture); err != nil {
			fmt.Fprintln(errs, err)
			return 2
		}
		fmt.Fprintf(out, "the timeline is in %s\n", o.picture)
	}
	if o.reach {
		fmt.Fprint(out, result.Reached.String())
	}
	fmt.Fprintf(out, "%d events in %v of virtual time, %d operations, trace %016x\n", result.Events, result.Virtual.Round(time.Millisecond), result.Operations, result.Hash)
	if result.Violation == nil {
		fmt.Fprintln(out, "no law was broken")
		return 0
	}
	fmt.Fprintf(out, "BROKEN: %v\n", result.Violation)
	return 1
}

func readStories(name string) ([]sim.Story, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return sim.ReadStories(string(text))
}

// tell runs plans that found something once, up to the first that does so again.
func tell(all []sim.Story, out io.Writer) int {
	for _, s := range all {
		if result := sim.Run(s.Plan, sim.RunOptions{}); result.Violation != nil {
			fmt.Fprintf(out, "%s\nseed %d: BROKEN: %v\nreplay it by\n  go run ./internal/sim/cmd/sim -plan %s\n", s.Says, s.Plan.Seed, result.Violation, s.Plan.Encode())
			return 1
		}
	}
	fmt.Fprintf(out, "%d plans, none of them broke a law\n", len(all))
	return 0
}

func writePicture(t *sim.Trace, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if strings.EqualFold(filepath.Ext(name), ".svg") {
		err = t.WriteSVG(f)
	} else {
		err = t.WriteHTML(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
