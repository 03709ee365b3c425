package hashiraft

import (
	"github.com/hashicorp/raft-wal/types"

	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// gatedFiles are the files of raft-wal's segments, whose writes and flushes pass a gate.
type gatedFiles struct {
	types.VFS
	gate *trio.Gate
}

func (f gatedFiles) Create(dir, name string, size uint64) (types.WritableFile, error) {
	return f.gated(f.VFS.Create(dir, name, size))
}

func (f gatedFiles) OpenWriter(dir, name string) (types.WritableFile, error) {
	return f.gated(f.VFS.OpenWriter(dir, name))
}

func (f gatedFiles) gated(file types.WritableFile, err error) (types.WritableFile, error) {
	if err != nil {
		return nil, err
	}
	return gatedFile{file, f.gate}, nil
}

type gatedFile struct {
	types.WritableFile
	gate *trio.Gate
}

func (f gatedFile) WriteAt(p []byte, off int64) (int, error) {
	f.gate.Pass()
	return f.WritableFile.WriteAt(p, off)
}

func (f gatedFile) Sync() error { return f.gate.Flush(f.WritableFile.Sync) }
