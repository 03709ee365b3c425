package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// obstacle is something in the way between two nodes.
type obstacle struct {
	way
	kind FaultKind
}

// downfall is a plot in which a leader loses its office and wins it again. Of what it wrote the first time one other node, the witness, has a copy, has
// said so, and has lost it since to another leader; what it said arrives in the second time. Then an acknowledgement of an earlier term shows that counts
// in this one. It takes five voters: the witness has to be outvoted both times.
type downfall struct {
	*plot
	world *World
	// witness is the node that has what the leader wrote, rest are the three others.
	witness *lane
	rest    []*lane
	// usurper is the one of them that came to lead meanwhile.
	usurper *lane
	wrote   raft.EntryID
}

// lookEvery is how often a downfall looks whether it has come to its next act.
const lookEvery = 10 * time.Millisecond

// depose begins a downfall. It reports whether there is one.
func (w *World) depose(i int, c *choice, r *rand.Rand) bool {
	d := &downfall{plot: &plot{fault: i, group: r.IntN(groupCount)}, world: w}
	if d.leader = w.inOfficeOf(d.group); d.leader == nil {
		return false
	}
	members := d.leader.groups[d.group].Members().Configuration
	for _, l := range w.lanes {
		if l.up() && l != d.leader && members.IsVoter(l.id) {
			d.rest = append(d.rest, l)
		}
	}
	if len(d.rest) != 4 || members.Joint {
		return false
	}
	r.Shuffle(len(d.rest), func(i, j int) { d.rest[i], d.rest[j] = d.rest[j], d.rest[i] })
	d.witness, d.rest = d.rest[0], d.rest[1:]
	d.steps = []func(){d.fall, d.interregnum, d.comeBack}
	c.plot = d.plot
	w.then(d.plot, w.Now(), 0)
	return true
}

// fall: the leader reaches the witness alone, and hears nobody. Nobody else has anything to go by but votes.
func (d *downfall) fall() {
	w, a, p := d.world, d.leader.number, d.witness.number
	if d.holdsOffice() {
		w.burst(d.leader, d.group, 3)
	}
	d.put(HoldOneWay, way{p, a})
	for _, x := range d.rest {
		d.put(CutOneWay, way{a, x.number}, way{x.number, a}, way{p, x.number})
		for _, y := range d.rest {
			if x != y {
				d.put(HoldAppends, way{x.number, y.number})
			}
		}
	}
	w.then(d.plot, w.Now()+lookEvery, 1)
}

// interregnum: once another leads, and the witness has followed it, that one is cut off with the witness alone to know what it wrote.
func (d *downfall) interregnum() {
	w, log := d.world, func(l *lane) raft.EntryID { return l.groups[d.group].Ledger().Last() }
	if d.leader.up() && d.holdsOffice() {
		d.wrote = log(d.leader)
	}
	for _, x := range d.rest {
		if !x.up() {
			continue
		}
		if role := x.groups[d.group].Role(); role.Role == raft.Leader {
			d.take(CutOneWay, way{d.witness.number, x.number}) // it may say now where their logs part
			if d.witness.up() && log(d.witness).Term == role.Term {
				d.usurper = x
			}
		}
	}
	if d.usurper == nil {
		w.then(d.plot, w.Now()+lookEvery, 1)
		return
	}
	a, p, b := d.leader.number, d.witness.number, d.usurper.number
	for _, x := range w.lanes {
		if x != d.usurper {
			d.put(CutOneWay, way{b, x.number}, way{x.number, b})
		}
	}
	for _, x := range d.rest {
		if x != d.usurper {
			d.put(CutOneWay, way{x.number, p})
			d.take(CutOneWay, way{a, x.number}, way{x.number, a})
		}
	}
	d.put(HoldAppends, way{a, p})
	w.then(d.plot, w.Now()+lookEvery, 2)
}

// comeBack: when the leader of the first time has committed in the second what it wrote in the first, it hears what the witness said of it.
func (d *downfall) comeBack() {
	w := d.world
	if !d.leader.up() || !d.holdsOffice() || d.leader.groups[d.group].Committed() < d.wrote.Index {
		w.then(d.plot, w.Now()+lookEvery, 2)
		return
	}
	w.reach.add(leaderCameBack)
	d.take(HoldOneWay, way{d.witness.number, d.leader.number})
}

func (d *downfall) holdsOffice() bool {
	return d.leader.up() && d.leader.groups[d.group].Role().Role == raft.Leader
}

func (d *downfall) put(k FaultKind, ways ...way) {
	for _, x := range ways {
		d.world.sever(x, k, 1)
		d.obstacles = append(d.obstacles, obstacle{x, k})
	}
}

func (d *downfall) take(k FaultKind, ways ...way) {
	for _, x := range ways {
		if i := slices.Index(d.obstacles, obstacle{x, k}); i >= 0 {
			d.world.sever(x, k, -1)
			d.obstacles = slices.Delete(d.obstacles, i, i+1)
		}
	}
}

// drawDownfalls adds downfalls to a third of the plans of five nodes. In half of those nothing else goes wrong.
func (p *Plan) drawDownfalls(r *rand.Rand) {
	if p.Nodes != 5 || r.IntN(3) > 0 {
		return
	}
	if r.IntN(2) == 0 {
		p.becalm(r)
	}
	p.drawThroughout(Depose, r)
}
