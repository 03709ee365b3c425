package sim

import (
	"encoding/binary"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

// liar is a disk that breaks a promise. Whoever relies on the promise loses something at some power cut; a test that does not notice
// proves nothing about an honest disk.
type liar struct {
	fs.FS
	lie func(file *lyingFile) // called for each file that is opened
	// owed is a sync that was promised and not done yet.
	owed func() error
}

type lyingFile struct {
	fs.File
	liar *liar
	name string
	// sync replaces Datasync, writeAt is asked whether a write of b at off is to be dropped.
	sync    func() error
	dropped func(b []byte, off int64) bool
	vector  func()
}

func (l *liar) wrap(f fs.File, name string, err error) (fs.File, error) {
	if err != nil {
		return nil, err
	}
	file := &lyingFile{File: f, liar: l, name: name}
	l.lie(file)
	return file, nil
}

func (l *liar) Create(name string) (fs.File, error) {
	if err := l.pay(); err != nil {
		return nil, err
	}
	f, err := l.FS.Create(name)
	return l.wrap(f, name, err)
}

func (l *liar) Open(name string) (fs.File, error) {
	f, err := l.FS.Open(name)
	return l.wrap(f, name, err)
}

// pay does the sync that is owed.
func (l *liar) pay() error {
	owed := l.owed
	l.owed = nil
	if owed == nil {
		return nil
	}
	return owed()
}

func (f *lyingFile) Datasync() error {
	if f.sync != nil {
		return f.sync()
	}
	return f.File.Datasync()
}

func (f *lyingFile) Close() error {
	if err := f.liar.pay(); err != nil {
		return err
	}
	return f.File.Close()
}

func (f *lyingFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.liar.pay(); err != nil {
		return 0, err
	}
	if f.dropped != nil && f.dropped(b, off) {
		return len(b), nil
	}
	return f.File.WriteAt(b, off)
}

func (f *lyingFile) WritevAt(bufs [][]byte, off int64) (int, error) {
	if err := f.liar.pay(); err != nil {
		return 0, err
	}
	if f.vector != nil {
		f.vector()
	}
	return f.File.WritevAt(bufs, off)
}

func lying(lie func(*lyingFile)) func(*disk.Disk) fs.FS {
	return func(d *disk.Disk) fs.FS { return &liar{FS: d, lie: lie} }
}

// flushNothing: what is written to the log is not flushed.
func flushNothing(f *lyingFile) {
	if strings.HasSuffix(f.name, ".seg") {
		f.sync = func() error { return nil }
	}
}

// flushNoGroupFile: terms and votes are not flushed.
func flushNoGroupFile(f *lyingFile) {
	if path.Base(f.name) == "GROUP" {
		f.sync = func() error { return nil }
	}
}

// flushLate: a flush returns before it is done; it is done before the next write. That is what acknowledging before the flush comes to.
func flushLate(f *lyingFile) {
	if strings.HasSuffix(f.name, ".seg") {
		f.sync = func() error {
			if err := f.liar.pay(); err != nil {
				return err
			}
			f.liar.owed = f.File.Datasync
			return nil
		}
	}
}

// keepMark: the mark is not lowered before a truncation overwrites what it covers.
func keepMark(f *lyingFile) {
	if !strings.HasSuffix(f.name, ".seg") {
		return
	}
	accepted, seen := uint64(0), uint64(0)
	f.dropped = func(b []byte, off int64) bool {
		if len(b) < 12 || string(b[:4]) != "MARK" {
			return false
		}
		seen = binary.LittleEndian.Uint64(b[4:])
		return seen > accepted
	}
	f.vector = func() { accepted = seen }
}

// TestPowerCutsBite demands that each lie is found out at some power cut.
func TestPowerCutsBite(t *testing.T) {
	lies := []struct {
		name string
		lie  func(*lyingFile)
	}{
		{"the log is not flushed", flushNothing},
		{"the group file is not flushed", flushNoGroupFile},
		{"acknowledged before the flush", flushLate},
		{"the mark is not lowered before a truncation", keepMark},
	}
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			found := firstFailure(t, l.lie)
			require.Error(t, found, "no power cut has shown it")
			t.Log(found)
		})
	}
}

// firstFailure cuts the power of all servers at one I/O after the other until something goes wrong.
func firstFailure(t *testing.T, lie func(*lyingFile)) error {
	for seed := *powerSeed; seed < *powerSeed+5; seed++ {
		calm, err := play(powerOptions(seed, false, lying(lie)), 0, 0, true)
		require.NoError(t, err, "without a power cut the lie does not show")
		for victim := range 3 {
			for at := 1; at <= calm.servers[victim].disk.Ops(); at++ {
				if _, err := play(powerOptions(seed, false, lying(lie)), victim, at, true); err != nil {
					t.Logf("found at seed %d, I/O %d of server %d", seed, at, victim)
					return err
				}
			}
		}
	}
	return nil
}
