package snapshot_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
)

// history is what a workload was told, so what a power cut may not take.
type history struct {
	// newest is the last image that was acknowledged.
	newest snapshot.Meta
	// wanted and data are the image that is received.
	wanted snapshot.Meta
	data   [][]byte
}

// workload makes two images, receives a third with a pause, makes a fourth and keeps two, noting what it was told.
func workload(fsys fs.FS, h *history) error {
	s, err := snapshot.Open(fsys, dir, group)
	if err != nil {
		return err
	}
	for i := raft.Index(1); i <= 2; i++ {
		m, err := write(s, i, chunks(i, 3, 600))
		if err != nil {
			return err
		}
		h.newest = m
	}
	r, err := s.Receive(h.wanted)
	if err != nil {
		return err
	}
	if err := put(r, h.data, 3); err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	if err := s.Retain(1, ^raft.Index(0)); err != nil {
		return err
	}
	if err := receiveAll(s, h.wanted, h.data); err != nil {
		return err
	}
	h.newest = h.wanted
	m, err := write(s, 12, chunks(12, 2, 600))
	if err != nil {
		return err
	}
	h.newest = m
	return s.Retain(2, ^raft.Index(0))
}

// check says what is wrong with a disk after a power cut.
func check(d *disk.Disk, h history) error {
	s, err := snapshot.Open(d, dir, group)
	if err != nil {
		return err
	}
	if p := s.Problems(); len(p) > 0 {
		return fmt.Errorf("a legal crash was called corruption: %w", errors.Join(p...))
	}
	for _, m := range s.List() {
		if err := s.Verify(m); err != nil {
			return err
		}
	}
	newest, _ := s.Newest()
	if newest.Base.ID.Index < h.newest.Base.ID.Index {
		return fmt.Errorf("expected %v, which was acknowledged, or a newer image; found %v", h.newest, newest)
	}
	if err := receiveAll(s, h.wanted, h.data); err != nil {
		return fmt.Errorf("receiving after the crash: %w", err)
	}
	if err := s.Verify(h.wanted); err != nil {
		return err
	}
	again, err := snapshot.Open(d.Crash(disk.Cut{Keep: disk.Nothing}), dir, group)
	if err != nil {
		return err
	}
	return again.Verify(h.wanted)
}

// cutEverywhere cuts the power at each operation of the workload and gives what was wrong, and at which operation.
func cutEverywhere(t *testing.T, wrap func(fs.FS) fs.FS, seed uint64) (cuts int, wrong []error) {
	h := history{data: chunks(9, 6, 600)}
	h.wanted = mustWrite(t, open(t, disk.New(99)), 9, h.data)
	whole := disk.New(seed)
	require.NoError(t, workload(wrap(whole), &h))
	for n := 1; n <= whole.Ops()+1; n++ {
		d := disk.New(seed)
		d.CrashAt(n)
		at := history{wanted: h.wanted, data: h.data}
		err := workload(wrap(d), &at)
		if n <= whole.Ops() {
			require.ErrorIs(t, err, disk.ErrCrashed)
		}
		after := []*disk.Disk{d.Crash(disk.Cut{Keep: disk.Nothing}), d.Crash(disk.Cut{Keep: disk.Everything}), d.KillProcess()}
		for draw := range uint64(6) {
			after = append(after, d.Crash(disk.Cut{Seed: draw, Garbage: draw%2 == 1}))
			after = append(after, d.KillProcess().Crash(disk.Cut{Seed: draw, Garbage: draw%2 == 0}))
		}
		for i, k := range after {
			cuts++
			if err := check(k, at); err != nil {
				wrong = append(wrong, fmt.Errorf("seed %d, power cut at operation %d, outcome %d: %w", seed, n, i, err))
			}
		}
	}
	return cuts, wrong
}

func TestPowerCutAtEveryOperation(t *testing.T) {
	for seed := range uint64(4) {
		cuts, wrong := cutEverywhere(t, func(f fs.FS) fs.FS { return f }, seed)
		require.NoError(t, errors.Join(wrong...))
		require.Greater(t, cuts, 500)
	}
}

// A killed process leaves pages that no disk has. What the next process takes over from them is on the disk when it says so.
func TestAPowerCutAfterAKill(t *testing.T) {
	data := chunks(9, 6, 600)
	m := mustWrite(t, open(t, disk.New(99)), 9, data)
	for until := range 7 {
		d := disk.New(1)
		r, err := open(t, d).Receive(m)
		require.NoError(t, err)
		require.NoError(t, put(r, data, until))
		d = d.KillProcess()
		require.NoError(t, receiveAll(open(t, d), m, data))
		requireImage(t, open(t, d.Crash(disk.Cut{Keep: disk.Nothing})), m, data)
	}
}

// Leaving out a flush must be noticed, or the test above proves nothing.
func TestThePowerCutsBite(t *testing.T) {
	for name, wrap := range map[string]func(fs.FS) fs.FS{
		"no datasync":     func(f fs.FS) fs.FS { return lazy{FS: f, files: true} },
		"no dir sync":     func(f fs.FS) fs.FS { return lazy{FS: f, dirs: true} },
		"nothing is kept": func(f fs.FS) fs.FS { return lazy{FS: f, files: true, dirs: true} },
	} {
		t.Run(name, func(t *testing.T) {
			_, wrong := cutEverywhere(t, wrap, 1)
			require.NotEmpty(t, wrong)
		})
	}
}

// lazy is a file system whose syncs do nothing.
type lazy struct {
	fs.FS
	files, dirs bool
}

func (l lazy) SyncDir(dir string) error {
	if l.dirs {
		return nil
	}
	return l.FS.SyncDir(dir)
}

func (l lazy) Create(name string) (fs.File, error) { return l.wrap(l.FS.Create(name)) }
func (l lazy) Open(name string) (fs.File, error)   { return l.wrap(l.FS.Open(name)) }

func (l lazy) wrap(f fs.File, err error) (fs.File, error) {
	if err != nil || !l.files {
		return f, err
	}
	return lazyFile{f}, nil
}

type lazyFile struct{ fs.File }

func (lazyFile) Datasync() error { return nil }
