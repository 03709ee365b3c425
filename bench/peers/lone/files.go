package lone

import (
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// gatedFS is a file system whose writes and flushes pass a gate.
type gatedFS struct {
	vfs.FS
	gate *trio.Gate
}

func (f gatedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.gated(f.FS.Create(name, category))
}

func (f gatedFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.gated(f.FS.OpenReadWrite(name, category, opts...))
}

func (f gatedFS) OpenDir(name string) (vfs.File, error) { return f.gated(f.FS.OpenDir(name)) }

func (f gatedFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.gated(f.FS.ReuseForWrite(from, to, category))
}

func (f gatedFS) gated(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return gatedFile{file, f.gate}, nil
}

type gatedFile struct {
	vfs.File
	gate *trio.Gate
}

func (f gatedFile) Write(p []byte) (int, error) {
	f.gate.Pass()
	return f.File.Write(p)
}

func (f gatedFile) WriteAt(p []byte, off int64) (int, error) {
	f.gate.Pass()
	return f.File.WriteAt(p, off)
}

func (f gatedFile) Sync() error     { return f.gate.Flush(f.File.Sync) }
func (f gatedFile) SyncData() error { return f.gate.Flush(f.File.SyncData) }
