package disk

import (
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Fault makes operations fail. One that fails has done nothing, but for Datasync (see Evict); after a failed SyncDir the names
// are still to be synced, and the next one does it.
type Fault struct {
	// Ops says which operations fail; none means all of them.
	Ops []OpKind
	// Path says on which files: a pattern of path.Match, without a leading slash, for the whole path when it has a slash
	// in it and for its last part otherwise. Empty means all.
	Path string
	// Skip lets so many of the operations pass first.
	Skip int
	// Count is how many fail then. 0 means all.
	Count int
	// Err is what they fail with; nil means ErrIO. The caller finds it by errors.Is.
	Err error
	// Evict, for a Datasync: the kernel drops what it could not write, and reads show what is on the disk. Otherwise it goes on
	// showing what was written. In both cases the file counts as clean: the next Datasync succeeds and makes nothing of it
	// durable (the lying kernel, assumption 4 of docs/format.md).
	Evict bool
}

// fault is an injected Fault and what is left of it.
type fault struct {
	Fault
	skip, count int
}

func (f *fault) err() error {
	if f.Err != nil {
		return f.Err
	}
	return ErrIO
}

// Inject adds a fault; remove takes it away again. Of several that fit the first injected one fails the operation. It panics
// on a pattern that path.Match refuses.
func (d *Disk) Inject(f Fault) (remove func()) {
	if _, err := path.Match(f.Path, ""); err != nil {
		panic("disk: fault with the path pattern " + f.Path + ": " + err.Error())
	}
	injected := &fault{Fault: f, skip: f.Skip, count: f.Count}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, injected)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.faults = slices.DeleteFunc(d.faults, func(g *fault) bool { return g == injected })
	}
}

// Mend takes every fault away, the crash point and a misplacement that has not come about.
func (d *Disk) Mend() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.misplaced, d.crashAt = nil, nil, 0
}

// Peek runs f, for which there is no fault and no hook: it is not the system under test that reads then. f must not change anything.
func (d *Disk) Peek(f func()) {
	d.setPeeking(true)
	defer d.setPeeking(false)
	f()
}

func (d *Disk) setPeeking(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.peeking = on
}

// fault finds the fault that fails an operation, and counts it down. The lock is held.
func (d *Disk) fault(op Op) *fault {
	for i, f := range d.faults {
		if !f.fits(op) {
			continue
		}
		if f.skip > 0 {
			f.skip--
			continue
		}
		if f.count == 1 {
			d.faults = slices.Delete(slices.Clone(d.faults), i, i+1)
		}
		f.count--
		return f
	}
	return nil
}

func (f *fault) fits(op Op) bool {
	if len(f.Ops) > 0 && !slices.Contains(f.Ops, op.Kind) {
		return false
	}
	if f.Path == "" {
		return true
	}
	name := op.Path
	if !strings.Contains(f.Path, "/") {
		name = path.Base(name)
	}
	ok, _ := path.Match(f.Path, name)
	return ok
}

// Flip inverts the bits of mask in the byte at off of a file, in what the kernel shows and on the disk alike: bit rot. It
// is not an operation and needs no sync. It fails when there is no such file or byte.
func (d *Disk) Flip(name string, off int64, mask byte) error {
	op := Op{Kind: OpWrite, Path: clean(name), Off: off, Len: 1}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.lookup(op.Path)
	switch {
	case err != nil:
		return pathError(op, err)
	case n.isDir():
		return pathError(op, syscall.EISDIR)
	case off < 0 || off >= n.content.size:
		return pathError(op, syscall.EINVAL)
	}
	before := n.content.allocated
	n.content.flip(off, mask)
	d.used += n.content.allocated - before
	return nil
}

// LoseName takes a name of a file or directory away, in what the kernel shows and on the disk alike: what an entry of a directory comes to whose
// bits have rotted. It is not an operation and needs no sync. It fails when there is no such name.
func (d *Disk) LoseName(name string) error {
	op := Op{Kind: OpRemove, Path: clean(name)}
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base, err := d.parent(op.Path)
	if err != nil {
		return pathError(op, err)
	}
	n := dir.entries[base]
	if n == nil {
		return pathError(op, iofs.ErrNotExist)
	}
	dir.sync() // what was pending of other names may have become durable at any moment
	delete(dir.entries, base)
	delete(dir.durable, base)
	if !n.isDir() {
		d.drop(n)
	}
	return nil
}

// flip inverts bits in every version of the sector.
func (c *content) flip(off int64, mask byte) {
	at, in := int(off/SectorSize), int(off%SectorSize)
	rot := func(s *sector) *sector {
		rotten := new(sector)
		if s != nil {
			*rotten = *s
		}
		rotten[in] ^= mask
		return rotten
	}
	c.own(sectors(c.size))
	c.now[at] = rot(c.now[at])
	if off < c.syncedSize {
		c.ownSynced(at + 1)
		c.synced[at] = rot(c.synced[at])
	}
	for _, versions := range []*[]version{&c.dirty, &c.lost} {
		*versions = slices.Clone(*versions)
		for i, v := range *versions {
			if v.at == at {
				(*versions)[i].data = rot(v.data)
			}
		}
	}
	c.recount()
}
