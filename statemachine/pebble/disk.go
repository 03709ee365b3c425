package pebble

import (
	"errors"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is the file system as a store uses it. It adds four things:
//
//   - once the store has failed nothing is written or removed any more. A background job that tries is held until the store
//     closes (for good, when it failed before it was open), as Pebble would else try again without end;
//   - after a failure for want of space the next file is created after a pause only, for the same reason;
//   - the files that say which tables make up the store (the manifest and the markers) wait for space, since Pebble can't
//     go on after a failed write of theirs;
//   - before a marker is made, the names beside it are made durable. Pebble syncs the directory once, behind a new manifest and the marker that
//     names it, and a power cut before that may keep the marker alone.
type disk struct {
	vfs.FS
	health *health
	// opened: the store is open, and there is somebody who will close it.
	opened func() bool
}

// gate fails once the store has failed.
func (d *disk) gate() error {
	err := d.health.err()
	if err != nil {
		<-d.health.closing
	}
	return err
}

// issue does something to the files unless the store has failed. A store fails between two of these and never during one, so that nothing
// is written any more once somebody was told.
func (d *disk) issue(change func() error) error {
	d.health.writing.RLock()
	defer d.health.writing.RUnlock()
	if err := d.health.err(); err != nil {
		return err
	}
	return change()
}

// vital reports whether a file is one that Pebble can't do without.
func (d *disk) vital(name string) bool {
	base := d.PathBase(name)
	return strings.HasPrefix(base, "MANIFEST-") || d.marker(name)
}

// marker reports whether a file says by its name which other file counts.
func (d *disk) marker(name string) bool { return strings.HasPrefix(d.PathBase(name), "marker.") }

// syncDir makes the names in a directory durable.
func (d *disk) syncDir(name string) error {
	dir, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// persist repeats a write until there is space for it, if the file is vital.
func (d *disk) persist(vital bool, write func() error) error {
	for {
		if err := d.gate(); err != nil {
			return err
		}
		err := d.issue(write)
		if err == nil || !vital || !isNoSpace(err) || !d.opened() || d.health.isClosing() {
			return err
		}
		d.health.failed(err)
		d.health.pause()
	}
}

func (d *disk) Create(name string, category vfs.DiskWriteCategory) (file vfs.File, err error) {
	d.health.pause()
	if d.marker(name) {
		if err := d.syncDir(d.PathDir(name)); err != nil {
			return nil, err
		}
	}
	vital := d.vital(name)
	err = d.persist(vital, func() error {
		file, err = d.FS.Create(name, category)
		return err
	})
	return d.wrap(file, vital, err)
}

func (d *disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := d.gate(); err != nil {
		return nil, err
	}
	file, err := d.FS.OpenReadWrite(name, category, opts...)
	return d.wrap(file, d.vital(name), err)
}

func (d *disk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (file vfs.File, err error) {
	err = d.persist(false, func() error {
		file, err = d.FS.ReuseForWrite(oldname, newname, category)
		return err
	})
	return d.wrap(file, d.vital(newname), err)
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	file, err := d.FS.OpenDir(name)
	return d.wrap(file, true, err)
}

func (d *disk) wrap(file vfs.File, vital bool, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &diskFile{File: file, disk: d, vital: vital}, nil
}

func (d *disk) Link(oldname, newname string) error {
	return d.persist(false, func() error { return d.FS.Link(oldname, newname) })
}

func (d *disk) Rename(oldname, newname string) error {
	return d.persist(false, func() error { return d.FS.Rename(oldname, newname) })
}

func (d *disk) MkdirAll(dir string, perm os.FileMode) error {
	return d.persist(false, func() error { return d.FS.MkdirAll(dir, perm) })
}

// Remove does not hold its caller: removing is not tried again.
func (d *disk) Remove(name string) error {
	return d.issue(func() error { return d.FS.Remove(name) })
}

func (d *disk) RemoveAll(name string) error {
	return d.issue(func() error { return d.FS.RemoveAll(name) })
}

func (d *disk) Unwrap() vfs.FS { return d.FS }

// diskFile is an open file of a disk.
type diskFile struct {
	vfs.File
	disk  *disk
	vital bool
}

func (f *diskFile) Write(p []byte) (n int, err error) {
	err = f.disk.persist(f.vital, func() error {
		m, err := f.File.Write(p[n:])
		n += m
		return err
	})
	return n, err
}

func (f *diskFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.disk.persist(f.vital, func() error {
		m, err := f.File.WriteAt(p[n:], off+int64(n))
		n += m
		return err
	})
	return n, err
}

func (f *diskFile) Preallocate(offset, length int64) error {
	return f.disk.persist(false, func() error { return f.File.Preallocate(offset, length) })
}

// A failed sync is not repeated: it would prove nothing.

func (f *diskFile) Sync() error {
	return f.disk.persist(false, f.File.Sync)
}

func (f *diskFile) SyncData() error {
	return f.disk.persist(false, f.File.SyncData)
}

func (f *diskFile) SyncTo(length int64) (full bool, err error) {
	err = f.disk.persist(false, func() error {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}
