package sim

import (
	"math/rand/v2"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// plot is a fault in several acts: another node comes to lead as early as votes can be had, and the leader hears of it as late as can be, while it
// is asked what is the latest. Where leases are on, that is when a promise too short or a lease too long shows.
type plot struct {
	fault, group  int
	leader, rival *lane
	// cut and held are the directions in the way of which something is now.
	cut, held []way
	restart   time.Duration
	power     bool
	// patience is how long after the leader's last heartbeat what waits arrives.
	patience time.Duration
	// deafFor is how long the leader hears nothing.
	deafFor time.Duration
	// steps are the acts of a plot that has its own, obstacles what they have put in the way.
	steps     []func()
	obstacles []obstacle
}

// act is a part of a plot.
type act int

const (
	enthrone    act = iota // whoever leads hands over to the leader of the plot
	loseRival              // the rival hears nothing of the leader any more
	delayRival             // what the leader says to the rival waits, the request to take over included
	releaseHeld            // what waits arrives
	releaseLate            // it does when the promises to the leader end
	deafen                 // what others say to the leader waits
	silence                // nobody hears the leader
	silenceRest            // nobody does but the rival
	restartRest            // the others forget whatever a restart makes one forget
	handOver               // the leader asks the rival to take over
	question               // the leader is asked what is the latest
)

const (
	// settleFor is how long clients begin nothing before a plot that a write would spoil: what they have begun ends.
	settleFor = 100 * time.Millisecond
	// transferFor is longer than a leader waits for who should take over, and until its next heartbeat, by the slowest clock.
	transferFor = electionTimeout + electionTimeout/4
	// questions is how often a leader that hears nothing is asked.
	questions = 4
)

// usurp begins a plot against a leader. It reports whether there is one.
func (w *World) usurp(i int, c *choice, r *rand.Rand) bool {
	soon := func(most time.Duration) time.Duration { return time.Duration(r.Int64N(int64(most))) }
	p := &plot{fault: i, group: r.IntN(groupCount), restart: 5*time.Millisecond + soon(60*time.Millisecond), power: r.IntN(2) == 0}
	if p.leader = w.inOfficeOf(p.group); p.leader == nil {
		return false
	}
	then := func(at time.Duration, what act) { w.then(p, w.Now()+at, what) }
	var begin time.Duration
	if slow := w.slowest(); slow != p.leader && r.IntN(2) == 0 {
		p.leader = slow // who takes its lease for longer than others do
		then(0, enthrone)
		begin = settleFor + soon(200*time.Millisecond)
	}
	var rivals []*lane
	for _, l := range w.lanes {
		if l.up() && l != p.leader {
			rivals = append(rivals, l)
		}
	}
	if len(rivals) == 0 {
		return false
	}
	p.rival = rivals[r.IntN(len(rivals))]
	c.plot = p
	f := &w.Plan.Faults[i]
	turn := begin + f.For/4 + soon(f.For/4)
	deaf := r.IntN(4) > 0
	p.deafFor = 1 + soon(600*time.Millisecond)
	switch n := r.IntN(6); n {
	case 0, 1: // the request to take over comes late: the leader has given it up, and holds a lease again
		begin += settleFor
		turn = begin + transferFor + soon(200*time.Millisecond)
		w.lull = max(w.lull, w.Now()+turn+electionTimeout) // one entry more, and the rival could not win
		then(begin, delayRival)
		then(begin+soon(time.Millisecond), handOver)
		if n == 0 {
			then(turn, releaseHeld)
			break
		}
		deaf = false
		p.patience = w.Plan.Lease*95/100 + soon(electionTimeout/10)
		then(turn, silenceRest)
	case 2: // it is obeyed, and the leader does not hear of it
		then(turn, handOver)
	default:
		then(begin, loseRival)
		then(turn+soon(150*time.Millisecond), silence)
		if r.IntN(2) == 0 {
			then(turn+soon(150*time.Millisecond), restartRest)
		}
	}
	if deaf {
		then(turn+1, deafen)
	}
	return true
}

// inOfficeOf gives a node that leads a group, or takes itself for one that does; nil if there is none.
func (w *World) inOfficeOf(group int) *lane {
	var found *lane
	for _, l := range w.lanes {
		if l.up() && l.groups[group].Role().Role == raft.Leader {
			found = l
		}
	}
	return found
}

// slowest gives the node that runs with the slowest clock. REQUIRES: one runs.
func (w *World) slowest() *lane {
	var found *lane
	for _, l := range w.lanes {
		if l.up() && (found == nil || l.clock.skew < found.clock.skew) {
			found = l
		}
	}
	return found
}

// then puts an act of a plot on the agenda.
func (w *World) then(p *plot, at time.Duration, what act) {
	w.agenda.add(at, actEvent, int(what), p.fault)
}

// act goes on with a plot.
func (w *World) act(i int, what act) {
	p := w.chosen[i].plot
	if w.mended[i] || w.calm {
		return
	}
	if p.steps != nil {
		p.steps[what]()
		return
	}
	put := func(ways *[]way, d way, k FaultKind) {
		w.sever(d, k, 1)
		*ways = append(*ways, d)
	}
	a, b := p.leader.number, p.rival.number
	switch what {
	case enthrone:
		if l := w.inOfficeOf(p.group); l != nil {
			_ = l.groups[p.group].StartTransfer(p.leader.id) // a plot against somebody who does not lead comes to nothing
		}
	case loseRival:
		put(&p.cut, way{a, b}, CutOneWay)
	case delayRival:
		put(&p.held, way{a, b}, HoldOneWay)
	case releaseHeld:
		p.release(w)
	case silenceRest:
		w.then(p, max(w.Now(), p.leader.beats[p.group]+p.patience), releaseLate)
	case releaseLate:
		p.release(w)
		w.then(p, w.Now()+1, deafen)
	case deafen:
		for n := range time.Duration(questions) {
			w.then(p, w.Now()+p.deafFor*(n+1)/(questions+1), question)
		}
		w.then(p, w.Now()+p.deafFor, releaseHeld)
	case handOver:
		if g := p.leader.groups[p.group]; p.leader.up() && g.Role().Role == raft.Leader && g.StartTransfer(p.rival.id) == nil {
			w.reach.add(handOverInAPlot)
		}
	case question:
		if l := p.leader; l.up() && l.groups[p.group].Role().Role == raft.Leader {
			w.reach.add(deafLeaderAsked)
			w.inquire(l, p.group)
		}
	}
	for _, x := range w.lanes {
		switch {
		case x == p.leader:
		case what == deafen:
			put(&p.held, way{x.number, a}, HoldOneWay)
		case what == silence, what == silenceRest && x != p.rival:
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
	for _, b := range p.obstacles {
		w.sever(b.way, b.kind, -1)
	}
	p.obstacles = nil
}
