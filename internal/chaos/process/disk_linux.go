package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Disk is a small file system of its own, in memory, that can be made full.
type Disk struct{ dir string }

// NewDisk makes a file system of so many bytes and mounts it at dir, which it makes. It fails with os.ErrPermission where the process may not
// mount.
func NewDisk(dir string, bytes int64) (*Disk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", bytes)); err != nil {
		return nil, fmt.Errorf("process: mounting a small disk at %s: %w", dir, err)
	}
	return &Disk{dir}, nil
}

func (d *Disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// Fill takes all space but spare bytes.
func (d *Disk) Fill(spare int64) error {
	var room syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &room); err != nil {
		return err
	}
	take := int64(room.Bavail)*int64(room.Bsize) - spare
	if take <= 0 {
		return nil
	}
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, take)
	if errors.Is(err, syscall.ENOSPC) {
		err = nil // the node has taken in the meantime what was left
	}
	return errors.Join(err, f.Close())
}

// Free gives the space back.
func (d *Disk) Free() error {
	if err := os.Remove(d.ballast()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close unmounts the file system. What it holds is gone.
func (d *Disk) Close() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }
