package disk

import (
	"io"
	iofs "io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// Create implements fs.FS.
func (d *Disk) Create(name string) (fs.File, error) {
	op := Op{Kind: OpCreate, Path: clean(name)}
	dying, _, err := d.begin(op)
	if err != nil {
		return nil, err
	}
	n, err := d.link(op.Path, d.newFile)
	if err == nil && !dying {
		n.opens++
	}
	if err := d.end(op, dying, err); err != nil {
		return nil, err
	}
	return &file{d: d, n: n, path: op.Path}, nil
}

// Open implements fs.FS.
func (d *Disk) Open(name string) (fs.File, error) {
	op := Op{Kind: OpOpen, Path: clean(name)}
	dying, _, err := d.begin(op)
	if err != nil {
		return nil, err
	}
	n, err := d.lookup(op.Path)
	if err == nil && n.isDir() {
		err = syscall.EISDIR
	}
	if err == nil {
		n.opens++
	}
	if err := d.end(op, dying, err); err != nil {
		return nil, err
	}
	return &file{d: d, n: n, path: op.Path}, nil
}

// Remove implements fs.FS.
func (d *Disk) Remove(name string) error {
	op := Op{Kind: OpRemove, Path: clean(name)}
	dying, _, err := d.begin(op)
	if err != nil {
		return err
	}
	return d.end(op, dying, d.unlink(op.Path))
}

// RemoveAll implements fs.FS. Each removal in it is an operation of its own, children first, in order of their names.
func (d *Disk) RemoveAll(name string) error {
	name = clean(name)
	d.mu.Lock()
	n, err := d.lookup(name)
	var children []string
	if err == nil && n.isDir() {
		children = n.sorted()
	}
	halted := d.halted
	d.mu.Unlock()
	if halted {
		return pathError(Op{Kind: OpRemove, Path: name}, ErrCrashed)
	}
	if err != nil {
		return nil
	}
	for _, child := range children {
		if err := d.RemoveAll(path.Join(name, child)); err != nil {
			return err
		}
	}
	if name == "." {
		return nil
	}
	return d.Remove(name)
}

// Rename implements fs.FS.
func (d *Disk) Rename(from, to string) error {
	op := Op{Kind: OpRename, Path: clean(from), To: clean(to)}
	dying, _, err := d.begin(op)
	if err != nil {
		return err
	}
	return d.end(op, dying, d.move(op.Path, op.To))
}

// MkdirAll implements fs.FS. Each level it makes is two operations, the making and the sync of the parent; the deepest level
// it finds is synced too, as it may be one that was made and not synced before a process was killed.
func (d *Disk) MkdirAll(dir string) error {
	dir = clean(dir)
	if dir == "." {
		return nil
	}
	parts := strings.Split(dir, "/")
	found, err := d.depth(parts)
	if err != nil {
		return err
	}
	if found > 0 {
		if err := d.SyncDir(path.Dir(strings.Join(parts[:found], "/"))); err != nil {
			return err
		}
	}
	for i := found; i < len(parts); i++ {
		if err := d.mkdir(strings.Join(parts[:i+1], "/")); err != nil {
			return err
		}
	}
	return nil
}

// depth counts the leading parts of a path that exist, all of them directories.
func (d *Disk) depth(parts []string) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range parts {
		name := strings.Join(parts[:i+1], "/")
		n, err := d.lookup(name)
		if err != nil {
			return i, nil
		}
		if !n.isDir() {
			return 0, pathError(Op{Kind: OpMkdir, Path: name}, syscall.ENOTDIR)
		}
	}
	return len(parts), nil
}

func (d *Disk) mkdir(name string) error {
	op := Op{Kind: OpMkdir, Path: name}
	dying, _, err := d.begin(op)
	if err != nil {
		return err
	}
	_, err = d.link(name, d.newDir)
	if n, _ := d.lookup(name); n != nil && n.isDir() {
		err = nil // another goroutine made it meanwhile
	}
	if err := d.end(op, dying, err); err != nil {
		return err
	}
	return d.SyncDir(path.Dir(name))
}

// List implements fs.FS.
func (d *Disk) List(dir string) ([]string, error) {
	op := Op{Kind: OpList, Path: clean(dir)}
	dying, _, err := d.begin(op)
	if err != nil {
		return nil, err
	}
	var names []string
	n, err := d.lookup(op.Path)
	switch {
	case err != nil:
	case !n.isDir():
		err = syscall.ENOTDIR
	default:
		names = n.sorted()
	}
	return names, d.end(op, dying, err)
}

// Stat implements fs.FS. The size of a directory is 0.
func (d *Disk) Stat(name string) (int64, error) {
	op := Op{Kind: OpStat, Path: clean(name)}
	dying, _, err := d.begin(op)
	if err != nil {
		return 0, err
	}
	size := int64(0)
	n, err := d.lookup(op.Path)
	if err == nil && !n.isDir() {
		size = n.content.size
	}
	return size, d.end(op, dying, err)
}

// SyncDir implements fs.FS.
func (d *Disk) SyncDir(dir string) error {
	op := Op{Kind: OpSyncDir, Path: clean(dir)}
	dying, _, err := d.begin(op)
	if err != nil {
		return err
	}
	n, err := d.lookup(op.Path)
	switch {
	case err != nil:
	case !n.isDir():
		err = syscall.ENOTDIR
	default:
		n.sync()
	}
	return d.end(op, dying, err)
}

// Space implements fs.FS.
func (d *Disk) Space(dir string) (free, total uint64, err error) {
	op := Op{Kind: OpStat, Path: clean(dir)}
	dying, _, err := d.begin(op)
	if err != nil {
		return 0, 0, err
	}
	_, err = d.lookup(op.Path)
	free, total = d.free(), d.capacity
	if err := d.end(op, dying, err); err != nil {
		return 0, 0, err
	}
	return free, total, nil
}

// free gives the bytes that can still be allocated.
func (d *Disk) free() uint64 { return d.capacity - min(d.capacity, d.used) }

// Lock implements fs.FS.
func (d *Disk) Lock(name string) (io.Closer, error) {
	op := Op{Kind: OpOpen, Path: clean(name)}
	f, err := d.Open(name)
	if err != nil && isNotExist(err) {
		op.Kind = OpCreate
		f, err = d.Create(name)
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked[op.Path] {
		f.(*file).release()
		return nil, pathError(op, fs.ErrLocked)
	}
	d.locked[op.Path] = true
	return &lock{f.(*file)}, nil
}

// lock is a held lock.
type lock struct{ f *file }

// Close gives the lock back.
func (l *lock) Close() error {
	l.f.d.mu.Lock()
	defer l.f.d.mu.Unlock()
	if l.f.closed {
		return pathError(Op{Kind: OpOpen, Path: l.f.path}, iofs.ErrClosed)
	}
	delete(l.f.d.locked, l.f.path)
	l.f.release()
	return nil
}
