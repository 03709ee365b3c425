package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// verdict is what became of a mutant.
type verdict struct {
	mutant *mutant
	result
	// err: it could not be tried.
	err error
	// output is what the run that killed it printed; "" when that was another time.
	output string
}

// settled says that there is nothing left to find out.
func (v *verdict) settled() bool { return v.err != nil || v.Killed }

// trial tries mutants.
type trial struct {
	workshop
	settings
	drivers map[string]*reference
	results *results
	// notes are what there is to say besides the table.
	notes io.Writer
}

// firstLook is the CPU time that each mutant gets before any gets more.
const firstLook = time.Minute

// run tries mutants and prints a table. It fails when one survives or can't be tried.
func (t *trial) run(ctx context.Context, out io.Writer, mutants []mutant, with []driver) error {
	if err := t.prepare(ctx, mutants, with); err != nil {
		return err
	}
	table := &table{out: out, json: t.json, verbose: t.verbose, of: len(mutants)}
	verdicts := make([]verdict, len(mutants))
	for _, limit := range slices.Compact([]time.Duration{min(firstLook, t.limit), t.limit}) {
		t.round(ctx, limit, mutants, verdicts, table)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return table.summary(verdicts)
}

// prepare builds the drivers that the mutants are given to, and demands that they pass on the unchanged tree.
func (t *trial) prepare(ctx context.Context, mutants []mutant, with []driver) error {
	t.drivers = map[string]*reference{}
	for _, d := range with {
		needed := false
		for i := range mutants {
			needed = needed || mutants[i].by == d.name
		}
		if !needed {
			continue
		}
		r, err := t.reference(ctx, d)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.notes, "driver %-9s passes on the unchanged tree in %.1f s of CPU time\n", r.name, r.cpu.Seconds())
		t.drivers[d.name] = r
	}
	return nil
}

// round gives every mutant that is not settled up to limit of CPU time, and prints those that are then.
func (t *trial) round(ctx context.Context, limit time.Duration, mutants []mutant, verdicts []verdict, table *table) {
	next := make(chan int)
	var wg sync.WaitGroup
	var print sync.Mutex
	for range t.jobs {
		wg.Go(func() {
			for i := range next {
				v := t.try(ctx, &mutants[i], limit)
				verdicts[i] = v
				if ctx.Err() == nil && (v.settled() || limit == t.limit) {
					print.Lock()
					table.row(&v)
					print.Unlock()
				}
			}
		})
	}
	for i := range mutants {
		if v := &verdicts[i]; !v.settled() && (v.mutant == nil || v.CPU < limit.Seconds()) {
			next <- i
		}
	}
	close(next)
	wg.Wait()
}

// reference runs a driver on the unchanged tree.
func (t *trial) reference(ctx context.Context, d driver) (*reference, error) {
	r := &reference{driver: d, passes: map[int]bool{0: true}}
	var err error
	if r.bin, err = t.build(ctx, &d, "unchanged", ""); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(r.bin)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	r.sum = sum[:]
	o, err := t.workshop.run(ctx, &d, r.bin, d.args(0), time.Hour)
	if err != nil {
		return nil, err
	}
	if o.failed {
		return nil, fmt.Errorf("the driver %s fails on the unchanged tree; mend that first:\n%s", d.name, tail(o.output))
	}
	r.cpu = o.cpu
	return r, nil
}

// sound says whether the unchanged tree passes a range of seeds. Where it does not, that a mutant fails says nothing.
func (t *trial) sound(ctx context.Context, d *reference, n int) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if passes, known := d.passes[n]; known {
		return passes, nil
	}
	o, err := t.workshop.run(ctx, &d.driver, d.bin, d.args(n), time.Hour)
	if err != nil {
		return false, err
	}
	if d.passes[n] = !o.failed; o.failed {
		fmt.Fprintf(t.notes, "the driver %s fails on the unchanged tree from seed %d on (%s); mutants are not held against that\n", d.name, d.first(n), reason(o))
	}
	return !o.failed, nil
}

// try gives a mutant to its driver, until that has used up limit of CPU time on it, what it used another time included.
func (t *trial) try(ctx context.Context, m *mutant, limit time.Duration) verdict {
	v := verdict{mutant: m}
	changed, err := m.apply(t.root)
	if err != nil {
		v.err = err
		return v
	}
	d := t.drivers[m.by]
	v.result = result{Mutant: m.name, Driver: d.name, Of: fingerprint(d, m)}
	if known, ok := t.results.get(v.Of); ok {
		v.result = known
	}
	if v.Killed || v.CPU >= limit.Seconds() || d.last > 0 && v.Ranges >= d.last {
		return v
	}
	overlay, err := t.overlay(m.name, changed)
	if err == nil {
		err = t.drive(ctx, d, overlay, limit, &v)
	}
	v.err = err
	return v
}

// drive runs a driver on a mutant until it is killed or the time is used up.
func (t *trial) drive(ctx context.Context, d *reference, overlay string, limit time.Duration, v *verdict) error {
	bin, err := t.build(ctx, &d.driver, v.mutant.name, overlay)
	if err != nil {
		return err
	}
	defer os.Remove(bin)
	// A run that takes twenty times as long as it should goes round in circles.
	most := max(20*d.cpu, 30*time.Second)
	for kept := v.CPU; v.CPU < limit.Seconds() && (d.last == 0 || v.Ranges < d.last); v.Ranges++ {
		if v.CPU >= kept+30 {
			kept = v.CPU
			fmt.Fprintf(t.notes, "%s: %.0f of %.0f s of CPU time, alive at seed %d\n", v.mutant.name, v.CPU, limit.Seconds(), d.first(v.Ranges))
			if err := t.results.put(v.result); err != nil {
				return err
			}
		}
		if err := t.look(ctx, d, bin, most, v); err != nil || v.Killed {
			return err
		}
	}
	return t.results.put(v.result)
}

// look runs a driver over one range of seeds.
func (t *trial) look(ctx context.Context, d *reference, bin string, most time.Duration, v *verdict) error {
	o, err := t.workshop.run(ctx, &d.driver, bin, d.args(v.Ranges), most)
	if err != nil {
		return err
	}
	v.CPU += o.cpu.Seconds()
	if !o.failed {
		return nil
	}
	sound, err := t.sound(ctx, d, v.Ranges)
	if err != nil || !sound {
		return err
	}
	v.Killed, v.output = true, o.output
	v.Seed, v.Law = d.first(v.Ranges), short(reason(o), 160)
	if s := seedOf.FindStringSubmatch(o.output); s != nil {
		v.Seed, _ = strconv.Atoi(s[1])
	}
	return t.results.put(v.result)
}

var (
	seedOf = regexp.MustCompile(`\bseed (\d+)`)
	// reasons are tried one after the other.
	reasons = []*regexp.Regexp{
		regexp.MustCompile(`law \d+:[^\n]*`),
		regexp.MustCompile(`BROKEN: ([^\n]*)`),
		regexp.MustCompile(`broken invariant:[^\n]*`),
		regexp.MustCompile(`(?m)^\s*(?:Error:|Received unexpected error:)\s*(?:Received unexpected error:)?\s*([^\n]*)`),
		regexp.MustCompile(`panic:[^\n]*`),
		regexp.MustCompile(`fatal error:[^\n]*`),
		regexp.MustCompile(`seed \d+[^\n]*`),
	}
)

// reason picks the line of a driver's output that says what was broken.
func reason(o outcome) string {
	if o.spun {
		return "it goes round in circles"
	}
	for _, r := range reasons {
		if m := r.FindStringSubmatch(o.output); m != nil {
			return m[len(m)-1]
		}
	}
	return "it failed"
}
