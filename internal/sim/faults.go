package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// choice is what a fault of the plan came to.
type choice struct {
	lane *lane
	// boot and remove: an injected fault of the disk, in force until the node's next start.
	boot   uint64
	remove func()
	// ways are the directions that were cut or held.
	ways []way
	// client is whose paths to lanes were cut or held.
	client *client
	lanes  []int
	// plot is that against a leader.
	plot *plot
}

// way is a direction between two lanes.
type way struct{ from, to int }

// strike begins a fault of the plan. One that finds nothing to strike does nothing.
func (w *World) strike(i int) {
	f := &w.Plan.Faults[i]
	if w.calm {
		return
	}
	r := rand.New(rand.NewPCG(f.Draw, uint64(f.Kind)))
	c := &w.chosen[i]
	silent := w.Plan.Quiet > 0 && (w.silent(kvAt) || w.silent(logAt))
	if f.Kind.ofNetwork() {
		w.severe(f, c, r)
	} else if f.Kind.ofClients() {
		w.estrange(f, c, r)
	} else if f.Kind.ofMembers() {
		if !w.wishFor(i, f, r) {
			return
		}
	} else if f.Kind == Usurp {
		if !w.usurp(i, c, r) {
			return
		}
	} else if f.Kind == RaiseFormat {
		w.release(i, f, r)
	} else if f.Kind == Depose {
		if !w.depose(i, c, r) {
			return
		}
	} else if f.Kind == Lull {
		w.lull = max(w.lull, w.Now()+f.For)
	} else if c.lane = w.victim(f.Kind, r); c.lane == nil {
		return
	} else if !w.hit(f, c, r) {
		c.lane = nil
		return
	}
	w.reach.struck[f.Kind]++
	if silent && f.Kind != Lull && !f.Kind.ofMembers() {
		w.reach.add(faultWhileSilent)
	}
	n := happening{what: faultBegan, fault: i, text: f.Kind.String() + c.barred()}
	if c.lane != nil {
		n.lane = c.lane.number
	} else if len(c.ways) > 0 {
		n.lane = c.ways[0].from
	}
	if c.plot != nil {
		n.lane = c.plot.leader.number
	}
	n.ways = c.ways
	w.note(n)
	if f.For > 0 && !f.Kind.ofMembers() && f.Kind != RaiseFormat {
		w.agenda.add(w.Now()+f.For, mendEvent, 0, i)
	}
}

// ofMembers says that a fault is none, but a wish for another membership.
func (k FaultKind) ofMembers() bool {
	switch k {
	case AddNode, RemoveNode, DemoteNode, PromoteNode, ReplaceNode, ChangeMany, Prefer:
		return true
	}
	return false
}

// ofNetwork says that a fault is between nodes.
func (k FaultKind) ofNetwork() bool {
	switch k {
	case CutOneWay, HoldOneWay, Isolate, Split, Bridge, ResetLinks, HoldAppends, Strand:
		return true
	}
	return false
}

// ofClients says that a fault is between a client and nodes.
func (k FaultKind) ofClients() bool { return k == CutClient || k == HoldClient }

// ofData says that a fault loses what a disk had promised to keep.
func (k FaultKind) ofData() bool {
	switch k {
	case Rot, Misdirect, LoseWrite, Wipe, LoseName, OldDisk:
		return true
	}
	return false
}

// victim chooses a node: a leader as often as not. What loses data strikes a minority alone: those that have lost some, and others as long
// as a quorum is left that has lost nothing, of every configuration by which anything may be decided.
func (w *World) victim(k FaultKind, r *rand.Rand) *lane {
	var candidates []*lane
	for _, l := range w.lanes {
		if l.up() && !l.foreign && (!k.ofData() || l.lost || w.mayLose(l)) {
			candidates = append(candidates, l)
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	if r.IntN(2) == 0 {
		for _, l := range candidates {
			if g := l.groups[r.IntN(groupCount)]; g.Role().Role == raft.Leader {
				return l
			}
		}
	}
	return candidates[r.IntN(len(candidates))]
}

// hit strikes a node. It reports whether there was anything to strike.
func (w *World) hit(f *Fault, c *choice, r *rand.Rand) bool {
	l := c.lane
	c.boot = l.boots
	switch f.Kind {
	case PowerCut:
		l.die(false)
		l.restartIn(f.For)
	case PowerCutAtIO:
		l.disk.CrashAt(l.disk.Ops() + 1 + r.IntN(40))
	case PowerCutAll:
		for _, x := range w.lanes {
			if x.up() {
				x.die(false)
				x.restartIn(f.For/2 + time.Duration(r.Int64N(int64(f.For))))
			}
		}
		w.reach.add(powerCutOfAll)
	case KillProcess:
		l.die(true)
		l.restartIn(f.For)
	case Pause:
		l.paused = max(l.paused, w.Now()+f.For)
	case Freeze:
		l.paused = max(l.paused, w.Now()+f.For)
		for _, x := range w.lanes {
			if x != l {
				c.ways = append(c.ways, way{x.number, l.number})
				w.sever(way{x.number, l.number}, Freeze, 1)
			}
		}
	case StallDisk:
		l.stalled = max(l.stalled, w.Now()+f.For)
		w.noteStall(l, f.For)
	case FillDisk:
		l.full = true
		l.disk.SetCapacity(l.disk.Used() + uint64(r.IntN(64<<10)))
	case Starve:
		x := l.loops[r.IntN(len(l.loops))]
		x.held = max(x.held, w.Now()+f.For)
	case Burst:
		w.burst(l, r.IntN(groupCount), 2+r.IntN(30))
	case OldProgram:
		return w.tryOlder(l, f.For)
	case JumpClock:
		l.clock.jump += time.Duration(r.Int64N(int64(2*time.Hour))) - time.Hour
	case HandOver:
		g := l.groups[r.IntN(groupCount)]
		if _, leased := g.LeaseRead(); leased {
			w.reach.add(handOverUnderLease)
		}
		return g.Role().Role == raft.Leader && g.StartTransfer(w.lanes[r.IntN(len(w.lanes))].id) == nil
	default:
		return w.damage(f, c, r)
	}
	return true
}

// damage strikes a node's disk.
func (w *World) damage(f *Fault, c *choice, r *rand.Rand) bool {
	l := c.lane
	inject := func(x disk.Fault) {
		l.excused = true
		l.troubled++
		x.Skip, x.Count = r.IntN(20), 1+r.IntN(3)
		c.remove = l.disk.Inject(x)
	}
	switch f.Kind {
	case FailWrite:
		inject(disk.Fault{Ops: []disk.OpKind{disk.OpWrite, disk.OpZero}})
	case FailSync:
		inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync, disk.OpSyncDir}, Evict: r.IntN(2) == 0})
	case FailRead:
		inject(disk.Fault{Ops: []disk.OpKind{disk.OpRead}})
	case Rot:
		return w.rot(l, r)
	case Misdirect, LoseWrite:
		l.excused, l.lost = true, true
		l.promised = [groupCount]raft.Position{}
		l.disk.Misplace(disk.Misplacement{Path: "*.seg", Skip: r.IntN(10), Lose: f.Kind == LoseWrite, Shift: int64(1+r.IntN(64)) * disk.SectorSize})
	case Wipe:
		return w.wipe(l, f)
	case LoseName:
		return w.loseName(l, r)
	case OldDisk:
		return w.oldDisk(l)
	}
	return true
}

// noteStall counts what a stalled disk is there for.
func (w *World) noteStall(l *lane, d time.Duration) {
	for _, g := range l.groups {
		if g.Role().Role == raft.Leader && d > 2*electionTimeout {
			w.reach.add(leaderStalled)
		}
	}
}

// severe cuts, holds or breaks what is between nodes.
func (w *World) severe(f *Fault, c *choice, r *rand.Rand) {
	n := len(w.lanes)
	a, b := r.IntN(n), r.IntN(n-1)
	if b >= a {
		b++
	}
	parts := r.Uint64()
	all := parts>>63 == 0
	if f.Kind == Strand {
		a = w.strand(r)
	}
	apart := func(x, y int) bool { return parts>>x&1 != parts>>y&1 }
	for x := range n {
		for y := range n {
			if x == y {
				continue
			}
			severed := false
			switch f.Kind {
			case CutOneWay, HoldOneWay:
				severed = x == a && y == b
			case Isolate, Strand:
				severed = x == a || y == a
			case Split:
				severed = apart(x, y)
			case Bridge:
				severed = x != a && y != a && (n == 3 || apart(x, y))
			case HoldAppends:
				severed = x == a && (all || y == b)
			}
			if severed {
				c.ways = append(c.ways, way{x, y})
			}
		}
	}
	for _, d := range c.ways {
		w.sever(d, f.Kind, 1)
	}
	if f.Kind == ResetLinks {
		w.network.Break(w.lanes[a].id, w.lanes[b].id)
	}
}

// estrange cuts a client off some nodes, or holds their answers to it.
func (w *World) estrange(f *Fault, c *choice, r *rand.Rand) {
	c.client = w.clients[r.IntN(len(w.clients))]
	parts := r.Uint64() | 1<<r.IntN(len(w.lanes))
	for i := range w.lanes {
		if parts>>i&1 == 1 {
			c.lanes = append(c.lanes, i)
		}
	}
	c.bar(f.Kind, 1)
}

// barred says which client can't reach which nodes as it should.
func (c *choice) barred() string {
	if c.client == nil {
		return ""
	}
	text := fmt.Sprintf(": c%d", c.client.number)
	for _, i := range c.lanes {
		text += fmt.Sprintf(" n%d", i+1)
	}
	return text
}

// bar counts what lies between a client and nodes.
func (c *choice) bar(k FaultKind, add int) {
	for _, i := range c.lanes {
		p := c.client.barriers[i]
		if k == HoldClient {
			p.held += add
		} else {
			p.cut += add
		}
		c.client.barriers[i] = p
	}
}

// strand chooses a leader to be cut off, and asks it for writes that it can't commit.
func (w *World) strand(r *rand.Rand) int {
	at := r.IntN(groupCount)
	for _, l := range w.lanes {
		if l.up() && l.groups[at].Role().Role == raft.Leader {
			w.burst(l, at, 1+r.IntN(10)*(1+2*at))
			return l.number
		}
	}
	return r.IntN(len(w.lanes))
}

// sever counts what lies in a direction's way, and tells the network.
func (w *World) sever(d way, k FaultKind, add int) {
	from, to := w.lanes[d.from].id, w.lanes[d.to].id
	set := func(counts map[way]int, on, off func(from, to raft.NodeID)) {
		if counts[d] += add; counts[d] > 0 {
			on(from, to)
		} else {
			off(from, to)
		}
	}
	switch k {
	case HoldOneWay, Freeze:
		set(w.holds, w.network.Hold, w.network.Release)
	case HoldAppends:
		set(w.appendHolds, func(from, to raft.NodeID) { w.network.HoldClass(from, to, transport.Bulk) },
			func(from, to raft.NodeID) { w.network.ReleaseClass(from, to, transport.Bulk) })
	default:
		set(w.cuts, w.network.Cut, w.network.Heal)
	}
}

// mend ends a fault of the plan.
func (w *World) mend(i int) {
	f, c := &w.Plan.Faults[i], &w.chosen[i]
	if w.mended[i] {
		return
	}
	w.mended[i] = true
	w.note(happening{what: faultEnded, fault: i, text: f.Kind.String(), ways: c.ways})
	if f.Kind == Freeze && !w.calm {
		w.askAtOnce(c.lane)
	}
	for _, d := range c.ways {
		w.sever(d, f.Kind, -1)
	}
	c.bar(f.Kind, -1)
	if c.plot != nil {
		c.plot.end(w)
	}
	l := c.lane
	if l == nil {
		return
	}
	if f.Kind == FillDisk {
		l.full = false
		l.disk.SetCapacity(0)
	}
	if c.remove != nil && l.boots == c.boot {
		c.remove()
		l.troubled--
	}
	if l.up() && l.stopped() {
		l.die(true) // as an operator does with a replica that has stopped
		l.restartIn(100 * time.Millisecond)
	}
}

// askAtOnce asks a node that still takes itself for a leader what is the latest, before it hears anything.
func (w *World) askAtOnce(l *lane) {
	for at, g := range l.groups {
		if l.up() && g.Role().Role == raft.Leader {
			w.reach.add(thawedLeaderAsked)
			w.inquire(l, at)
		}
	}
}

// stopped says that a replica of the node has failed.
func (l *lane) stopped() bool {
	for _, g := range l.groups {
		if g.Role().Err != nil {
			return true
		}
	}
	return false
}

// wipe empties a node's disk. The others know it by its old directory, so it has to stay out from then on. One that nobody has added, or whose addition
// is under way, is left alone: some have met it and some have not, so its id is spent, and an operator that goes on with it makes a member that those who
// have met it don't believe (ADR 0005).
func (w *World) wipe(l *lane, f *Fault) bool {
	known := false
	for at := range groupCount {
		known = known || w.laws.members[at].named(l.id)
	}
	if !l.node.Admitted() || !known || !l.joins && w.forgotten(l) {
		return false
	}
	l.die(false)
	l.Empty()
	l.sworn = [groupCount]raft.Term{}
	l.lost, l.foreign = false, true
	l.restartIn(f.For)
	return true
}

// forgotten says whether every founder but one has lost its directory. If that one lost its own, too, they would found another cluster of the
// same name, and nothing could tell them that they must not (ADR 0003).
func (w *World) forgotten(but *lane) bool {
	return !slices.ContainsFunc(w.founders(), func(l *lane) bool { return l != but && !l.foreign })
}
