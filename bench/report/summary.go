package report

import (
	"slices"

	"github.com/ledgerkv/ledgerkv/bench/limits"
	"github.com/ledgerkv/ledgerkv/bench/load"
)

// Spread is a figure over several runs.
type Spread struct {
	Median, Min, Max float64
	Runs             int
}

// SpreadOf gives the spread of some values. The median of an even number is the mean of the two in the middle. Runs is 0 when there are none.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	mid := len(v) / 2
	s := Spread{Median: v[mid], Min: v[0], Max: v[len(v)-1], Runs: len(v)}
	if len(v)%2 == 0 {
		s.Median = (v[mid-1] + v[mid]) / 2
	}
	return s
}

// Spread gives a figure of a result over its runs; Runs counts those that have it.
func (r *Result) Spread(f Figure) Spread {
	var values []float64
	for i := range r.Runs {
		if v, ok := figure(&r.Runs[i], f); ok {
			values = append(values, v)
		}
	}
	return SpreadOf(values)
}

// Share is the median of what Bound bounds as a share of it; false without a bound.
func (r *Result) Share() (float64, bool) {
	if r.Bound == nil || r.Bound.Value <= 0 {
		return 0, false
	}
	s := r.Spread(r.Bound.Of)
	return s.Median / r.Bound.Value, s.Runs > 0
}

// Failed is how many operations failed in all runs, and how many there were.
func (r *Result) Failed() (failed, all uint64) {
	for i := range r.Runs {
		failed += r.Runs[i].Failed
		all += r.Runs[i].Ended + r.Runs[i].Failed
	}
	return failed, all
}

// figure gives a figure of a run; false when the run doesn't have it.
func figure(m *load.Measure, f Figure) (float64, bool) {
	seconds, ops := m.Window.Seconds(), float64(m.Ended)
	switch f {
	case Rate:
		return m.Rate(), seconds > 0 && m.Latency != nil
	case ByteRate:
		return over(float64(m.Bytes), seconds)
	case P50, P99:
		return latency(m, f)
	case CPUPerOp, CPUShare:
		return usage(m.Usage.CPU, 1e-9, pick(f == CPUPerOp, ops, seconds))
	case WritePerOp:
		return usage(m.Usage.Written, 1, ops)
	case DeviceWritePerOp:
		return usage(m.Usage.DeviceWritten, 1, ops)
	case FlushRate, FlushPerOp:
		return usage(m.Usage.Flushes, 1, pick(f == FlushPerOp, ops, seconds))
	case DeviceRate:
		return usage(m.Usage.DeviceFlushes, 1, seconds)
	case Peak:
		return usage(m.Usage.Peak, 1, 1)
	case AllocPerOp:
		return usage(m.Usage.Allocations, 1, ops)
	}
	v, ok := m.Values[string(f)]
	return v, ok
}

func pick(first bool, a, b float64) float64 {
	if first {
		return a
	}
	return b
}

func over(v, per float64) (float64, bool) {
	if per <= 0 {
		return 0, false
	}
	return v / per, true
}

func usage[T ~int64 | ~uint64](v *T, unit, per float64) (float64, bool) {
	if v == nil {
		return 0, false
	}
	return over(float64(*v)*unit, per)
}

// latency gives a percentile over all kinds of operations: with one kind that kind's, otherwise that of their histograms put together.
func latency(m *load.Measure, f Figure) (float64, bool) {
	all := make([]load.Latency, 0, len(m.Latency))
	for _, l := range m.Latency {
		all = append(all, l)
	}
	if len(all) == 0 {
		return 0, false
	}
	l := all[0]
	if len(all) > 1 {
		var err error
		if l, err = load.MergeLatencies(all); err != nil {
			return 0, false
		}
	}
	if f == P50 {
		return l.P50.Seconds(), l.Count > 0
	}
	return l.P99.Seconds(), l.Count > 0
}

// Latency puts the histograms of all runs and all kinds of operations of a result together. It is the zero Latency when there are none.
func (r *Result) Latency() load.Latency {
	var all []load.Latency
	for i := range r.Runs {
		for _, l := range r.Runs[i].Latency {
			all = append(all, l)
		}
	}
	l, err := load.MergeLatencies(all)
	if err != nil {
		return load.Latency{}
	}
	return l
}

// Find gives a result, or nil.
func (r *Report) Find(system, workload string, shape load.Shape, point Point) *Result {
	for _, x := range r.Results {
		if x.System == system && x.Workload == workload && x.Shape == shape && x.Point == point {
			return x
		}
	}
	return nil
}

// Ratio gives the median over the rounds of the first system's figure against another's: above 1 means that the first is ahead, be the figure one of which more is better
// or less. Rounds are compared with each other, since a machine drifts; false where they were not both measured.
func (r *Report) Ratio(of *Result, first string, f Figure) (float64, bool) {
	ours := r.Find(first, of.Workload, of.Shape, of.Point)
	if ours == nil || ours == of {
		return 0, false
	}
	var ratios []float64
	for i := range ours.Runs {
		for j := range of.Runs {
			if ours.Runs[i].Round != of.Runs[j].Round {
				continue
			}
			a, ok1 := figure(&ours.Runs[i], f)
			b, ok2 := figure(&of.Runs[j], f)
			if lessIsBetter(f) {
				a, b = b, a
			}
			if ok1 && ok2 && a > 0 && b > 0 {
				ratios = append(ratios, a/b)
			}
		}
	}
	return SpreadOf(ratios).Median, len(ratios) > 0
}

func lessIsBetter(f Figure) bool { return f != Rate && f != ByteRate }

// Limit gives the median of a limit of the machine over the rounds, 0 when it was not measured.
func (r *Report) Limit(name string) (limits.Limit, Spread) {
	var found limits.Limit
	var values []float64
	for _, round := range r.Limits {
		for _, l := range round {
			if l.Name == name {
				found = l
				values = append(values, l.Value)
			}
		}
	}
	return found, SpreadOf(values)
}
