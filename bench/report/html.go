package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what the template shows.
type page struct {
	*Report
	Title, Subtitle string
	Cards           []card
	Curves          []plot
	Latency         []plot
	Ratios          []ratioChart
	Shares          []bar
	Limits          []bar
	Sections        []tableSection
	// Palette numbers the colours.
	Palette []int
}

// card is a figure at the top of the page.
type card struct{ Title, Value, About string }

// tableSection is a section whose cells are text.
type tableSection struct {
	Title, Shape, About, First string
	Heads                      []string
	Rows                       []tableRow
	Compared                   bool
}

type tableRow struct {
	Point, System string
	Cells         []string
	Ratio, Notes  string
	Colour        int
	First         bool
}

// HTML writes the report as a page that needs nothing else: no network, no script. The error is out's.
func HTML(out io.Writer, r *Report) error {
	p := page{Report: r, Palette: []int{0, 1, 2, 3, 4, 5, 6, 7}, Title: "Benchmark", Subtitle: r.subtitle(), Cards: r.cards(), Ratios: r.ratioCharts(), Shares: r.shares()}
	for _, w := range r.Workloads {
		if w.Shows == Rate || w.Shows == ByteRate || w.Shows == Duration {
			p.Curves = append(p.Curves, r.curves(w, w.Shows)...)
		}
		if w.Name == "put" || w.Axis == ByRate {
			p.Curves = append(p.Curves, r.curves(w, P99)...)
		}
	}
	for _, name := range []string{"put", "get", "append"} {
		if w, shape, ok := r.first(name); ok {
			p.Latency = append(p.Latency, r.percentiles(w, shape)...)
			p.Latency = append(p.Latency, r.overTime(w, shape)...)
		}
	}
	for _, name := range limitNames(r) {
		l, s := r.Limit(name)
		p.Limits = append(p.Limits, bar{Name: l.Title, Value: threeDigits(s.Median) + " " + l.Unit})
	}
	for _, s := range r.sections() {
		p.Sections = append(p.Sections, r.table(s))
	}
	if err := pageTemplate.Execute(out, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// subtitle says when, where and how.
func (r *Report) subtitle() string {
	m := r.Machine
	parts := []string{r.Began.UTC().Format("2 January 2006 15:04 UTC"), plural(float64(m.CPUs), "processor")}
	if m.Processor != "" {
		parts = append(parts, m.Processor)
	}
	if m.Memory > 0 {
		parts = append(parts, bytesOf(float64(m.Memory))+" of memory")
	}
	parts = append(parts, m.FileSystem, m.System, m.Go, fmt.Sprintf("GOMAXPROCS %d", m.GOMAXPROCS), plural(float64(len(r.Limits)), "round"))
	if r.Scale > 0 && r.Scale != 1 {
		parts = append(parts, fmt.Sprintf("stores and logs of %.3g times their size", r.Scale))
	}
	if d := r.Ended.Sub(r.Began); d > 0 {
		parts = append(parts, "took "+d.Round(time.Second).String())
	}
	return strings.Join(parts, " · ")
}

// first gives a workload with the first shape in which it was measured.
func (r *Report) first(name string) (Workload, load.Shape, bool) {
	i := slices.IndexFunc(r.Workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Workload{}, "", false
	}
	for _, shape := range load.Shapes {
		if len(r.points(name, shape)) > 0 {
			return r.Workloads[i], shape, true
		}
	}
	return Workload{}, "", false
}

// cards are the figures that say most, of the first system.
func (r *Report) cards() []card {
	var out []card
	for _, want := range []struct {
		workload string
		figure   Figure
		title    string
	}{{"put", Rate, "durable puts"}, {"put", P99, "p99 of a durable put"}, {"put", CPUPerOp, "processor time per put"}, {"get", Rate, "linearizable gets"},
		{"append", Rate, "log appends of 1 KiB"}, {"log-sequential", ByteRate, "log read in order"}, {"failover", Duration, "failover gap"}, {"restart", Duration, "restart"}} {
		w, shape, ok := r.first(want.workload)
		if !ok {
			continue
		}
		p, _ := r.showcase(w, shape)
		x := r.Find(r.Systems[0].Name, w.Name, shape, p)
		if x == nil || x.Spread(want.figure).Runs == 0 {
			continue
		}
		c := card{Title: want.title, Value: want.figure.text(x.Spread(want.figure).Median), About: p.String() + ", " + shape.Title()}
		if best, name := r.best(w, shape, p, want.figure); name != "" {
			c.About += fmt.Sprintf(" — %s of %s", times(best), name)
		}
		out = append(out, c)
	}
	return out
}

// best is the system of another family that comes nearest to the first in a figure, of those that flush, and how far the first is ahead of it.
func (r *Report) best(w Workload, shape load.Shape, p Point, f Figure) (least float64, name string) {
	for _, s := range r.Systems[1:] {
		x := r.Find(s.Name, w.Name, shape, p)
		if x == nil || !s.Durable || s.Kin() == r.Systems[0].Kin() {
			continue
		}
		if ratio, ok := r.Ratio(x, r.Systems[0].Name, f); ok && (name == "" || ratio < least) {
			least, name = ratio, s.Name
		}
	}
	return least, name
}

// table makes a section's cells.
func (r *Report) table(s section) tableSection {
	out := tableSection{Title: s.Workload.Title, Shape: s.Shape.Title(), About: s.Workload.About, First: s.Workload.Axis.title()}
	for _, f := range s.Columns {
		out.Heads = append(out.Heads, f.heading())
	}
	last := ""
	for _, x := range s.Rows {
		row := tableRow{Point: x.Point.tick(s.Workload.Axis), System: x.System, Ratio: x.Ratio, Notes: x.notes(), Colour: r.colour(x.System) % palette}
		row.First = row.Point != last
		last = row.Point
		out.Compared = out.Compared || x.Ratio != ""
		for _, f := range s.Columns {
			row.Cells = append(row.Cells, x.cell(f, s.Workload.Shows))
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}
