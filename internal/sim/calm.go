package sim

import (
	"fmt"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

const (
	// preferredWithin is how soon whoever is preferred has to lead after everything is well. A leader waits for PreferenceDelay, 5 s, which doubles each time
	// that its hand-over does not last.
	preferredWithin = 180 * time.Second
	// unchangedFor is how long nothing may change then, and steadyFor where somebody is preferred: longer than a leader waits for it.
	unchangedFor = 1500 * time.Millisecond
	steadyFor    = 7 * time.Second
	// silentWithin is how soon a group with nothing to do has to be silent, beside QuietAfter.
	silentWithin = 30 * time.Second
	// heartbeatsMissed is for how long a silent group has sent no heartbeat, at least: four intervals.
	heartbeatsMissed = 300 * time.Millisecond
)

// tenure is who leads a group, and in which term.
type tenure struct {
	lane *lane
	term raft.Term
}

// rest looks at the cluster when all nodes are healed and have nothing to do: leadership goes to whoever is preferred, never to somebody less preferred, and stays; no term
// rises, whoever runs on without being a member; groups fall silent, and wake when their leader is gone.
func (w *World) rest() error {
	lanes := w.healthy()
	before := w.tenures(lanes)
	if err := w.run("leadership of the preferred", preferredWithin, func() bool { return w.preferred(lanes) }); err != nil {
		return err
	}
	if err := w.run("convergence under the preferred", convergeWithin, func() bool { return w.converged(lanes) && w.preferred(lanes) }); err != nil {
		return err
	}
	after, pause := w.tenures(lanes), unchangedFor
	for at := range groupCount {
		if least := before[at].term + w.steps(at, before[at].lane, lanes); after[at].term > least {
			return fmt.Errorf("liveness: group %d went from term %d to %d, though nothing went wrong and term %d is enough for its hand-overs", at+1, before[at].term, after[at].term, least)
		}
		if after[at].term > before[at].term {
			w.reach.add(handedToPreferred)
		}
		if w.weighted(at) {
			pause = steadyFor
		}
	}
	end := w.Now() + pause
	if err := w.run("a time of calm", pause+time.Second, func() bool { return w.Now() > end }); err != nil {
		return err
	}
	if now := w.tenures(lanes); now != after {
		return fmt.Errorf("liveness: leaders and terms changed in a calm time: %v, then %v", after, now)
	}
	return w.doze(lanes)
}

// tenures are who leads the groups.
func (w *World) tenures(lanes []*lane) (t [groupCount]tenure) {
	for at := range t {
		if l := w.leader(lanes, at); l != nil {
			t[at] = tenure{l, l.groups[at].Role().Term}
		}
	}
	return t
}

// String names the leader and the term.
func (t tenure) String() string {
	if t.lane == nil {
		return "nobody"
	}
	return fmt.Sprintf("%s in term %d", t.lane.id, t.term)
}

// weighted says that the members of a group are not preferred alike.
func (w *World) weighted(at int) bool {
	members := w.laws.members[at].last().Configuration.Members
	for _, m := range members {
		if m.Voter && m.Priority != members[0].Priority {
			return true
		}
	}
	return false
}

// steps is in how many steps leadership may go from a node to whoever is preferred most: one for each higher priority, as somebody may be well for a
// while before somebody better is.
func (w *World) steps(at int, from *lane, lanes []*lane) raft.Term {
	c := w.laws.members[at].last().Configuration
	own, _ := c.Member(from.id)
	higher := map[uint16]bool{}
	for _, l := range lanes {
		if m, _ := c.Member(l.id); m.Voter && m.Priority > own.Priority {
			higher[m.Priority] = true
		}
	}
	return raft.Term(len(higher))
}

// preferred says whether each group is led by one of the voters that run which are preferred most.
func (w *World) preferred(lanes []*lane) bool {
	for at := range groupCount {
		leader := w.leader(lanes, at)
		if leader == nil {
			return false
		}
		c := leader.groups[at].Members().Configuration
		own, _ := c.Member(leader.id)
		for _, l := range lanes {
			if m, _ := c.Member(l.id); m.Voter && m.Priority > own.Priority {
				return false
			}
		}
	}
	return true
}

// doze waits until the groups are silent, takes the node that leads one of them away, and demands what is demanded of any cluster. A group of which
// a member is gone for good never rests.
func (w *World) doze(lanes []*lane) error {
	if w.Plan.Quiet == 0 {
		return nil
	}
	for at := range groupCount {
		for _, m := range w.laws.members[at].last().Configuration.Members {
			if !w.lanes[w.number(m.ID)].well() {
				return nil
			}
		}
	}
	if err := w.run("silence", silentWithin+w.Plan.Quiet, func() bool { return w.silent(kvAt) && w.silent(logAt) }); err != nil {
		return err
	}
	w.reach.add(fellSilent)
	victim := w.leader(lanes, w.random.IntN(groupCount))
	victim.die(w.random.IntN(2) == 0)
	victim.starts++
	left := lanes
	if w.spared(func(l *lane) bool { return l.well() && l != victim }) {
		left = without(lanes, victim)
	} else {
		victim.restartIn(time.Millisecond)
	}
	if err := w.settle("those that a silent leader left", left); err != nil {
		return err
	}
	w.raise(lanes)
	return w.settle("all nodes after a silence", lanes)
}

// silent says that a group's leader has sent no heartbeat for a while, or has nobody to send one to.
func (w *World) silent(at int) bool {
	l := w.leads(at)
	return l != nil && l.groups[at].Role().Ready && (l.beats[at]+heartbeatsMissed < w.Now() || len(l.groups[at].Members().Configuration.Members) == 1)
}

// without leaves a lane out.
func without(lanes []*lane, but *lane) []*lane {
	var rest []*lane
	for _, l := range lanes {
		if l != but {
			rest = append(rest, l)
		}
	}
	return rest
}
