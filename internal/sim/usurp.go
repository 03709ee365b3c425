package sim

import (
	"math/rand/v2"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// plot is a fault in several acts: another node comes to lead as early as votes can be had, and the leader hears of it as late as can be. Where
// leases are on, that is when a promise too short or a lease too long shows.
type plot struct {
	group         int
	leader, rival *lane
	// cut and held are the directions in the way of which something is now.
	cut, held []way
	restart   time.Duration
	power     bool
}

// act is a part of a plot.
type act int

const (
	loseRival   act = iota // the rival hears nothing of the leader any more
	delayRival             // what the leader says to the rival waits, the request to take over included
	releaseHeld            // what waits arrives
	deafen                 // what others say to the leader waits
	silence                // nobody hears the leader
	restartRest            // the others forget whatever a restart makes one forget
	handOver               // the leader asks the rival to take over
)

// usurp begins a plot against a leader. It reports whether there is one.
func (w *World) usurp(i int, c *choice, r *rand.Rand) bool {
	f := &w.Plan.Faults[i]
	p := &plot{group: r.IntN(groupCount), restart: 5*time.Millisecond + time.Duration(r.Int64N(int64(60*time.Millisecond))), power: r.IntN(2) == 0}
	for _, l := range w.lanes {
		if l.up() && l.groups[p.group].Role().Role == raft.Leader {
			p.leader = l
		}
	}
	var rivals []*lane
	for _, l := range w.lanes {
		if l.up() && l != p.leader {
			rivals = append(rivals, l)
		}
	}
	if p.leader == nil || len(rivals) == 0 {
		return false
	}
	p.rival = rivals[r.IntN(len(rivals))]
	c.plot = p
	then := func(at time.Duration, what act) { w.agenda.add(w.Now()+at, actEvent, int(what), i) }
	soon := func(most time.Duration) time.Duration { return time.Duration(r.Int64N(int64(most))) }
	turn := f.For/4 + soon(f.For/2)
	switch r.IntN(6) {
	case 0: // the request to take over comes late
		then(0, delayRival)
		then(soon(time.Millisecond), handOver)
		then(turn, releaseHeld)
		turn++
	case 1: // it is obeyed, and the leader does not hear of it
		then(turn, handOver)
	default:
		then(0, loseRival)
		then(turn+soon(150*time.Millisecond), silence)
		if r.IntN(2) == 0 {
			then(turn+soon(150*time.Millisecond), restartRest)
		}
	}
	if r.IntN(4) > 0 {
		then(turn, deafen)
		then(turn+soon(600*time.Millisecond), releaseHeld)
	}
	return true
}

// act goes on with a plot.
func (w *World) act(i int, what act) {
	p := w.chosen[i].plot
	if w.mended[i] || w.calm {
		return
	}
	put := func(ways *[]way, d way, k FaultKind) {
		w.sever(d, k, 1)
		*ways = append(*ways, d)
	}
	a, b := p.leader.number, p.rival.number
	switch what {
	case loseRival:
		put(&p.cut, way{a, b}, CutOneWay)
	case delayRival:
		put(&p.held, way{a, b}, HoldOneWay)
	case releaseHeld:
		p.release(w)
	case handOver:
		if g := p.leader.groups[p.group]; p.leader.up() && g.Role().Role == raft.Leader && g.StartTransfer(p.rival.id) == nil {
			w.reach.add(handOverInAPlot)
		}
	}
	for _, x := range w.lanes {
		switch {
		case x == p.leader:
		case what == deafen:
			put(&p.held, way{x.number, a}, HoldOneWay)
		case what == silence:
			put(&p.cut, way{a, x.number}, CutOneWay)
		case what == restartRest && x != p.rival && x.up() && !x.foreign:
			x.die(p.power)
			x.restartIn(p.restart)
		}
	}
}

func (p *plot) release(w *World) {
	for _, d := range p.held {
		w.sever(d, HoldOneWay, -1)
	}
	p.held = nil
}

// end takes back what a plot has put in the way.
func (p *plot) end(w *World) {
	p.release(w)
	for _, d := range p.cut {
		w.sever(d, CutOneWay, -1)
	}
	p.cut = nil
}
