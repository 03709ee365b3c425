package fs

import (
	"errors"
	"io"
	iofs "io/fs"
)

// ErrNoSpace: the device is full. Test with errors.Is; every implementation wraps it around the system's error.
var ErrNoSpace = errors.New("no space left on device")

// ErrLocked: another holds the lock. Test with errors.Is.
var ErrLocked = errors.New("locked by another process")

// ErrNotExist and ErrExist are the standard library's.
var (
	ErrNotExist = iofs.ErrNotExist
	ErrExist    = iofs.ErrExist
)

// FS is a file system. All methods may be called from any goroutine and may block on the device. Names are
// slash-separated paths.
type FS interface {
	// Create makes a new, empty file for reading and writing. It fails with ErrExist when the name is taken.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing. It fails with ErrNotExist.
	Open(name string) (File, error)
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// RemoveAll removes a directory and what is in it. It is no error when there is none.
	RemoveAll(name string) error
	// Rename gives a file or directory another name in one step, replacing a file of that name.
	Rename(from, to string) error
	// MkdirAll makes a directory and its parents; an existing one is no error. Each level it makes is synced into its
	// parent before it returns, and so is the deepest level that it finds, which a killed process may have left unsynced.
	MkdirAll(dir string) error
	// List names the entries of a directory, sorted. It fails with ErrNotExist.
	List(dir string) ([]string, error)
	// Stat gives a file's size in bytes. It fails with ErrNotExist.
	Stat(name string) (size int64, err error)
	// SyncDir makes creations, renames and removals in a directory durable.
	SyncDir(dir string) error
	// Space gives the free bytes (to an unprivileged user) and all bytes of the device that holds dir.
	Space(dir string) (free, total uint64, err error)
	// Lock takes an exclusive lock on a file, creating it if need be; it fails at once with ErrLocked when it is held
	// already, by another process or by this one.
	// Closing the result gives it back.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt and WriteAt may be called concurrently; the rest by one goroutine at a time.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// WritevAt writes the buffers one after the other at off, as few system calls as possible. It does not keep them.
	WritevAt(bufs [][]byte, off int64) (n int, err error)
	// Datasync makes the file's bytes and length durable. After an error nothing that was written since the last
	// successful call may be believed, and calling it again proves nothing.
	Datasync() error
	// Zero makes [off, off+n) zeros that are really written, not merely reserved, growing the file if need be.
	Zero(off, n int64) error
	// Truncate sets the length.
	Truncate(size int64) error
	// Size gives the length.
	Size() (int64, error)
}

// ReadFile reads a whole file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, size)
	if _, err := f.ReadAt(buf, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return buf, nil
}

// WriteFileAtomic makes name hold data, or leaves it as it was: it writes aside, syncs, renames and syncs the directory dir
// that holds it.
func WriteFileAtomic(fsys FS, dir, name string, data []byte) error {
	aside := name + ".tmp"
	if err := fsys.Remove(aside); err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	f, err := fsys.Create(aside)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Datasync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(aside, name)
	}
	if err == nil {
		err = fsys.SyncDir(dir)
	}
	return err
}
