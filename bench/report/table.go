package report

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// columns are the figures of a table, for workloads that are under load and for those that take a time or idle.
var (
	loadColumns    = []Figure{Rate, ByteRate, P50, P99, CPUPerOp, WritePerOp, DeviceWritePerOp, FlushPerOp, FlushRate, DeviceRate, AllocPerOp, Peak}
	episodeColumns = []Figure{Duration, "max_ms"}
	idleColumns    = []Figure{CPUShare, FlushRate, WritePerOp, Peak}
)

// section is a workload in a shape, as it is shown.
type section struct {
	Workload Workload
	Shape    load.Shape
	Columns  []Figure
	Rows     []row
}

// row is a result in a section.
type row struct {
	*Result
	Durable bool
	// Ratios are how many times the first system does what this one does; "" where it is the first itself.
	Ratio string
}

// sections orders the results: by workload as they are listed, by shape, by point as they came, by system.
func (r *Report) sections() []section {
	var out []section
	for _, w := range r.Workloads {
		for _, shape := range load.Shapes {
			if rows := r.rows(w, shape); len(rows) > 0 {
				out = append(out, section{w, shape, columnsOf(w, rows), rows})
			}
		}
	}
	return out
}

func (r *Report) rows(w Workload, shape load.Shape) []row {
	var out []row
	for _, p := range r.points(w.Name, shape) {
		for i, s := range r.Systems {
			x := r.Find(s.Name, w.Name, shape, p)
			if x == nil {
				continue
			}
			line := row{Result: x, Durable: s.Durable}
			if ratio, ok := r.Ratio(x, r.Systems[0].Name, w.Shows); ok && i > 0 {
				line.Ratio = times(ratio)
			}
			out = append(out, line)
		}
	}
	return out
}

// times writes a ratio.
func times(ratio float64) string {
	return threeDigits(ratio) + "×"
}

// points are those of a workload in a shape, in the order in which they were measured.
func (r *Report) points(workload string, shape load.Shape) []Point {
	var out []Point
	seen := map[Point]bool{}
	for _, x := range r.Results {
		if x.Workload == workload && x.Shape == shape && !seen[x.Point] {
			seen[x.Point] = true
			out = append(out, x.Point)
		}
	}
	return out
}

// columnsOf leaves out what none of the rows has.
func columnsOf(w Workload, rows []row) []Figure {
	all := loadColumns
	switch w.Shows {
	case Duration:
		all = episodeColumns
	case CPUShare:
		all = idleColumns
	}
	var out []Figure
	for _, f := range all {
		if f == ByteRate && w.Shows != ByteRate {
			continue
		}
		for _, x := range rows {
			if x.Spread(f).Runs > 0 {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

// heading is a figure as the head of a column.
func (f Figure) heading() string {
	switch f {
	case Rate:
		return "throughput"
	case ByteRate:
		return "bytes"
	case CPUPerOp:
		return "CPU/op"
	case CPUShare:
		return "CPU"
	case WritePerOp:
		return "written/op"
	case DeviceWritePerOp:
		return "device written/op"
	case FlushPerOp:
		return "flushes/op"
	case DeviceRate:
		return "device flushes"
	case AllocPerOp:
		return "allocs/op"
	case Peak:
		return "memory"
	case "max_ms":
		return "longest"
	}
	return f.title()
}

// cell is a figure of a row as text.
func (x row) cell(f Figure, shows Figure) string {
	s := x.Spread(f)
	switch {
	case s.Runs == 0:
		return "–"
	case f == shows, f == P99:
		return s.text(f)
	case f == "max_ms":
		return Duration.text(s.Max)
	}
	return f.text(s.Median)
}

// notes are what has to be said of a row besides.
func (x row) notes() string {
	var notes []string
	if share, ok := x.Share(); ok {
		notes = append(notes, fmt.Sprintf("%.0f %% of limit", share*100))
	}
	if failed, all := x.Failed(); failed > 0 {
		notes = append(notes, fmt.Sprintf("%s of %s failed", count(float64(failed)), count(float64(all))))
	}
	if !x.Durable {
		notes = append(notes, "NOT FLUSHED")
	}
	if x.Point.Rate > 0 {
		if s := x.Spread(Rate); s.Median < x.Point.Rate*0.95 {
			notes = append(notes, "did not keep up")
		}
	}
	return strings.Join(notes, "; ")
}

// Table writes the report as tables of text. The error is out's.
func Table(out io.Writer, r *Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	say := func(format string, args ...any) { fmt.Fprintf(w, format, args...) } // Flush has the error
	say("\n%s, %s, %d processors, %s, %s\n", r.Machine.System, r.Machine.Processor, r.Machine.CPUs, r.Machine.FileSystem, r.Machine.Go)
	if r.Cut != "" {
		say("Ended early: %s.\n", r.Cut)
	}
	for _, name := range limitNames(r) {
		l, s := r.Limit(name)
		say("%s\t%s %s\n", l.Title, threeDigits(s.Median), l.Unit)
	}
	for _, s := range r.sections() {
		say("\n%s — %s\n", s.Workload.Title, s.Shape.Title())
		say("%s\tsystem", s.Workload.Axis)
		for _, f := range s.Columns {
			say("\t%s", f.heading())
		}
		if len(r.Systems) > 1 {
			say("\t%s against it", r.Systems[0].Name)
		}
		say("\t\n")
		for _, x := range s.Rows {
			say("%s\t%s", x.Point.tick(s.Workload.Axis), x.System)
			for _, f := range s.Columns {
				say("\t%s", x.cell(f, s.Workload.Shows))
			}
			if len(r.Systems) > 1 {
				say("\t%s", x.Ratio)
			}
			say("\t%s\n", x.notes())
		}
	}
	for i := range r.Audits {
		if i == 0 {
			say("\nflushes of durable puts, by system calls\n")
		}
		a := &r.Audits[i]
		say("%s\t%s\t%s\t%s\n", a.System, a.Shape, a.Point, a.Says())
	}
	for i, p := range r.Problems {
		if i == 0 {
			say("\nproblems\n")
		}
		say("round %d, %s, %s, %s: %s\n", p.Run, p.Workload, p.System, p.Shape, p.Error)
	}
	return errors.Join(w.Flush())
}

// limitNames are the limits that were measured, in order.
func limitNames(r *Report) []string {
	var out []string
	seen := map[string]bool{}
	for _, round := range r.Limits {
		for _, l := range round {
			if !seen[l.Name] {
				seen[l.Name] = true
				out = append(out, l.Name)
			}
		}
	}
	return out
}
