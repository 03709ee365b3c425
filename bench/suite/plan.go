package suite

import (
	"fmt"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// plan gives the cells of a round in their order: workload by workload and shape by shape, and there every system in turn, beginning with another one in each
// round.
func (s *Settings) plan(systems []load.System, round int) []*cell {
	var out []*cell
	for _, w := range s.chosen() {
		for i, shape := range s.shapesOf(&w) {
			points := s.scaledPoints(&w, i)
			if len(points) == 0 {
				continue
			}
			for j := range systems {
				info := systems[(j+round)%len(systems)].Info()
				if !info.Can(shape, w.kinds...) || w.operable && !info.Operable {
					continue
				}
				if !info.Groups {
					if points = slices.DeleteFunc(slices.Clone(points), func(p report.Point) bool { return p.Groups > 1 }); len(points) == 0 {
						continue
					}
				}
				out = append(out, &cell{System: info.Name, Workload: w.Name, Shape: shape, Points: points, Round: round, Window: s.Window, WarmUp: s.WarmUp,
					Scale: s.Scale, Repeats: s.Repeats, Seed: s.Seed + uint64(round)<<32})
			}
		}
	}
	return out
}

// measured are the systems to be measured: those that are named, or all, without variants in a quick run.
func (s *Settings) measured(systems []load.System) []load.System {
	return slices.DeleteFunc(slices.Clone(systems), func(x load.System) bool {
		if len(s.Systems) > 0 {
			return !slices.Contains(s.Systems, x.Info().Name)
		}
		return s.Quick && x.Info().Variant
	})
}

// chosen are the workloads to be measured.
func (s *Settings) chosen() []workload {
	return slices.DeleteFunc(workloads(), func(w workload) bool {
		switch {
		case len(s.Workloads) > 0:
			return !slices.Contains(s.Workloads, w.Name)
		case s.Running && w.setup.Log: // what is appended to somebody's log stays there
			return true
		case s.Quick:
			return len(w.quick) == 0
		}
		return w.long && !s.Full
	})
}

// shapesOf gives a workload's shapes. A cluster that runs is a shape of all that needs no start.
func (s *Settings) shapesOf(w *workload) []load.Shape {
	if s.Running {
		if w.operable || w.fresh || w.Axis == report.ByGroups || w.setup.Lease {
			return nil
		}
		return []load.Shape{load.Running}
	}
	shapes := w.shapes
	if len(s.Shapes) > 0 {
		shapes = slices.DeleteFunc(slices.Clone(shapes), func(x load.Shape) bool { return !slices.Contains(s.Shapes, x) })
	} else if s.Quick && w.Name == "put" { // where there is no other, the remote client shows in one workload
		shapes = []load.Shape{load.ThreeNodes, load.ThreeNodesRemote}
	} else if s.Quick {
		shapes = shapes[:1]
	}
	return shapes
}

// scaledPoints gives a workload's points, with their sizes as they will be.
func (s *Settings) scaledPoints(w *workload, shape int) []report.Point {
	points := slices.Clone(s.pointsOf(w, shape))
	for i := range points {
		points[i].Size = scaled(points[i].Size, s.Scale)
	}
	return points
}

// pointsOf gives a workload's points in the shape with a number.
func (s *Settings) pointsOf(w *workload, shape int) []report.Point {
	points := w.points
	switch {
	case w.Axis == report.ByWorkers && len(s.Workers) > 0:
		return workers(s.Workers...)
	case w.Axis == report.ByRate && len(s.Rates) > 0:
		return rates(s.Rates...)
	case s.Quick && shape > 0:
		return workers(256)
	case s.Quick && len(w.quick) > 0:
		return w.quick
	case shape > 0 && len(w.moreShapes) > 0:
		return w.moreShapes
	}
	return points
}

// estimate is about how long cells take.
func estimate(cells []*cell) time.Duration {
	const start, settleTime, episode = 1500 * time.Millisecond, 12 * time.Second, 6 * time.Second
	const fillRate = 20_000
	all := workloads()
	var sum time.Duration
	for _, c := range cells {
		w := all[slices.IndexFunc(all, func(w workload) bool { return w.Name == c.Workload })]
		sum += start
		if w.preload {
			sum += time.Duration(float64(w.keys)*c.Scale/fillRate) * time.Second
		}
		for _, p := range c.Points {
			switch {
			case w.Axis == report.ByLabel:
				sum += time.Duration(max(c.Repeats, 1)) * episode
			case w.Axis == report.BySize:
				sum += start + time.Duration(float64(p.Size)/fillRate*float64(1+max(c.Repeats, 1)))*time.Second
			case w.measure != nil:
				sum += settleTime + c.Window
			default:
				sum += c.WarmUp + c.Window
			}
		}
	}
	return sum
}

// title names a cell for who watches.
func (c *cell) title() string { return fmt.Sprintf("%s, %s, %s", c.Workload, c.System, c.Shape) }
