package rafttest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// onAll has the commands for the whole cluster.
func (s *story) onAll() map[string]func(arguments) error {
	return map[string]func(arguments) error{
		"settle": func(a arguments) error { return s.settle(a.has("trace")) },
		"tick":   s.tickSome,
		"run": func(a arguments) error {
			d, err := duration(a)
			if err != nil {
				return err
			}
			return s.tick(d, s.replicas, func() error { return s.settle(false) })
		},
		"jump": s.jump,
		"cut":  s.cutLinks,
		"heal": func(arguments) error { clear(s.cut); return nil },
		"status": func(a arguments) error {
			for _, r := range s.replicas {
				if len(a.plain) == 0 || a.has(string(r.id)) {
					s.status(r)
				}
			}
			return nil
		},
	}
}

func duration(a arguments) (time.Duration, error) {
	if len(a.plain) == 0 {
		return 0, fmt.Errorf("it needs a duration")
	}
	return time.ParseDuration(a.plain[0])
}

// some are the replicas that a command with a duration names, or all.
func (s *story) some(a arguments) []*replica {
	var some []*replica
	for _, r := range s.replicas {
		if len(a.plain) == 1 || a.has(string(r.id)) {
			some = append(some, r)
		}
	}
	return some
}

func (s *story) tickSome(a arguments) error {
	d, err := duration(a)
	if err != nil {
		return err
	}
	return s.tick(d, s.some(a), func() error { return nil })
}

// jump lets a long time pass between two ticks.
func (s *story) jump(a arguments) error {
	d, err := duration(a)
	if err != nil {
		return err
	}
	for _, r := range s.some(a) {
		r.clock = r.clock.Add(d)
		if r.core != nil {
			r.core.Tick(r.clock)
		}
	}
	return nil
}

func (s *story) cutLinks(a arguments) error {
	for _, what := range a.plain {
		if from, to, ok := strings.Cut(what, "->"); ok {
			s.cut[link{raft.NodeID(from), raft.NodeID(to)}] = true
			continue
		}
		for _, r := range s.replicas {
			s.cut[link{raft.NodeID(what), r.id}], s.cut[link{r.id, raft.NodeID(what)}] = true, true
		}
	}
	return nil
}

func (s *story) status(r *replica) {
	if r.core == nil {
		s.print("%s: down", r.id)
		return
	}
	st := r.core.Status()
	extra := ""
	for i, so := range []bool{st.Stalled, st.Quiet, st.Removed} {
		if so {
			extra += []string{" stalled", " quiet", " removed"}[i]
		}
	}
	if st.Installing.Index != 0 {
		extra += fmt.Sprintf(" installing=%s", st.Installing)
	}
	if st.StepDown != "" {
		extra += fmt.Sprintf(" (last stepped down: %s)", st.StepDown)
	}
	s.print("%s: %s term=%d vote=%s leader=%s base=%s last=%s synced=%d commit=%d applied=%d%s", r.id, st.Role, st.State.Term,
		st.State.Vote, st.Leader, st.Base, st.Last, st.Synced, st.Commit, st.Applied, extra)
}

// onPackets has the commands for what is under way.
func (s *story) onPackets() map[string]func(arguments) error {
	return map[string]func(arguments) error{
		"deliver": func(a arguments) error {
			return s.packets(a, func(i int) error { p := s.remove(i); s.show(&p, s.lost(&p)); return s.hand(p) })
		},
		"drop": func(a arguments) error {
			return s.packets(a, func(i int) error { p := s.remove(i); s.show(&p, true); return s.arrive(p, true) })
		},
		"repeat": func(a arguments) error {
			return s.packets(a, func(i int) error {
				p := s.remove(i)
				s.network = append(s.network, p)
				s.show(&p, s.lost(&p))
				return s.hand(p)
			})
		},
		"network": func(arguments) error {
			for i := range s.network {
				s.show(&s.network[i], s.lost(&s.network[i]))
			}
			return nil
		},
	}
}

// hand delivers a packet; what the core says to it is output.
func (s *story) hand(p packet) error {
	if err := s.arrive(p, false); err != nil {
		s.print("  %v", err)
	}
	return nil
}

// packets calls fn with the place of each packet that is under way now and fits the arguments.
func (s *story) packets(a arguments, fn func(i int) error) error {
	count := len(s.network)
	fits := func(p *packet) bool { return true }
	for _, word := range a.plain {
		before := fits
		if from, to, ok := strings.Cut(word, "->"); ok {
			fits = func(p *packet) bool { return before(p) && string(p.From) == from && string(p.To) == to }
		} else if n, err := strconv.Atoi(word); err == nil {
			count = n
		} else {
			fits = func(p *packet) bool { return before(p) && p.Type.String() == word }
		}
	}
	done := 0
	i := 0
	for left := len(s.network); left > 0 && done < count; left-- {
		if !fits(&s.network[i]) {
			i++
			continue
		}
		if err := fn(i); err != nil {
			return err
		}
		done++
	}
	if done == 0 {
		s.print("  nothing of that kind is under way")
	}
	return nil
}
