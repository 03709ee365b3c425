package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// plot is a chart as the page shows it.
type plot struct {
	Title, About string
	SVG          template.HTML
	Legend       []legend
}

// legend is a line's name.
type legend struct {
	Name   string
	Colour int
}

func (c *chart) plot(about string) plot {
	p := plot{Title: c.title, About: about, SVG: c.svg()}
	for _, s := range c.series {
		p.Legend = append(p.Legend, legend{s.name, s.colour % palette})
	}
	return p
}

// colour is a system's number in the palette.
func (r *Report) colour(system string) int {
	return slices.IndexFunc(r.Systems, func(s load.Info) bool { return s.Name == system })
}

// nameOf is a system's name with what readers must not miss.
func nameOf(s load.Info) string {
	if !s.Durable {
		return s.Name + " (not flushed)"
	}
	return s.Name
}

// curves draws a figure of a workload over its points, a line for each system, or for each shape where there is one system alone. Plots that would have no line with two
// points are left out.
func (r *Report) curves(w Workload, f Figure) []plot {
	if len(r.Systems) == 1 {
		c := emptyCurve(w, f, w.Title)
		for i, shape := range load.Shapes {
			c.add(r, w, shape, r.Systems[0].Name, shape.Title(), i, f)
		}
		return c.done(w.About)
	}
	var out []plot
	for _, shape := range load.Shapes {
		c := emptyCurve(w, f, w.Title)
		for i, s := range r.Systems {
			c.add(r, w, shape, s.Name, nameOf(s), i, f)
			if n := len(c.series); n > 0 {
				c.series[n-1].dashed = !s.Durable
			}
		}
		out = append(out, c.done(shapeAbout(shape, w.About))...)
	}
	return out
}

// shapeAbout is what is said of a plot that has one shape.
func shapeAbout(shape load.Shape, about string) string { return sentence(shape.Title()) + " " + about }

// sentence makes a sentence of a phrase.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

func emptyCurve(w Workload, f Figure, title string) *chart {
	return &chart{title: title + ": " + f.title(), apart: w.Axis == ByLabel, xTitle: w.Axis.title(), y: f.short, dots: true, yLog: f != Rate && f != ByteRate}
}

// done gives the plot, if there is a line in it.
func (c *chart) done(about string) []plot {
	if !slices.ContainsFunc(c.series, func(s series) bool { return len(s.points) > 1 }) {
		return nil
	}
	return []plot{c.plot(about)}
}

// add draws a system's line. Points stand side by side, whatever their numbers are: they grow by factors.
func (c *chart) add(r *Report, w Workload, shape load.Shape, system, name string, colour int, f Figure) {
	line := series{name: name, colour: colour}
	for _, p := range r.points(w.Name, shape) {
		tick := p.tick(w.Axis)
		at := slices.IndexFunc(c.ticks, func(m mark) bool { return m.text == tick })
		if at < 0 {
			at = len(c.ticks)
			c.ticks = append(c.ticks, mark{float64(at), tick})
		}
		if x := r.Find(system, w.Name, shape, p); x != nil {
			if s := x.Spread(f); s.Runs > 0 && s.Median > 0 {
				x := float64(at)
				if c.apart { // side by side, so that equal ones don't hide each other
					x += 0.06 * float64(len(c.series))
				}
				line.points = append(line.points, xy{x, s.Median, s.Min, s.Max})
			}
		}
	}
	if len(line.points) > 0 {
		c.series = append(c.series, line)
	}
}

// showcase is a workload's point that stands for it where only one can be shown: that with the most callers up to 256.
func (r *Report) showcase(w Workload, shape load.Shape) (Point, bool) {
	var best Point
	found := false
	for _, p := range r.points(w.Name, shape) {
		if p.Workers > 256 && found {
			continue
		}
		if !found || p.Workers > best.Workers || best.Workers > 256 {
			best, found = p, true
		}
	}
	return best, found
}

// percentiles draws the latency of a workload's showcase from the median to the slowest.
func (r *Report) percentiles(w Workload, shape load.Shape) []plot {
	p, ok := r.showcase(w, shape)
	if !ok {
		return nil
	}
	half := math.Log10(2) // places are by the logarithm of what is slower: a half, a tenth, a hundredth
	c := &chart{title: fmt.Sprintf("%s: latency, %s", w.Title, p), xTitle: "percentile", y: P99.short, yLog: true,
		ticks: []mark{{half, "50"}, {1, "90"}, {2, "99"}, {3, "99.9"}, {4, "99.99"}}}
	for i, s := range r.Systems {
		x := r.Find(s.Name, w.Name, shape, p)
		if x == nil {
			continue
		}
		h, err := load.DecodeHistogram(x.Latency().Histogram)
		if err != nil || h.TotalCount() == 0 {
			continue
		}
		line := series{name: nameOf(s), colour: i, dashed: !s.Durable}
		for at := half; at <= 4 && math.Pow(10, at) <= float64(h.TotalCount()); at += 0.05 {
			ns := h.ValueAtPercentile(100 * (1 - math.Pow(10, -at)))
			line.points = append(line.points, xy{x: at, y: float64(ns) / 1e9})
		}
		c.series = append(c.series, line)
	}
	if len(c.series) == 0 {
		return nil
	}
	return []plot{c.plot(shapeAbout(shape, "All rounds together. The further to the right, the rarer."))}
}

// overTime draws the throughput and the 99th percentile of a workload's showcase as its first round went on.
func (r *Report) overTime(w Workload, shape load.Shape) []plot {
	p, ok := r.showcase(w, shape)
	if !ok {
		return nil
	}
	rate := &chart{title: fmt.Sprintf("%s: throughput over time, %s", w.Title, p), xTitle: "seconds", y: Rate.short}
	slow := &chart{title: fmt.Sprintf("%s: p99 over time, %s", w.Title, p), xTitle: "seconds", y: P99.short, yLog: true}
	end := 0.0
	for i, s := range r.Systems {
		x := r.Find(s.Name, w.Name, shape, p)
		if x == nil || len(x.Runs[0].Slices) < 2 {
			continue
		}
		m := &x.Runs[0]
		rates, slows := series{name: nameOf(s), colour: i, dashed: !s.Durable}, series{name: nameOf(s), colour: i, dashed: !s.Durable}
		for k, slice := range m.Slices {
			at := (float64(k) + 0.5) * m.Slice.Seconds()
			rates.points = append(rates.points, xy{x: at, y: float64(slice.Ended) / m.Slice.Seconds()})
			if slice.Ended > 0 {
				slows.points = append(slows.points, xy{x: at, y: slice.P99.Seconds()})
			}
		}
		end = max(end, m.Window.Seconds())
		rate.series, slow.series = append(rate.series, rates), append(slow.series, slows)
	}
	if len(rate.series) == 0 {
		return nil
	}
	step := niceStep(end / 6)
	for v := 0.0; v <= end+step/1000; v += step {
		rate.ticks = append(rate.ticks, mark{v, fmt.Sprintf("%.3g", v)})
	}
	slow.ticks = rate.ticks
	about := shapeAbout(shape, "The first round, in parts of "+P99.short(r.Find(rate.systemOf(r), w.Name, shape, p).Runs[0].Slice.Seconds())+".")
	return []plot{rate.plot(about), slow.plot(about)}
}

// systemOf is the system of a chart's first line.
func (c *chart) systemOf(r *Report) string { return r.Systems[c.series[0].colour].Name }
