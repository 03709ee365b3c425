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
			for _, shape := range load.Shapes {
				x, p := r.compared(w, shape, other.Name)
				if x == nil {
					continue
				}
				ratio, ok := r.Ratio(x, r.Systems[0].Name, w.Shows)
				if !ok {
					continue
				}
				lo, hi = min(lo, ratio), max(hi, ratio)
				all = append(all, found{fmt.Sprintf("%s, %s", w.Title, p), fmt.Sprintf("%s; %s", w.Shows.title(), shape.Title()), ratio})
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

// compared is the point at which a workload is compared with another system: the showcase, or the last point that the other has.
func (r *Report) compared(w Workload, shape load.Shape, system string) (*Result, Point) {
	if p, ok := r.showcase(w, shape); ok {
		if x := r.Find(system, w.Name, shape, p); x != nil {
			return x, p
		}
	}
	return nil, Point{}
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
			out = append(out, bar{Name: fmt.Sprintf("%s, %s, %s", w.Title, x.Point, x.Shape.Title()), Value: fmt.Sprintf("%.0f %%", share*100), Width: min(100, share*100),
				Why: fmt.Sprintf("%s of %s: %s", x.Bound.Of.text(x.Spread(x.Bound.Of).Median), x.Bound.Of.text(x.Bound.Value), x.Bound.Why)})
		}
	}
	return out
}
