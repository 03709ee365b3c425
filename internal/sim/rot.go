package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

// rot flips a bit in one of a node's files, in what is on the disk. From then on the node is one that has lost something: it may run on, and find it or
// not, but does not come back.
func (w *World) rot(l *lane, r *rand.Rand) bool {
	files := filesOf(l.disk, fmt.Sprintf("data/groups/%016x", 1+r.IntN(groupCount)))
	if len(files) == 0 {
		return false
	}
	name := files[r.IntN(len(files))]
	var size int64
	var err error
	l.disk.Peek(func() { size, err = l.disk.Stat(name) })
	if err != nil || size == 0 {
		return false
	}
	l.excused, l.lost, l.rotten = true, true, true
	return l.disk.Flip(name, r.Int64N(size), 1<<r.IntN(8)) == nil
}

// filesOf lists the files below a directory, in order.
func filesOf(d *disk.Disk, dir string) []string {
	var names []string
	var err error
	d.Peek(func() { names, err = d.List(dir) })
	if err != nil {
		return nil
	}
	var files []string
	for _, name := range names {
		at := dir + "/" + name
		if strings.Contains(name, ".") || !strings.Contains(name, "-") {
			files = append(files, at)
		} else {
			files = append(files, filesOf(d, at)...)
		}
	}
	return files
}
