package dragonboat

import (
	"github.com/lni/vfs"

	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// files are the operating system's, whose writes and flushes pass a gate. It is for Tan, which flushes by File.Sync alone: Pebble looks for a file's descriptor to
// flush it in a cheaper way, and would not find it.
type files struct {
	vfs.FS
	gate *trio.Gate
}

func gatedFS(gate *trio.Gate) vfs.FS { return files{vfs.Default, gate} }

func (f files) Create(name string) (vfs.File, error)        { return f.gated(f.FS.Create(name)) }
func (f files) OpenDir(name string) (vfs.File, error)       { return f.gated(f.FS.OpenDir(name)) }
func (f files) OpenForAppend(name string) (vfs.File, error) { return f.gated(f.FS.OpenForAppend(name)) }
func (f files) ReuseForWrite(from, to string) (vfs.File, error) {
	return f.gated(f.FS.ReuseForWrite(from, to))
}

func (f files) gated(file vfs.File, err error) (vfs.File, error) {
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

func (f gatedFile) Sync() error { return f.gate.Flush(f.File.Sync) }
