package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// The groups of a World, by their place in lane.groups.
const (
	kvAt = iota
	logAt
	groupCount
)

// loopKind says which of a node's loops one is.
type loopKind uint8

const (
	ownerLoop loopKind = iota
	syncerLoop
	applierLoop
	provisionerLoop
	imagesLoop
	peersLoop
	linkLoop
)

// usesDisk says that a loop of this kind waits for the disk.
func (k loopKind) usesDisk() bool {
	return k == syncerLoop || k == provisionerLoop || k == imagesLoop
}

func kindOf(l *node.Loop) loopKind {
	switch name := l.Name(); {
	case strings.HasPrefix(name, "owner"):
		return ownerLoop
	case name == "syncer":
		return syncerLoop
	case name == "applier":
		return applierLoop
	case name == "provisioner":
		return provisionerLoop
	case name == "images":
		return imagesLoop
	case name == "peers":
		return peersLoop
	}
	return linkLoop
}

// lane is what a World knows of one server.
type lane struct {
	*Server
	world *World
	clock laneClock

	// life rises whenever a node starts or goes down: what an earlier one still does on the stack is the work of a dead process.
	life int

	// What follows is of the running node; it is made anew when a node starts.
	loops  []*laneLoop
	groups [groupCount]*node.Group
	seen   [groupCount]progress
	// busy: a turn of a loop that writes files is under way.
	busy bool
	// ran: the owner has turned since the last tick. heard is when a frame of each node has arrived last.
	ran     bool
	heard   map[raft.NodeID]time.Duration
	offices [groupCount]office
	// excused: a fault was injected that may stop a replica of this node.
	excused bool

	// paused is until when the node does not run, stalled until when its disk does not answer.
	paused, stalled time.Duration
	// fell is when the node went down last.
	fell time.Duration
	// full: the disk has no space at the moment.
	full bool
	// troubled counts the faults of the disk that are in force.
	troubled int
	// lost: the disk has lost something that it had promised to keep, so the node must not come back with it. gone: it will not come back.
	lost, gone bool
	// foreign: it came back with an empty disk and must stay out.
	foreign bool
	// knows is the highest entry format that the program knows which ran here last.
	knows uint32
	// admitted: every other node has recognised this one.
	admitted bool
	// rotten: of what is durable a bit has flipped.
	rotten bool
	// beats is when the node sent a heartbeat of each group last.
	beats [groupCount]time.Duration
	// asked: a membership change was handed to the node that its owner has not looked at yet.
	asked bool
	// promised is up to where each log has to reach, or damage to be noticed, after something was damaged. old is what was on the disk after the
	// foundation, if the plan wants that back.
	promised [groupCount]raft.Position
	old      *disk.Disk
	// starts numbers the starts that are on the agenda: the last one counts.
	starts int
	// base is where each group's log is known to have begun at least.
	base [groupCount]raft.EntryID
	// epochs is the ledger directory in which each group's records were found last.
	epochs [groupCount]uint32
	// sworn is the highest term in which it acknowledged an entry of each group.
	sworn [groupCount]raft.Term
	// waiting are the clients that wait for an answer from this node, errands the writes that it was asked for besides.
	waiting []*client
	errands []*errand
}

// laneLoop is a loop of a running node.
type laneLoop struct {
	*node.Loop
	kind loopKind
	// held is until when the loop is not run: its goroutine has no processor, or waits for the disk.
	held    time.Duration
	running bool
}

// progress is how far a replica was when it was looked at last.
type progress struct {
	commit, applied raft.Index
	term            raft.Term
	tip             ledger.Tip
	base            raft.Index
	// configuration is the entry of the one in force.
	configuration raft.EntryID
	// format is the one in force behind the last entry.
	format uint32
}

// laneClock is a node's clock: it goes a little faster or slower than true time, and its time of day may jump.
type laneClock struct {
	world *clock
	skew  int // parts of a million
	jump  time.Duration
}

func (c *laneClock) scaled() time.Duration {
	return c.world.now + c.world.now*time.Duration(c.skew)/1_000_000
}

// Monotonic is the time since the run began, as this node sees it.
func (c *laneClock) Monotonic() raft.Monotonic { return raft.Monotonic(c.scaled()) }

// Wall is a date.
func (c *laneClock) Wall() int64 { return epoch + int64(c.scaled()+c.jump) }

// up says that a node runs.
func (l *lane) up() bool { return l.node != nil }

// attach takes in the node that has just started.
func (l *lane) attach() {
	l.loops = nil
	l.relist()
	l.groups = [groupCount]*node.Group{l.node.Group(kvGroup), l.node.Group(logGroup)}
	l.seen, l.knows = [groupCount]progress{}, l.format
	l.busy, l.asked, l.ran, l.heard, l.offices = false, false, false, nil, [groupCount]office{}
}

// relist takes in the loops that have come and leaves out those that have gone: links do both.
func (l *lane) relist() {
	var next []*laneLoop
	for _, x := range l.node.Loops() {
		at := slices.IndexFunc(l.loops, func(y *laneLoop) bool { return y.Loop == x })
		if at >= 0 {
			next = append(next, l.loops[at])
		} else {
			next = append(next, &laneLoop{Loop: x, kind: kindOf(x)})
		}
	}
	l.loops = next
}

// start starts a node on the lane's disk. It reports false when that did not come about, for a reason that is no violation.
func (l *lane) start() bool {
	w := l.world
	l.excused = l.troubled > 0 || l.full
	l.life++
	l.trouble()
	found := l.disk.Clone()
	err := l.Start()
	l.calmStart()
	if err != nil {
		l.Kill()
		if l.excused || l.full || l.lost {
			l.Err = nil // an operator would look at the disk and try again
			w.reach.add(startRefused)
			w.note(happening{what: refusedToStart, lane: l.number, text: err.Error()})
			return false
		}
		w.violate(err)
		return false
	}
	if l.node == nil {
		w.reach.add(powerCutInRecovery)
		w.note(happening{what: lostPower, lane: l.number, text: "while starting"})
		return false
	}
	l.attach()
	if l.fell > 0 && w.Now()-l.fell < w.Plan.Lease {
		w.reach.add(restartUnderLease)
	}
	w.note(happening{what: started, lane: l.number})
	w.laws.begins(l)
	for at, g := range l.groups {
		if fillerAt(found, at, g.Ledger().End()) {
			w.reach.add(tornTailInFiller)
		}
	}
	return true
}

// trouble makes a start go wrong now and then: the power is cut in the middle, or the disk fails.
func (l *lane) trouble() {
	w := l.world
	for at := range groupCount {
		if len(ledgersOf(l.disk, at)) > 1 {
			w.reach.add(installInterrupted)
		}
	}
	switch weather := &w.Plan.Weather; {
	case w.chance(weather.CutStart):
		l.disk.CrashAt(l.disk.Ops() + 1 + w.random.IntN(60))
	case w.chance(weather.BadStart):
		l.excused = true
		l.disk.Inject(disk.Fault{Ops: [][]disk.OpKind{{disk.OpRead}, {disk.OpWrite, disk.OpZero}, {disk.OpDatasync, disk.OpSyncDir}}[w.random.IntN(3)],
			Skip: w.random.IntN(20), Count: 1, Evict: w.random.IntN(2) == 0})
	}
}

// calmStart takes back what trouble has arranged and what has not come about.
func (l *lane) calmStart() {
	if l.node != nil {
		l.disk.Mend()
	}
}

// ledgersOf lists the ledger directories of a group; none when there is no group yet.
func ledgersOf(d *disk.Disk, at int) []string {
	var names []string
	d.Peek(func() { names, _ = d.List(groupDir(at)) })
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, "ledger-") })
}

// fillerAt says whether a filler stood where the log ends: what was to follow it in the next segment was not there.
func fillerAt(d *disk.Disk, at int, end raft.Position) bool {
	dirs := ledgersOf(d, at)
	if len(dirs) == 0 || end%worldSegment == 0 {
		return false
	}
	name := fmt.Sprintf("%s/%s/%016x.seg", groupDir(at), dirs[len(dirs)-1], end/worldSegment)
	b, ok := d.Durable(name, localPage+int64(end%worldSegment), 2)
	return ok && string(b) == "LF"
}

// groupDir is where a node keeps a group.
func groupDir(at int) string { return fmt.Sprintf("data/groups/%016x", at+1) }

// probe starts a node whose disk has lost something, before it is put away: what is damaged below the mark has to be found.
func (l *lane) probe() {
	w := l.world
	if !l.rotten {
		return
	}
	var marks [groupCount]raft.Position
	for at := range marks {
		if in, err := ledger.Inspect(l.disk, groupDir(at)); err == nil {
			marks[at] = in.DurableEnd
		}
	}
	l.excused = true
	if !l.start() {
		w.reach.add(rotFound)
		return
	}
	for at, g := range l.groups {
		if end, least := g.Ledger().End(), max(marks[at], l.promised[at]); end < least {
			w.violate(fmt.Errorf("%s has lost group %d from %d to %d, and did not notice", l.id, at+1, end, least))
		}
	}
	l.die(true)
}

// found makes a node's directory on the lane's disk, without groups.
func (l *lane) found() error {
	n, err := node.Open(node.Options{Dir: "data", ID: l.id, Join: true, Peers: []node.Peer{{ID: l.id, Address: l.Address()}}, FS: l.disk, Clock: &l.clock, Owners: 1,
		Manual: true, Seed: l.world.random.Uint64(), Logger: l.cluster.opts.Logger, Transport: l.cluster.network.Transport(l.id)})
	if err != nil {
		return err
	}
	return n.Close()
}

// die takes the lane's node down. Some of what it had handed to the network arrives all the same. With power it keeps what it wrote.
func (l *lane) die(power bool) {
	w := l.world
	if l.up() {
		l.dies()
		w.network.Flush(l.id, func(_ raft.NodeID, _ transportClass, waiting int) int { return w.random.IntN(waiting + 1) })
	}
	for len(l.waiting) > 0 {
		c := l.waiting[len(l.waiting)-1]
		l.waiting = l.waiting[:len(l.waiting)-1]
		c.dropped()
	}
	for _, d := range l.errands {
		d.fail(errBroken)
	}
	l.errands = nil
	for i, g := range l.groups {
		if l.up() && g != nil {
			l.base[i] = g.Ledger().BaseID()
		}
	}
	what := lostPower
	if power {
		what = wasKilled
	}
	w.note(happening{what: what, lane: l.number})
	l.loops = nil
	l.life++
	if power {
		l.Kill()
	} else {
		l.PowerCut()
	}
	l.troubled = 0
	l.fell = w.Now()
	l.stalled, l.paused = 0, 0
}

// ops counts the changes that the node has asked its disk for.
func (l *lane) ops() int { return l.disk.Ops() }

// before is asked before each operation of the lane's disk: in the middle of a write or flush the other loops of the world go on.
func (l *lane) before(op disk.Op) error {
	w := l.world
	if op.Kind < disk.OpWrite {
		return nil
	}
	if w.active == l && l.busy && w.depth < maxDepth && w.chance(w.Plan.Weather.Between) {
		w.between(l)
	}
	return nil
}
