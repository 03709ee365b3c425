package report

import (
	"fmt"
	"math"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// ratioChart says, for one other system, how far the first is ahead in each workload.
type ratioChart struct {
	Against string
	Flushed bool
	Bars    []bar
	// Even is where a ratio of 1 stands, in per cent of the room.
	Even float64
}

// ratioCharts compares the first system with every other, in each workload's showcase and first shape that both have.
func (r *Report) ratioCharts() []ratioChart {
	var out []ratioChart
	for _, other := range r.Systems[min(1, len(r.Systems)):] {
		c := ratioChart{Against: other.Name, Flushed: other.Durable}
		type found struct {
			name, why string
			ratio     float64
		}
		var all []found
		lo, hi := 0.5, 2.0
		for _, w := range r.Workloads {
			for _, x := range r.compared(w, other.Name) {
				ratio, ok := r.Ratio(x, r.Systems[0].Name, w.Shows)
				if !ok {
					continue
				}
				lo, hi = min(lo, ratio), max(hi, ratio)
				all = append(all, found{w.Title + ", " + x.Point.String() + inShape(x.Shape), w.Shows.title() + "; " + x.Shape.Title(), ratio})
			}
		}
		place := scale{lo: lo, hi: hi, log: true, from: 0, length: 100}
		c.Even = place.at(1)
		for _, f := range all {
			colour := 0
			if f.ratio < 1 {
				colour = 1
			}
			c.Bars = append(c.Bars, bar{Name: f.name, Value: times(f.ratio), Mark: place.at(f.ratio), Colour: colour, Why: f.why})
		}
		if len(c.Bars) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// inShape names a shape where it isn't the one that most is measured in.
func inShape(shape load.Shape) string {
	if shape == load.ThreeNodes {
		return ""
	}
	return " (" + string(shape) + ")"
}

// compared are the results of a system in a workload that it is compared by: the showcase of each shape, or all points where they differ in something else than load.
func (r *Report) compared(w Workload, system string) []*Result {
	var out []*Result
	for _, shape := range load.Shapes {
		points := r.points(w.Name, shape)
		if p, ok := r.showcase(w, shape); ok && w.Axis == ByWorkers {
			points = []Point{p}
		}
		for _, p := range points {
			if x := r.Find(system, w.Name, shape, p); x != nil {
				out = append(out, x)
			}
		}
	}
	return out
}

// Left and Length are where a bar from Even to Mark is drawn.
func (c ratioChart) Left(b bar) float64 { return min(c.Even, b.Mark) }

// Length is how long the bar is, in per cent of the room.
func (c ratioChart) Length(b bar) float64 { return math.Abs(b.Mark - c.Even) }

// shares are the results of the first system that have a bound.
func (r *Report) shares() []bar {
	var out []bar
	for _, w := range r.Workloads {
		for _, x := range r.Results {
			share, ok := x.Share()
			if x.Workload != w.Name || x.System != r.Systems[0].Name || !ok {
				continue
			}
			out = append(out, bar{Name: w.Title + ", " + x.Point.String() + inShape(x.Shape), Value: fmt.Sprintf("%.0f %%", share*100), Width: min(100, share*100),
				Why: fmt.Sprintf("of %s: %s", x.Bound.Of.text(x.Bound.Value), x.Bound.Why)})
		}
	}
	return out
}
