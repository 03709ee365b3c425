package ledger

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// liar is a file system that leaves out what a careless ledger would leave out.
type liar struct {
	fs.FS
	// skipSync says which files' Datasync does nothing.
	skipSync func(name string) bool
	// skipWrite says which writes do nothing.
	skipWrite func(name string, b []byte, off int64) bool
	// skipSyncDir makes the sync of directories do nothing.
	skipSyncDir bool
}

type lyingFile struct {
	fs.File
	name string
	liar *liar
}

func (l *liar) wrap(name string, f fs.File, err error) (fs.File, error) {
	if err != nil {
		return nil, err
	}
	return &lyingFile{File: f, name: path.Base(name), liar: l}, nil
}

func (l *liar) Create(name string) (fs.File, error) {
	f, err := l.FS.Create(name)
	return l.wrap(name, f, err)
}

func (l *liar) Open(name string) (fs.File, error) {
	f, err := l.FS.Open(name)
	return l.wrap(name, f, err)
}

func (l *liar) SyncDir(dir string) error {
	if l.skipSyncDir {
		return nil
	}
	return l.FS.SyncDir(dir)
}

func (f *lyingFile) Datasync() error {
	if s := f.liar.skipSync; s != nil && s(f.name) {
		return nil
	}
	return f.File.Datasync()
}

func (f *lyingFile) WriteAt(b []byte, off int64) (int, error) {
	if s := f.liar.skipWrite; s != nil && s(f.name, b, off) {
		return len(b), nil
	}
	return f.File.WriteAt(b, off)
}

// isSegment leaves the files that are still made aside alone: the lie is about the log, not about its place.
func isSegment(name string) bool { return path.Ext(name) == ".seg" }

// TestCrashTestsBite shows that the crash tests find each of the mistakes that a ledger can make with its flushes.
func TestCrashTestsBite(t *testing.T) {
	highest := uint64(0)
	mistakes := map[string]*liar{
		"flush is a no-op":         {skipSync: isSegment},
		"group file unsynced":      {skipSync: func(name string) bool { return name == "GROUP" }},
		"base unsynced":            {skipSync: func(name string) bool { return path.Ext(name) == ".tmp" && name[:4] == "base" }},
		"directory unsynced":       {skipSyncDir: true},
		"new segment unsynced":     {skipSync: func(name string) bool { return path.Ext(name) == ".tmp" && path.Ext(name[:len(name)-4]) == ".seg" }},
		"mark stays on truncation": {skipWrite: func(_ string, b []byte, _ int64) bool { m, ok := decodeMark(b); return ok && m.truncations > 0 }},
		"barrier not flushed":      nil,
	}
	// The flush of the barrier is the one that follows the mark of a new truncation.
	pending := false
	mistakes["barrier not flushed"] = &liar{
		skipWrite: func(_ string, b []byte, _ int64) bool {
			if m, ok := decodeMark(b); ok && m.truncations > highest {
				highest, pending = m.truncations, true
			}
			return false
		},
		skipSync: func(name string) bool {
			skip := pending && isSegment(name)
			pending = pending && !skip
			return skip
		},
	}
	for name, l := range mistakes {
		t.Run(name, func(t *testing.T) {
			const most = 60
			for seed := uint64(5); seed <= most; seed++ {
				highest, pending = 0, false
				l.FS = nil
				c := newCrashRun(t, seed, func(f fs.FS) fs.FS { l.FS = f; return l })
				if err := c.run(60); err != nil {
					t.Logf("found with seed %d after %d crashes: %v", seed, c.crashes, err)
					return
				}
			}
			require.Fail(t, "the mistake was not found", "%d seeds", most)
		})
	}
}
