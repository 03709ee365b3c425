package sim

import (
	"slices"
	"time"
)

// Shrink looks for a smaller plan that still breaks a law: fewer faults, calmer weather, a shorter run. It makes at most tries runs. It
// returns the plan and what becomes of it; of a plan that breaks no law the plan itself.
//
// Any violation will do: that a smaller plan breaks another law is no reason not to look at it first.
func Shrink(p Plan, tries int) (Plan, Outcome) {
	s := shrinker{best: p, out: Run(p, RunOptions{}), left: tries}
	if s.out.Violation == nil {
		return s.best, s.out
	}
	for progress := true; progress && s.left > 0; {
		progress = s.shorten()
		progress = s.dropFaults() || progress
		progress = s.calm() || progress
		progress = s.simplify() || progress
	}
	return s.best, s.out
}

// shrinker holds the smallest plan so far.
type shrinker struct {
	best Plan
	out  Outcome
	left int
}

// try runs a plan and keeps it if it breaks a law.
func (s *shrinker) try(p Plan) bool {
	if s.left == 0 {
		return false
	}
	s.left--
	out := Run(p, RunOptions{})
	if out.Violation == nil {
		return false
	}
	s.best, s.out = p, out
	return true
}

// shorten ends the faults sooner: just before the violation, or after a part of the time.
func (s *shrinker) shorten() (progress bool) {
	for _, length := range []time.Duration{s.out.Virtual + time.Millisecond, s.best.Length / 2, s.best.Length * 3 / 4, s.best.Length * 7 / 8} {
		if length < s.best.Length {
			p := s.best
			p.Length = length
			p.Faults = slices.DeleteFunc(slices.Clone(p.Faults), func(f Fault) bool { return f.At > length })
			progress = s.try(p) || progress
		}
	}
	return progress
}

// dropFaults leaves faults out: large parts first, then smaller ones.
func (s *shrinker) dropFaults() (progress bool) {
	for size := len(s.best.Faults); size > 0; size /= 2 {
		for at := 0; at < len(s.best.Faults); {
			p := s.best
			p.Faults = slices.Delete(slices.Clone(p.Faults), at, min(at+size, len(p.Faults)))
			if s.try(p) {
				progress = true
			} else {
				at += size
			}
		}
	}
	return progress
}

// calm switches off what goes wrong all the time, one kind after the other.
func (s *shrinker) calm() (progress bool) {
	for _, off := range []func(*Weather){
		func(w *Weather) { w.Spike = 0 }, func(w *Weather) { w.Drop = 0 }, func(w *Weather) { w.Duplicate = 0 }, func(w *Weather) { w.Reset = 0 },
		func(w *Weather) { w.Lag = 0 }, func(w *Weather) { w.Between = 0 }, func(w *Weather) { w.Slow = 0 }, func(w *Weather) { w.Mute = 0 },
		func(w *Weather) { w.CutStart = 0 }, func(w *Weather) { w.BadStart = 0 },
	} {
		p := s.best
		off(&p.Weather)
		if p.Weather != s.best.Weather {
			progress = s.try(p) || progress
		}
	}
	return progress
}

// simplify makes the cluster and its clients simpler.
func (s *shrinker) simplify() (progress bool) {
	for _, change := range []func(*Plan){
		func(p *Plan) { p.Clients = 1 },
		func(p *Plan) { p.Clients = max(1, p.Clients/2) },
		func(p *Plan) { p.Nodes, p.Skew = 3, p.Skew[:3] },
		func(p *Plan) { p.Skew = make([]int, p.Nodes) },
		func(p *Plan) { p.Model = false },
		func(p *Plan) { p.Large = false },
		func(p *Plan) { p.Lease = 0 },
	} {
		p := s.best
		change(&p)
		same := p.Clients == s.best.Clients && p.Nodes == s.best.Nodes && slices.Equal(p.Skew, s.best.Skew) && p.Model == s.best.Model && p.Large == s.best.Large && p.Lease == s.best.Lease
		if !same {
			progress = s.try(p) || progress
		}
	}
	return progress
}
