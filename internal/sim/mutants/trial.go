package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// verdict is what became of a mutant.
type verdict struct {
	mutant *mutant
	// err: it could not be tried. by: the driver that killed it, "" when it survived.
	err error
	by  string
	// seed is the one with which it was killed, as far as the driver says, and says what was broken.
	seed int
	says string
	// cpu is the time that the drivers ran, build how long it took to build them.
	cpu, build time.Duration
	output     string
}

// trial tries mutants.
type trial struct {
	workshop
	settings
	drivers []*reference
	// notes are what there is to say besides the table.
	notes io.Writer
}

// run tries mutants and prints a table. It fails when one survives or can't be tried.
func (t *trial) run(ctx context.Context, out io.Writer, mutants []mutant, with []driver) error {
	for i := range with {
		r, err := t.reference(ctx, with[i])
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "driver %-9s passes on the unchanged tree in %.1f s of CPU time\n", r.name, r.cpu.Seconds())
		t.drivers = append(t.drivers, r)
	}
	verdicts := make([]verdict, len(mutants))
	next := make(chan int)
	var wg sync.WaitGroup
	var print sync.Mutex
	for range t.jobs {
		wg.Go(func() {
			for i := range next {
				v := t.try(ctx, &mutants[i])
				verdicts[i] = v
				print.Lock()
				v.print(out, t.verbose)
				print.Unlock()
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return summary(out, t.drivers, verdicts)
}

// reference runs a driver on the unchanged tree.
func (t *trial) reference(ctx context.Context, d driver) (*reference, error) {
	r := &reference{driver: d, passes: map[int]bool{0: true}}
	var err error
	if r.bin, err = t.build(ctx, &d, "unchanged", ""); err != nil {
		return nil, err
	}
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

// try gives a mutant to one driver after the other.
func (t *trial) try(ctx context.Context, m *mutant) verdict {
	v := verdict{mutant: m}
	changed, err := m.apply(t.root)
	if err != nil {
		v.err = err
		return v
	}
	overlay, err := t.overlay(m.name, changed)
	if err != nil {
		v.err = err
		return v
	}
	seen := false
	for i := range t.drivers {
		if d := t.drivers[i]; d.sees(m) {
			seen = true
			if v.err = t.drive(ctx, d, overlay, &v); v.err != nil || v.by != "" {
				return v
			}
		}
	}
	if !seen {
		v.err = errors.New("no driver is about the file that it changes")
	}
	return v
}

// drive gives a mutant to one driver until it is killed or the time is used up.
func (t *trial) drive(ctx context.Context, d *reference, overlay string, v *verdict) error {
	start := time.Now()
	bin, err := t.build(ctx, &d.driver, v.mutant.name, overlay)
	if err != nil {
		return err
	}
	defer os.Remove(bin)
	v.build += time.Since(start)
	// A run that takes twenty times as long as it should goes round in circles.
	most := max(20*d.cpu, 30*time.Second)
	used := time.Duration(0)
	for n := 0; used < t.limit && (d.last == 0 || n < d.last); n++ {
		o, err := t.workshop.run(ctx, &d.driver, bin, d.args(n), most)
		if err != nil {
			return err
		}
		used += o.cpu
		v.cpu += o.cpu
		if !o.failed {
			continue
		}
		if sound, err := t.sound(ctx, d, n); err != nil {
			return err
		} else if sound {
			v.by, v.output = d.name, o.output
			v.seed, v.says = d.first(n), reason(o)
			if s := seedOf.FindStringSubmatch(o.output); s != nil {
				v.seed, _ = strconv.Atoi(s[1])
			}
			return nil
		}
	}
	return nil
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
