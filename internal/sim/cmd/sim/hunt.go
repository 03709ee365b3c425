package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim"
)

// seedRange is the seeds [from, to], both included.
type seedRange struct {
	from, to uint64
	deadline time.Time // zero: none
}

func rangeOf(o *options) (seedRange, error) {
	r := seedRange{from: 1 + rand.Uint64N(1<<32), to: math.MaxUint64}
	if o.time > 0 {
		r.deadline = time.Now().Add(o.time)
	}
	if o.seeds == "" {
		return r, nil
	}
	n, err := fmt.Sscanf(o.seeds, "%d..%d", &r.from, &r.to)
	if n == 1 {
		r.to, err = r.from, nil
	}
	if err != nil || r.from == 0 || r.from > r.to {
		return r, fmt.Errorf("sim: expected -seeds N..M, with 1 ≤ N ≤ M, found %q", o.seeds)
	}
	return r, nil
}

// tally is what many runs came to.
type tally struct {
	mu     sync.Mutex
	next   uint64
	runs   int
	events uint64
	// undecided counts the runs whose history the checker could not decide for all keys at once, operations what their clients began.
	undecided, operations int
	virtual               time.Duration
	failures              []uint64
	reached               sim.Reached
}

// hunt runs the seeds of a range and says what came of them.
func hunt(r seedRange, o *options, out io.Writer) int {
	fmt.Fprintf(out, "seeds from %d on\n", r.from)
	t := &tally{next: r.from}
	start, cpu := time.Now(), cpuTime()
	var workers sync.WaitGroup
	for range max(o.jobs, 1) {
		workers.Go(func() {
			for seed, ok := t.take(r, o); ok; seed, ok = t.take(r, o) {
				t.put(seed, sim.Run(o.planOf(seed), sim.RunOptions{}), out)
			}
		})
	}
	stop := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() { t.report(stop, start, out) })
	workers.Wait()
	close(stop)
	reporter.Wait()
	used := cpuTime() - cpu
	fmt.Fprintf(out, "%d seeds, %d of them broke a law; %v of virtual time in %v of processor time: %.0f times; %.0f events a second\n", t.runs, len(t.failures),
		t.virtual.Round(time.Second), used.Round(time.Millisecond), t.virtual.Seconds()/used.Seconds(), float64(t.events)/used.Seconds())
	if o.reach {
		fmt.Fprint(out, t.reached.String())
	}
	fmt.Fprintf(out, "%.1f operations a second of virtual time; %d histories undecided\n", float64(t.operations)/t.virtual.Seconds(), t.undecided)
	status := 0
	if t.tooUndecided() {
		fmt.Fprintf(out, "expected at most one history in %d undecided\n", perUndecided)
		status = 1
	}
	if missing := t.reached.Missing(); t.runs >= sim.EnoughRuns && len(missing) > 0 {
		fmt.Fprintf(out, "never came about in %d runs: %v\n", t.runs, missing)
		status = 1
	}
	for _, seed := range t.failures {
		shrink(seed, o, out)
		status = 1
	}
	return status
}

// perUndecided is how many histories there have to be for each that is undecided. About one in sixty is, where many writes of a short run are
// uncertain; of those each key was checked by itself, and all together up to the first guess that fits nowhere. Were it many more, the clients of
// the simulator would see too little for its laws to mean anything.
const perUndecided = 20

// tooUndecided says that so many histories were undecided that the hunt proves less than it seems to. A few say nothing.
func (t *tally) tooUndecided() bool { return t.undecided > 5 && t.undecided*perUndecided > t.runs }

// planOf gives the plan of a seed as the command line wants it.
func (o *options) planOf(seed uint64) sim.Plan {
	p := sim.Draw(seed)
	if o.rate > 0 {
		p = p.Busy(o.rate)
	}
	return p
}

// take gives the next seed, unless it is time to stop.
func (t *tally) take(r seedRange, o *options) (seed uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next > r.to || t.next < r.from || !r.deadline.IsZero() && time.Now().After(r.deadline) || len(t.failures) >= max(o.stopAfter, 1) {
		return 0, false
	}
	t.next++
	return t.next - 1, true
}

// put adds a run.
func (t *tally) put(seed uint64, result sim.Outcome, out io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs++
	t.events += result.Events
	t.virtual += result.Virtual
	t.operations += result.Operations
	if result.Undecided {
		t.undecided++
	}
	t.reached.Merge(&result.Reached)
	if result.Violation != nil {
		t.failures = append(t.failures, seed)
		fmt.Fprintf(out, "seed %d: BROKEN: %v\n", seed, result.Violation)
	}
}

// report says every ten seconds how far the hunt is.
func (t *tally) report(stop <-chan struct{}, start time.Time, out io.Writer) {
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			t.mu.Lock()
			fmt.Fprintf(out, "%v: %d seeds, the next is %d; %d undecided\n", time.Since(start).Round(time.Second), t.runs, t.next, t.undecided)
			t.mu.Unlock()
		}
	}
}

// shrink makes the plan of a failing seed smaller and says how to replay both.
func shrink(seed uint64, o *options, out io.Writer) {
	fmt.Fprintf(out, "\nseed %d: replay it by\n  go run ./internal/sim/cmd/sim -seed %d -picture seed-%d.html\n", seed, seed, seed)
	small, result := sim.Shrink(o.planOf(seed), o.tries)
	if result.Violation == nil {
		fmt.Fprintln(out, "it did not break a law again: the run is not a function of its seed")
		return
	}
	fmt.Fprintf(out, "the smallest plan found that breaks a law:\n%s%v\nreplay it by\n  go run ./internal/sim/cmd/sim -plan %s\n", small, result.Violation, small.Encode())
}
