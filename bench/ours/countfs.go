package ours

import (
	"sync"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// countingFS is a file system that counts flushes and can stall like a disk that hangs.
type countingFS struct {
	fs.FS
	flushes atomic.Uint64
	gate    gate
}

// gate lets everybody pass unless it is shut.
type gate struct {
	shut atomic.Bool // read by everybody who passes
	mu   sync.Mutex
	open chan struct{} // closed when the gate opens; made when it is shut
}

func (g *gate) pass() {
	if !g.shut.Load() {
		return
	}
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open != nil {
		<-open
	}
}

// set shuts or opens the gate.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case shut && g.open == nil:
		g.open = make(chan struct{})
	case !shut && g.open != nil:
		close(g.open)
		g.open = nil
	}
	g.shut.Store(shut)
}

// Create makes a file whose flushes are counted.
func (c *countingFS) Create(name string) (fs.File, error) { return c.wrap(c.FS.Create(name)) }

// Open opens a file whose flushes are counted.
func (c *countingFS) Open(name string) (fs.File, error) { return c.wrap(c.FS.Open(name)) }

func (c *countingFS) wrap(f fs.File, err error) (fs.File, error) {
	if err != nil {
		return nil, err
	}
	return &countingFile{File: f, fs: c}, nil
}

// SyncDir is a flush.
func (c *countingFS) SyncDir(dir string) error {
	c.gate.pass()
	c.flushes.Add(1)
	return c.FS.SyncDir(dir)
}

// countingFile is a file of a countingFS.
type countingFile struct {
	fs.File
	fs *countingFS
}

// Datasync is a flush.
func (f *countingFile) Datasync() error {
	f.fs.gate.pass()
	f.fs.flushes.Add(1)
	return f.File.Datasync()
}

// WriteAt stalls when the disk does.
func (f *countingFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.gate.pass()
	return f.File.WriteAt(p, off)
}

// WritevAt stalls when the disk does.
func (f *countingFile) WritevAt(bufs [][]byte, off int64) (int, error) {
	f.fs.gate.pass()
	return f.File.WritevAt(bufs, off)
}
