package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// print writes a mutant's line of the table.
func (v *verdict) print(out io.Writer, verbose bool) {
	switch {
	case v.err != nil:
		fmt.Fprintf(out, "BROKEN    %-34s %v\n", v.mutant.name, v.err)
	case v.by == "":
		fmt.Fprintf(out, "SURVIVED  %-34s %-9s %6s %7.1fs  %s\n", v.mutant.name, "", "", v.cpu.Seconds(), v.mutant.shows)
	default:
		fmt.Fprintf(out, "killed    %-34s %-9s %6d %7.1fs  %s\n", v.mutant.name, v.by, v.seed, v.cpu.Seconds(), short(v.says, 110))
		if verbose {
			fmt.Fprintf(out, "%s\n", tail(v.output))
		}
	}
}

// summary counts, and fails unless every mutant was killed.
func summary(out io.Writer, drivers []*reference, verdicts []verdict) error {
	var times []time.Duration
	by := map[string]int{}
	survived, broken := 0, 0
	for _, v := range verdicts {
		switch {
		case v.err != nil:
			broken++
		case v.by == "":
			survived++
		default:
			by[v.by]++
			times = append(times, v.cpu)
		}
	}
	slices.Sort(times)
	fmt.Fprintf(out, "\n%d mutants: %d killed, %d survived, %d broken\n", len(verdicts), len(times), survived, broken)
	if n := len(times); n > 0 {
		fmt.Fprintf(out, "CPU time to kill: median %.1f s, worst %.1f s\n", times[n/2].Seconds(), times[n-1].Seconds())
		var parts []string
		for _, d := range drivers {
			if by[d.name] > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", d.name, by[d.name]))
			}
		}
		fmt.Fprintf(out, "killed by: %s\n", strings.Join(parts, ", "))
	}
	if survived+broken > 0 {
		return fmt.Errorf("%d mutants survived and %d could not be tried; a survivor is a hole in the simulators", survived, broken)
	}
	return nil
}

func list(out io.Writer, mutants []mutant) {
	for _, m := range mutants {
		fmt.Fprintf(out, "%s (%s)\n    %s\n    shows: %s\n", m.name, strings.Join(m.files(), ", "), m.breaks, m.shows)
	}
}

func short(s string, n int) string {
	r := []rune(strings.TrimSpace(s))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}

// tail gives the last lines of an output.
func tail(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
