package disk

import (
	iofs "io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
)

// inode is a file (content is set) or a directory. It is guarded by the mutex of the disk it belongs to.
type inode struct {
	id      uint64
	content *content

	// entries is the directory as the kernel shows it, durable as the disk has it, and pending, in order, what lies between
	// them. Invariant: durable with all of pending applied is entries.
	entries map[string]*inode
	durable map[string]*inode
	pending []*change

	names int // directory entries, as the kernel shows them, that lead here
	opens int // open files
}

func (n *inode) isDir() bool { return n.content == nil }

// change is what an operation did to one name of a directory, not yet synced. A rename within a directory is one change, so
// that it happens wholly or not at all.
type change struct {
	seq int
	// set: name leads to node from now on.
	set  string
	node *inode
	// unset: name no longer leads to node.
	unset string
	gone  *inode
	// needs: this half of a rename out of the directory is only ever kept together with the other half, a set in dir. For
	// a directory the reverse holds too.
	needs *change
	dir   *inode
	// neededBy is the reverse of needs, in the directory from, for a directory that moved.
	neededBy *change
	from     *inode
}

// apply makes the change in a directory's entries. A name that meanwhile leads elsewhere is not unset.
func (c *change) apply(entries map[string]*inode) {
	if c.unset != "" && entries[c.unset] == c.gone {
		delete(entries, c.unset)
	}
	if c.set != "" {
		entries[c.set] = c.node
	}
}

// alter makes a change in a directory and leaves it pending.
func (n *inode) alter(c *change) {
	c.apply(n.entries)
	n.pending = append(n.pending, c)
}

// sync makes all pending changes durable.
func (n *inode) sync() {
	pending := n.pending
	n.pending = nil
	for _, c := range pending {
		c.apply(n.durable)
	}
	for _, c := range pending {
		if c.needs != nil {
			c.dir.force(c.needs)
		}
		if c.neededBy != nil {
			c.from.force(c.neededBy)
		}
	}
}

// force makes one pending change durable out of turn. It supersedes what earlier changes did to the same names.
func (n *inode) force(c *change) {
	at := slices.Index(n.pending, c)
	if at < 0 {
		return // synced already
	}
	for _, p := range n.pending[:at] {
		if p.set == c.set || p.set == c.unset {
			p.set, p.node = "", nil
		}
		if p.unset == c.set || p.unset == c.unset {
			p.unset, p.gone = "", nil
		}
	}
	n.pending = slices.Delete(n.pending, at, at+1)
	c.apply(n.durable)
}

// newDir and newFile make inodes without a name.
func (d *Disk) newDir() *inode {
	d.lastID++
	return &inode{id: d.lastID, entries: map[string]*inode{}, durable: map[string]*inode{}}
}

func (d *Disk) newFile() *inode {
	d.lastID++
	return &inode{id: d.lastID, content: &content{}}
}

// clean brings a path into the one form under which the disk knows it: no leading slash, "." for the root.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return "."
	}
	return name
}

// lookup finds what a clean path leads to.
func (d *Disk) lookup(name string) (*inode, error) {
	n := d.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.isDir() {
			return nil, syscall.ENOTDIR
		}
		next := n.entries[part]
		if next == nil {
			return nil, iofs.ErrNotExist
		}
		n = next
	}
	return n, nil
}

// parent finds the directory that holds, or would hold, the last part of a clean path.
func (d *Disk) parent(name string) (dir *inode, base string, err error) {
	if name == "." {
		return nil, "", syscall.EINVAL
	}
	dir, err = d.lookup(clean(path.Dir(name)))
	if err != nil {
		return nil, "", err
	}
	if !dir.isDir() {
		return nil, "", syscall.ENOTDIR
	}
	return dir, path.Base(name), nil
}

// link makes a new inode under a name that must be free.
func (d *Disk) link(name string, make func() *inode) (*inode, error) {
	dir, base, err := d.parent(name)
	if err != nil {
		return nil, err
	}
	if dir.entries[base] != nil {
		return nil, iofs.ErrExist
	}
	n := make()
	n.names = 1
	dir.alter(&change{seq: d.ops, set: base, node: n})
	return n, nil
}

// unlink removes a name that leads to a file or an empty directory.
func (d *Disk) unlink(name string) error {
	dir, base, err := d.parent(name)
	if err != nil {
		return err
	}
	n := dir.entries[base]
	if n == nil {
		return iofs.ErrNotExist
	}
	if n.isDir() && len(n.entries) > 0 {
		return syscall.ENOTEMPTY
	}
	dir.alter(&change{seq: d.ops, unset: base, gone: n})
	d.drop(n)
	return nil
}

// drop takes one name from an inode, and its space back when nothing leads to it any more.
func (d *Disk) drop(n *inode) {
	n.names--
	d.reclaim(n)
}

func (d *Disk) reclaim(n *inode) {
	if n.names == 0 && n.opens == 0 && !n.isDir() {
		d.used -= n.content.allocated
		n.content.allocated = 0
	}
}

// move renames. Both paths are clean.
func (d *Disk) move(from, to string) error {
	fromDir, fromBase, err := d.parent(from)
	if err != nil {
		return err
	}
	n := fromDir.entries[fromBase]
	if n == nil {
		return iofs.ErrNotExist
	}
	toDir, toBase, err := d.parent(to)
	if err != nil {
		return err
	}
	if n.isDir() && (to == from || strings.HasPrefix(to, from+"/")) {
		return syscall.EINVAL
	}
	old := toDir.entries[toBase]
	if old == n {
		return nil
	}
	if old != nil && (old.isDir() || n.isDir()) {
		return iofs.ErrExist
	}
	d.relink(n, fromDir, fromBase, toDir, toBase)
	if old != nil {
		d.drop(old)
	}
	return nil
}

// relink records a rename as one change, or as two when it is between directories.
func (d *Disk) relink(n *inode, fromDir *inode, fromBase string, toDir *inode, toBase string) {
	if fromDir == toDir {
		fromDir.alter(&change{seq: d.ops, set: toBase, node: n, unset: fromBase, gone: n})
		return
	}
	set := &change{seq: d.ops, set: toBase, node: n}
	unset := &change{seq: d.ops, unset: fromBase, gone: n, needs: set, dir: toDir}
	if n.isDir() {
		set.neededBy, set.from = unset, fromDir
	}
	toDir.alter(set)
	fromDir.alter(unset)
}

// sorted lists a directory in order.
func (n *inode) sorted() []string { return slices.Sorted(maps.Keys(n.entries)) }
