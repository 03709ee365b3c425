package sim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

type transportClass = transport.Class

// World is a cluster, its clients and everything that goes wrong with them, on one goroutine and in virtual time.
type World struct {
	*Cluster
	Plan   Plan
	random *rand.Rand
	agenda agenda
	lanes  []*lane
	// ready is scratch: the loops that can turn now.
	ready   []readyLoop
	clients []*client
	history check.History
	// unsettled: the checker could not decide whether all keys of the history fit at once.
	unsettled bool
	// callers counts those who asked for a write besides the clients.
	callers int
	laws    laws
	reach   Reached
	trace   trace

	// active is the lane whose turn is under way, and depth how many turns are.
	active *lane
	depth  int
	// calm: nothing goes wrong any more by the weather.
	calm bool
	// mended are the faults of the plan that were undone.
	mended []bool
	// chosen is what each fault of the plan came to.
	chosen []choice
	// lull is until when the clients begin nothing.
	lull time.Duration
	// wishes are the changes of the membership that were asked for.
	wishes []*wish
	// program is the highest entry format that the newest program knows, and raises are the formats that were asked for.
	program uint32
	raises  []*raising
	// cuts, holds and appendHolds count what lies in the way of each direction.
	cuts, holds, appendHolds map[way]int
	events                   uint64
}

// readyLoop is a loop that can turn now.
type readyLoop struct {
	lane *lane
	loop *laneLoop
	// at is its place among the lane's.
	at int
}

const (
	// eventTime is what anything that happens takes.
	eventTime = 2 * time.Microsecond
	// maxDepth bounds the turns that are under way at once.
	maxDepth = 3
	// dialEvery is how often links that are down are tried.
	dialEvery = 50 * time.Millisecond
)

// NewWorld makes the world of a plan; nothing has happened in it yet. record says whether everything that happens is kept for a trace.
func NewWorld(p Plan, record bool, logger *slog.Logger) *World {
	w := &World{Plan: p, program: node.FormatVersion, random: rand.New(rand.NewPCG(p.Seed, 0x5eed)), mended: make([]bool, len(p.Faults)), chosen: make([]choice, len(p.Faults)),
		cuts: map[way]int{}, holds: map[way]int{}, appendHolds: map[way]int{}}
	w.trace.record = record
	w.laws.world, w.laws.segments = w, map[segmentFile]string{}
	machines := &recordedMachines{world: w}
	w.Cluster = NewCluster(Options{
		Seed: p.Seed, Nodes: p.Nodes, Groups: worldGroups(p), Machines: machines.of, Logger: logger, TickInterval: p.Tick, QuietAfter: p.Quiet,
		FS:    func(d *disk.Disk) fs.FS { return w.prepare(d) },
		Clock: func(i int) node.Clock { return &w.lanes[i].clock },
		Hooks: w.hooks,
		Sent:  w.sent,
	})
	w.network.SetDelay(w.delay)
	for range p.Spares {
		w.Cluster.Add()
	}
	for i, s := range w.servers {
		l := &lane{Server: s, world: w, clock: laneClock{world: &w.Cluster.clock}}
		l.format, l.knows = w.program, w.program
		if i < p.Nodes {
			l.clock.skew = p.Skew[i]
		}
		w.lanes = append(w.lanes, l)
	}
	for at := range w.laws.members {
		w.laws.members[at] = newMembership(w.founders())
	}
	for i := range p.Clients {
		w.clients = append(w.clients, newClient(w, i))
	}
	return w
}

const (
	// worldSegment is the size of the segments of both groups, in bytes, the smallest there is.
	worldSegment = 1 << 16
	// localPage is the part of a segment file before the log's bytes (docs/format.md, "Segment file").
	localPage = 4096
	// electionTimeout is the nodes' own default.
	electionTimeout = 500 * time.Millisecond
)

// worldGroups are a store and a log with limits so small that a short run meets them.
func worldGroups(p Plan) []node.GroupOptions {
	return []node.GroupOptions{
		{ID: 1, Name: kvGroup, SegmentSize: worldSegment, ImageEveryEntries: 40, KeepBytes: 8 << 10, TailBytes: p.Tail, AppendBytes: p.Append, InflightBytes: p.Inflight,
			Lease: p.Lease},
		{ID: 2, Name: logGroup, SegmentSize: worldSegment, KeepBytes: 16 << 10, TailBytes: p.Tail, AppendBytes: p.Append, InflightBytes: p.Inflight, Lease: p.Lease},
	}
}

// prepare hooks a disk into the world.
func (w *World) prepare(d *disk.Disk) fs.FS {
	for _, l := range w.lanes {
		if l.disk == d {
			d.Before = l.before
		}
	}
	return d
}

// delay draws how long a frame travels.
func (w *World) delay(raft.NodeID, raft.NodeID, transport.Class) time.Duration {
	weather := &w.Plan.Weather
	if w.calm {
		return time.Millisecond
	}
	d := weather.Delay + time.Duration(w.random.Int64N(int64(weather.Jitter)))
	if w.chance(weather.Spike) {
		d *= 20
	}
	return d
}

// chance is true with probability p. What can't happen draws nothing.
func (w *World) chance(p float64) bool { return p > 0 && !w.calm && w.random.Float64() < p }

// begin starts the nodes, the clients and the plan.
func (w *World) begin() {
	for _, l := range w.founders() {
		if !l.start() {
			l.restartIn(200 * time.Millisecond)
		}
		w.agenda.add(w.Now(), tickEvent, l.number, 0)
	}
	w.agenda.add(w.Now(), dialEvent, 0, 0)
	for i := range w.clients {
		w.agenda.add(w.Now()+100*time.Millisecond, wakeEvent, i, 0)
	}
}

// found waits, unless the plan says otherwise, until the nodes have recognised each other, with nothing going wrong: a cluster that loses a
// member for good before it is founded never is (ADR 0003). Then the plan's faults are put on the agenda.
func (w *World) found() error {
	if w.calm {
		if err := w.run("the cluster's foundation", foundWithin, w.founded); err != nil {
			return err
		}
		w.calm = false
	}
	if slices.ContainsFunc(w.Plan.Faults, func(f Fault) bool { return f.Kind == OldDisk }) {
		for _, l := range w.founders() {
			l.old = l.disk.KillProcess()
		}
	}
	w.network.SetClassFaults(transport.Control, transport.ManualFaults{Drop: w.Plan.Weather.Drop, Duplicate: w.Plan.Weather.Duplicate})
	w.network.SetClassFaults(transport.Bulk, transport.ManualFaults{Duplicate: w.Plan.Weather.Duplicate})
	for i, f := range w.Plan.Faults {
		w.agenda.add(w.Now()+f.At, faultEvent, 0, i)
	}
	return nil
}

// foundWithin is how long a cluster takes at most to be founded when nothing goes wrong.
const foundWithin = 5 * time.Second

// founders are the nodes with which the cluster begins.
func (w *World) founders() []*lane { return w.lanes[:w.Plan.Nodes] }

// founded says whether every node takes part.
func (w *World) founded() bool {
	for _, l := range w.founders() {
		if l.up() && l.node.Admitted() {
			l.admitted = true
		}
		if !l.admitted {
			return false
		}
	}
	return true
}

// step makes one thing happen: what is due, a turn of a loop, or the arrival of a frame. While nothing can happen time goes on.
func (w *World) step() {
	w.events++
	w.Cluster.clock.now += eventTime
	now := w.Now()
	w.network.SetNow(now)
	if at, ok := w.agenda.next(); ok && at <= now {
		w.keep(w.agenda.take())
		return
	}
	wait := w.collect()
	ripe, next, travelling := w.network.Ripe()
	if len(w.ready)+ripe == 0 {
		w.skip(wait, next, travelling)
		return
	}
	if i := w.random.IntN(len(w.ready) + ripe); i < len(w.ready) {
		w.turn(w.ready[i])
	} else {
		w.arrive(i - len(w.ready))
	}
}

// forever is later than anything that happens.
const forever = time.Duration(1) << 62

// collect finds the loops that can turn now, and gives the time at which the next one can that is held up.
func (w *World) collect() (wait time.Duration) {
	w.ready = w.ready[:0]
	wait = forever
	now := w.Now()
	for _, l := range w.lanes {
		if !l.woken() {
			continue
		}
		for i, x := range l.loops {
			if !x.Ready() || x.running || l.busy && x.kind.usesDisk() {
				continue
			}
			until := max(x.held, l.paused)
			if x.kind.usesDisk() {
				until = max(until, l.stalled)
			}
			if until <= now {
				w.ready = append(w.ready, readyLoop{l, x, i})
			} else {
				wait = min(wait, until)
			}
		}
	}
	return wait
}

// skip goes on to the time at which something happens next.
func (w *World) skip(wait, next time.Duration, travelling bool) {
	if travelling {
		wait = min(wait, next)
	}
	for {
		at, ok := w.agenda.next()
		if !ok || at > wait {
			break
		}
		// It comes first, so there is no need to look around again; nor after it, when it was a tick at which nobody had anything to do.
		w.Cluster.clock.now = max(w.Now(), at)
		w.network.SetNow(w.Now())
		a := w.agenda.take()
		w.keep(a)
		if a.kind != tickEvent || w.violation != nil || w.lanes[a.who].woken() {
			return
		}
		w.events++
		w.Cluster.clock.now += eventTime
	}
	if wait != forever {
		w.Cluster.clock.now = max(w.Now(), wait-eventTime)
	}
}

// woken says that a loop of the lane may have been woken.
func (l *lane) woken() bool { return l.up() && l.node.Woken() }

// turn lets a loop turn.
func (w *World) turn(r readyLoop) {
	l, x := r.lane, r.loop
	life, kind, asked, ops := l.life, x.kind, l.asked, 0
	w.trace.event(uint64(w.Now()), uint64(l.number)<<8|uint64(r.at))
	before := w.active
	w.active, x.running = l, true
	if kind.usesDisk() {
		l.busy, ops = true, l.ops()
	}
	l.ran = l.ran || kind == ownerLoop
	w.depth++
	x.Turn()
	w.depth--
	w.active = before
	if l.life != life {
		return // the node has lost its power in the middle of the turn
	}
	x.running = false
	switch kind {
	case peersLoop:
		l.relist()
	case ownerLoop:
		l.asked = l.asked && !asked
	}
	wrote := false
	if kind.usesDisk() {
		l.busy, wrote = false, l.ops() != ops
	}
	w.hold(l, x, wrote)
	w.after(l)
}

// hold draws for how long a loop does not run after a turn. wrote: it has changed the disk, for which it waits.
func (w *World) hold(l *lane, x *laneLoop, wrote bool) {
	weather := &w.Plan.Weather
	if w.chance(weather.Lag) {
		x.held = w.Now() + time.Duration(w.random.Int64N(int64(weather.LagFor)))
	}
	if wrote && w.chance(weather.Slow) {
		x.held = max(x.held, w.Now()+time.Duration(w.random.Int64N(int64(weather.SlowFor))))
	}
}

// after looks at a lane after something happened on it.
func (w *World) after(l *lane) {
	if l.disk.Crashed() {
		l.crashed()
		return
	}
	w.laws.look(l)
	if l.foreign && l.letIn() {
		w.violate(fmt.Errorf("%s came back with an empty disk and was let in", l.id))
	}
	l.errands = slices.DeleteFunc(l.errands, (*errand).poll)
	for i := 0; i < len(l.waiting); {
		if c := l.waiting[i]; c.poll() {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
		} else {
			i++
		}
	}
}

// delicate is a moment at which files change for good on a lane: now and then its power is cut soon after.
func (w *World) delicate(l *lane) {
	if w.chance(w.Plan.Weather.CutDelicate) && !l.disk.Crashed() {
		l.disk.CrashAt(l.disk.Ops() + 1 + w.random.IntN(16))
		w.reach.add(powerCutWhenDelicate)
	}
}

// letIn says that a node that is to stay out was taken for a member: as one of the first, or by a leader that spoke to it.
func (l *lane) letIn() bool {
	if !l.joins && l.node.Admitted() {
		return true
	}
	return slices.ContainsFunc(l.groups[:], func(g *node.Group) bool { return g.Ledger().Last().Index > 0 })
}

// crashed is a lane whose disk has stopped at an I/O.
func (l *lane) crashed() {
	w := l.world
	w.reach.add(powerCutAtIO)
	l.die(w.random.IntN(3) == 0)
	l.restartIn(time.Duration(w.random.Int64N(int64(2 * time.Second))))
}

// arrive delivers the frame of the i-th link on which one has arrived.
func (w *World) arrive(i int) {
	link, bytes := w.network.DeliverRipe(i)
	w.hear(link.From, link.To)
	w.trace.event(uint64(w.Now()), uint64(bytes)<<16|uint64(link.Class)<<8|uint64(len(link.From)+int(link.From[len(link.From)-1])^int(link.To[len(link.To)-1])<<3))
	if w.chance(w.Plan.Weather.Reset) {
		if w.network.Reset(link.From, link.To, link.Class) {
			w.note(happening{what: linkReset, lane: w.number(link.From), peer: w.number(link.To)})
			w.reach.add(resetWithFramesUnderWay)
		}
	}
}

// number is a node's lane.
func (w *World) number(id raft.NodeID) int {
	for _, l := range w.lanes {
		if l.id == id {
			return l.number
		}
	}
	panic("sim: there is no node " + string(id))
}

// between lets a few things happen while a loop is in the middle of an I/O.
func (w *World) between(l *lane) {
	for range 1 + w.random.IntN(12) {
		w.step()
		if w.violation != nil {
			return
		}
	}
	w.reach.add(turnsWithinIO)
}

// keep keeps an appointment.
func (w *World) keep(a appointment) {
	w.trace.event(uint64(w.Now()), 1<<32|uint64(a.kind)<<16|uint64(a.who))
	switch a.kind {
	case tickEvent:
		l := w.lanes[a.who]
		w.agenda.add(w.Now()+w.Plan.Tick, tickEvent, a.who, 0)
		if l.up() && l.paused <= w.Now() {
			w.inOffice(l)
			l.node.Tick()
		}
	case dialEvent:
		active := w.active
		w.active = nil
		w.network.Dial()
		w.active = active
		w.agenda.add(w.Now()+dialEvery, dialEvent, 0, 0)
	case faultEvent:
		w.strike(a.number)
	case actEvent:
		w.act(a.number, act(a.who))
	case mendEvent:
		w.mend(a.number)
	case restartEvent:
		w.restart(w.lanes[a.who], a.number)
	case wakeEvent:
		w.clients[a.who].wake()
	case answerEvent:
		w.clients[a.who].answered(a.number)
	case giveUpEvent:
		w.clients[a.who].giveUp(a.number)
	case wishEvent:
		w.pursue(a.number)
	case upgradeEvent:
		w.upgrade(w.lanes[a.who], uint32(a.number))
	case raiseEvent:
		w.pursueFormat(a.number)
	}
}

// restartIn puts a lane's next start on the agenda, in place of one that is there already.
func (l *lane) restartIn(d time.Duration) {
	l.starts++
	l.world.agenda.add(l.world.Now()+max(d, time.Millisecond), restartEvent, l.number, l.starts)
}

// restart starts a lane again, or tries later.
func (w *World) restart(l *lane, number int) {
	if number != l.starts || l.up() || l.gone {
		return
	}
	active := w.active
	w.active = nil // nothing goes on in the middle of a start
	defer func() { w.active = active }()
	if l.lost {
		l.probe()
		l.gone = true // what its disk had promised is not there, so it may not take part any more
		w.note(happening{what: stayedAway, lane: l.number})
		return
	}
	if !l.start() {
		l.restartIn(200 * time.Millisecond)
	}
}

// run goes on until done, or until the virtual time limit is over.
func (w *World) run(what string, limit time.Duration, done func() bool) error {
	end := w.Now() + limit
	for !done() {
		if w.Now() > end {
			return fmt.Errorf("liveness: still waiting for %s after %v", what, limit)
		}
		w.step()
		if w.violation != nil {
			return w.violation
		}
	}
	return nil
}
