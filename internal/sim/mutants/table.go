package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// table is what is printed of the verdicts: lines, one when a mutant is settled, or one JSON document at the end.
type table struct {
	out           io.Writer
	json, verbose bool
	// rows of the mutants were printed.
	rows, of int
}

// row prints a mutant's line.
func (t *table) row(v *verdict) {
	if t.rows++; t.json {
		return
	}
	fmt.Fprintf(t.out, "%3d/%-3d ", t.rows, t.of)
	switch {
	case v.err != nil:
		fmt.Fprintf(t.out, "BROKEN    %-44s %v\n", v.mutant.name, v.err)
	case !v.Killed:
		fmt.Fprintf(t.out, "SURVIVED  %-44s %-9s %6s %7.1fs  %s\n", v.Mutant, v.Driver, "", v.CPU, v.mutant.shows)
	default:
		fmt.Fprintf(t.out, "killed    %-44s %-9s %6d %7.1fs  %s\n", v.Mutant, v.Driver, v.Seed, v.CPU, short(v.Law, 110))
		if t.verbose && v.output != "" {
			fmt.Fprintf(t.out, "%s\n", tail(v.output))
		}
	}
}

// count is what all verdicts come to. CPU times are in seconds.
type count struct {
	Mutants  int            `json:"mutants"`
	Killed   int            `json:"killed"`
	Survived int            `json:"survived"`
	Broken   int            `json:"broken"`
	Median   float64        `json:"median"`
	Worst    float64        `json:"worst"`
	By       map[string]int `json:"by"`
}

func countOf(verdicts []verdict) count {
	c := count{Mutants: len(verdicts), By: map[string]int{}}
	var times []float64
	for _, v := range verdicts {
		switch {
		case v.err != nil:
			c.Broken++
		case !v.Killed:
			c.Survived++
		default:
			c.Killed++
			c.By[v.Driver]++
			times = append(times, v.CPU)
		}
	}
	if slices.Sort(times); len(times) > 0 {
		c.Median, c.Worst = times[len(times)/2], times[len(times)-1]
	}
	return c
}

// summary counts, and fails unless every mutant was killed.
func (t *table) summary(verdicts []verdict) error {
	c := countOf(verdicts)
	if t.json {
		if err := t.document(verdicts, c); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(t.out, "\nkilled %d of %d mutants, %d survived, %d broken; CPU time to kill: median %.1f s, worst %.1f s\n", c.Killed, c.Mutants, c.Survived, c.Broken, c.Median, c.Worst)
		var parts []string
		for _, d := range drivers {
			if c.By[d.name] > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", d.name, c.By[d.name]))
			}
		}
		fmt.Fprintf(t.out, "killed by: %s\n", strings.Join(parts, ", "))
	}
	if c.Survived+c.Broken > 0 {
		return fmt.Errorf("%d mutants survived and %d could not be tried; a survivor is a hole in the simulator", c.Survived, c.Broken)
	}
	return nil
}

// document prints everything as JSON.
func (t *table) document(verdicts []verdict, c count) error {
	type row struct {
		result
		Breaks string `json:"breaks"`
		Shows  string `json:"shows"`
		Broken string `json:"broken,omitempty"`
	}
	d := struct {
		count
		Rows []row `json:"rows"`
	}{count: c}
	for _, v := range verdicts {
		r := row{result: v.result, Breaks: v.mutant.breaks, Shows: v.mutant.shows}
		r.Mutant, r.Driver = v.mutant.name, v.mutant.by
		if v.err != nil {
			r.Broken = v.err.Error()
		}
		d.Rows = append(d.Rows, r)
	}
	e := json.NewEncoder(t.out)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

func list(out io.Writer, mutants []mutant) {
	for _, m := range mutants {
		fmt.Fprintf(out, "%s (%s)\n    %s\n    shows: %s\n", m.name, strings.Join(m.files(), ", "), m.breaks, m.shows)
		if m.why != "" {
			fmt.Fprintf(out, "    by: %s; %s\n", m.by, m.why)
		}
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
