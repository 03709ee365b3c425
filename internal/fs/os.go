package fs

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// OS is the file system of the operating system. It is made for Linux; on macOS and the BSDs a Datasync is a full sync and
// WritevAt a write per buffer. On other systems Lock and Space fail with errors.ErrUnsupported. Files and directories are made
// for their owner only (modes 0600 and 0700).
var OS FS = osFS{}

type osFS struct{}

// Create implements FS.
func (osFS) Create(name string) (File, error) {
	return opened(os.OpenFile(filepath.FromSlash(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600))
}

// Open implements FS.
func (osFS) Open(name string) (File, error) {
	return opened(os.OpenFile(filepath.FromSlash(name), os.O_RDWR, 0))
}

func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, spaced(err)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{f: f, raw: raw}, nil
}

// Remove implements FS.
func (osFS) Remove(name string) error { return os.Remove(filepath.FromSlash(name)) }

// RemoveAll implements FS.
func (osFS) RemoveAll(name string) error { return os.RemoveAll(filepath.FromSlash(name)) }

// Rename implements FS.
func (osFS) Rename(from, to string) error {
	return spaced(os.Rename(filepath.FromSlash(from), filepath.FromSlash(to)))
}

// MkdirAll implements FS.
func (s osFS) MkdirAll(dir string) error {
	dir = filepath.Clean(filepath.FromSlash(dir))
	missing, found := []string(nil), dir
	for ; ; found = filepath.Dir(found) {
		is, err := isDir(found)
		if err != nil {
			return err
		}
		if is || found == filepath.Dir(found) {
			break
		}
		missing = append(missing, found)
	}
	// Whoever may not read the parent did not make the level either.
	if err := s.SyncDir(filepath.Dir(found)); err != nil && !errors.Is(err, iofs.ErrPermission) {
		return err
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := s.mkdir(missing[i]); err != nil {
			return err
		}
	}
	return nil
}

// isDir tells whether there is a directory. Something else under that name is an error.
func isDir(name string) (bool, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, &iofs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
	}
	return true, nil
}

func (s osFS) mkdir(name string) error {
	if err := os.Mkdir(name, 0o700); err != nil {
		// Another goroutine or process may have made it meanwhile, and not have synced it yet.
		if is, _ := isDir(name); !is {
			return spaced(err)
		}
	}
	return s.SyncDir(filepath.Dir(name))
}

// List implements FS.
func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// Stat implements FS.
func (osFS) Stat(name string) (int64, error) {
	info, err := os.Stat(filepath.FromSlash(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// SyncDir implements FS.
func (osFS) SyncDir(dir string) error {
	f, err := os.Open(filepath.FromSlash(dir))
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() {
		err = &iofs.PathError{Op: "sync", Path: dir, Err: syscall.ENOTDIR}
	}
	if err == nil {
		err = spaced(f.Sync())
	}
	return errors.Join(err, f.Close())
}

// Space implements FS.
func (osFS) Space(dir string) (free, total uint64, err error) {
	free, total, err = space(filepath.FromSlash(dir))
	if err != nil {
		return 0, 0, &iofs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return free, total, nil
}

// Lock implements FS.
func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.FromSlash(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, spaced(err)
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(&iofs.PathError{Op: "lock", Path: name, Err: err}, f.Close())
	}
	return f, nil
}

// spaced makes an error for want of space, or of quota, one that is ErrNoSpace.
func spaced(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
