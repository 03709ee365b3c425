package sim

import (
	"fmt"
	"math/rand/v2"
	"path"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// rot flips a bit in one of a node's files, in what is on the disk. From then on the node is one that has lost something: it may run on, and find it or
// not, but does not come back.
func (w *World) rot(l *lane, r *rand.Rand) bool {
	name, ok := l.anyFile(r)
	if !ok {
		return false
	}
	var size int64
	var err error
	l.disk.Peek(func() { size, err = l.disk.Stat(name) })
	if err != nil || size == 0 {
		return false
	}
	l.decays()
	switch path.Base(name) {
	case "NODE":
		w.reach.add(rotInNodeFile)
	case "GROUP":
		w.reach.add(rotInGroupFile)
	}
	return l.disk.Flip(name, r.Int64N(size), 1<<r.IntN(8)) == nil
}

// loseName takes a file's name away, and now and then that of a directory.
func (w *World) loseName(l *lane, r *rand.Rand) bool {
	name, ok := l.anyFile(r)
	if !ok {
		return false
	}
	for path.Dir(name) != "data" && r.IntN(6) == 0 {
		name = path.Dir(name)
	}
	l.decays()
	w.reach.add(nameLost)
	return l.disk.LoseName(name) == nil
}

// anyFile draws a file of a node: the node file, or one of a group.
func (l *lane) anyFile(r *rand.Rand) (string, bool) {
	if r.IntN(6) == 0 {
		return "data/NODE", true
	}
	files := filesOf(l.disk, groupDir(r.IntN(groupCount)))
	if len(files) == 0 {
		return "", false
	}
	return files[r.IntN(len(files))], true
}

// decays notes that something of what is durable is about to be damaged, and up to where each log has to reach when the node is started again, if it
// notices nothing: to its mark, as far as that is committed and can't be replaced. Where more than one thing was damaged nobody can tell: the mark may be
// gone first, and then what it covered.
func (l *lane) decays() {
	alone := !l.lost
	l.excused, l.lost, l.rotten = true, true, true
	l.promised = [groupCount]raft.Position{}
	if !alone {
		return
	}
	for at, g := range l.groups {
		known := l.world.laws.committed[at]
		var in *ledger.Inspection
		var err error
		l.disk.Peek(func() { in, err = ledger.Inspect(l.disk, groupDir(at)) })
		if i := g.Committed(); err == nil && i > g.Ledger().Base().ID.Index && i <= raft.Index(len(known)) {
			l.promised[at] = min(in.DurableEnd, known[i-1].end)
		}
	}
}

// filesOf lists the files below a directory, in order.
func filesOf(d *disk.Disk, dir string) []string {
	var names []string
	var err error
	d.Peek(func() { names, err = d.List(dir) })
	if err != nil {
		return []string{dir}
	}
	var files []string
	for _, name := range names {
		files = append(files, filesOf(d, dir+"/"+name)...)
	}
	return files
}

// oldDisk gives a node's machine what was on its disk when the cluster had been founded, in a directory of another UUID: with the right one it would have
// forgotten votes, and nothing could tell. The node has to refuse it, and is put away.
func (w *World) oldDisk(l *lane) bool {
	if l.old == nil {
		return false
	}
	l.die(false)
	mixed, err := w.aged(l)
	if err != nil {
		w.violate(fmt.Errorf("sim: giving %s an older disk: %w", l.id, err))
		return false
	}
	l.disk = mixed
	l.excused, l.lost, l.gone = true, true, true
	active := w.active
	w.active = nil
	if l.start() {
		w.violate(fmt.Errorf("%s started with the groups of an older directory", l.id))
	} else if l.Err == nil {
		w.reach.add(oldImageRefused)
	}
	w.active = active
	w.note(happening{what: stayedAway, lane: l.number})
	return true
}

// aged makes a disk with a new node file and the groups of the old disk.
func (w *World) aged(l *lane) (*disk.Disk, error) {
	identity := disk.New(w.random.Uint64())
	old := l.old.Clone()
	l.disk = identity
	if err := l.found(); err != nil {
		return nil, err
	}
	raw, err := fs.ReadFile(l.disk, "data/NODE")
	if err == nil {
		err = fs.WriteFileAtomic(old, "data", "data/NODE", raw)
	}
	return old, err
}
