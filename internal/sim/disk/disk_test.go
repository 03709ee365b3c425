package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

// sectorsOf gives n sectors full of one byte.
func sectorsOf(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n*disk.SectorSize) }

// durable makes a file that a power cut does not touch.
func durable(t *testing.T, d *disk.Disk, name string, data []byte) fs.File {
	t.Helper()
	f, err := d.Create(name)
	require.NoError(t, err)
	write(t, f, 0, data)
	require.NoError(t, f.Datasync())
	require.NoError(t, d.SyncDir(path.Dir(name)))
	return f
}

func write(t *testing.T, f fs.File, off int64, data []byte) {
	t.Helper()
	n, err := f.WriteAt(data, off)
	require.NoError(t, err)
	require.Equal(t, len(data), n)
}

// read gives a file's bytes, or "absent".
func read(t *testing.T, d *disk.Disk, name string) string {
	t.Helper()
	data, err := fs.ReadFile(d, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "absent"
	}
	require.NoError(t, err)
	return string(data)
}

// dump draws the whole tree, one line for each name.
func dump(t *testing.T, d *disk.Disk) string {
	t.Helper()
	var out strings.Builder
	var walk func(string)
	walk = func(dir string) {
		names, err := d.List(dir)
		require.NoError(t, err)
		for _, name := range names {
			name = path.Join(dir, name)
			if _, err := d.List(name); err == nil {
				fmt.Fprintf(&out, "%s/\n", name)
				walk(name)
				continue
			}
			fmt.Fprintf(&out, "%s %q\n", name, read(t, d, name))
		}
	}
	walk("/")
	return out.String()
}

// outcomes draws many power cuts and counts what look makes of each.
func outcomes(t *testing.T, d *disk.Disk, cut disk.Cut, look func(*disk.Disk) string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for seed := range uint64(300) {
		cut.Seed = seed
		seen[look(d.Crash(cut))]++
	}
	return seen
}

// only requires that exactly the wanted outcomes were seen.
func only(t *testing.T, seen map[string]int, want ...string) {
	t.Helper()
	got := []string{}
	for outcome := range seen {
		got = append(got, outcome)
	}
	require.ElementsMatch(t, want, got)
}

func TestOperationsAreNumbered(t *testing.T) {
	d := disk.New(1)
	require.Zero(t, d.Ops())
	var seen []string
	d.Before = func(op disk.Op) error {
		seen = append(seen, fmt.Sprintf("%d %s %s %s %d+%d", op.Seq, op.Kind, op.Path, op.To, op.Off, op.Len))
		return nil
	}
	require.NoError(t, d.MkdirAll("/a"))
	f, err := d.Create("/a/x")
	require.NoError(t, err)
	write(t, f, 5, []byte("abc"))
	_, err = f.WritevAt([][]byte{[]byte("ab"), []byte("c")}, 9)
	require.NoError(t, err)
	require.NoError(t, f.Zero(0, 4))
	require.NoError(t, f.Truncate(7))
	require.NoError(t, f.Datasync())
	_, _ = f.ReadAt(make([]byte, 2), 1)
	require.NoError(t, d.Rename("/a/x", "a//y"))
	require.NoError(t, d.SyncDir("/a/"))
	_, err = d.List("/")
	require.NoError(t, err)
	_, err = d.Stat("/a/y")
	require.NoError(t, err)
	require.NoError(t, d.RemoveAll("/a"))
	require.Equal(t, []string{
		"1 mkdir a  0+0", "2 syncdir .  0+0", "3 create a/x  0+0", "4 write a/x  5+3", "5 write a/x  9+3", "6 zero a/x  0+4",
		"7 truncate a/x  0+7", "8 datasync a/x  0+0", "0 read a/x  1+2", "9 rename a/x a/y 0+0", "10 syncdir a  0+0",
		"0 list .  0+0", "0 stat a/y  0+0", "11 remove a/y  0+0", "12 remove a  0+0",
	}, seen)
	require.Equal(t, 12, d.Ops())
	require.Equal(t, "unknown operation", disk.OpKind(99).String())
}

// workload uses every operation once or more. It stops at the first error.
func workload(d *disk.Disk) error {
	if err := d.MkdirAll("/a/b"); err != nil {
		return err
	}
	f, err := d.Create("/a/x")
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { _, err := f.WriteAt(sectorsOf('x', 3), 0); return err },
		func() error { return f.Zero(1000, 2000) },
		f.Datasync,
		func() error { return f.Truncate(600) },
		func() error { return d.SyncDir("/a") },
		func() error { return fs.WriteFileAtomic(d, "/a/b", "/a/b/y", sectorsOf('y', 2)) },
		func() error { return fs.WriteFileAtomic(d, "/a/b", "/a/b/y", sectorsOf('Y', 2)) },
		func() error { return d.Rename("/a/b/y", "/a/y") },
		func() error { return d.Remove("/a/x") },
		func() error { return d.RemoveAll("/a/b") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return f.Close()
}

func TestCrashAtEachOperation(t *testing.T) {
	whole := disk.New(1)
	require.NoError(t, workload(whole))
	for n := 1; n <= whole.Ops(); n++ {
		d := disk.New(1)
		d.CrashAt(n)
		require.ErrorIs(t, workload(d), disk.ErrCrashed)
		require.True(t, d.Crashed())
		require.Equal(t, n, d.Ops())
		_, err := d.List("/")
		require.ErrorIs(t, err, disk.ErrCrashed)
		_, err = d.Create("/z")
		require.ErrorIs(t, err, disk.ErrCrashed)
		require.ErrorIs(t, d.RemoveAll("/a"), disk.ErrCrashed)
		require.Equal(t, n, d.Ops(), "a stopped disk does nothing more")
		for seed := range uint64(5) {
			after := d.Crash(disk.Cut{Seed: seed})
			require.False(t, after.Crashed())
			require.Zero(t, after.Ops())
			dump(t, after)
		}
	}
	d := disk.New(1)
	d.CrashAt(whole.Ops() + 1)
	require.NoError(t, workload(d))
	require.False(t, d.Crashed())
}

// TestTheLastWriteWasIssued: the operation at which the disk stops may have happened, in part or in full.
func TestTheLastWriteWasIssued(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", sectorsOf('o', 2))
	d.CrashAt(d.Ops() + 1)
	_, err := f.WriteAt(sectorsOf('n', 2), 0)
	require.ErrorIs(t, err, disk.ErrCrashed)
	seen := outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string {
		data := read(t, d, "/a")
		return data[:1] + data[disk.SectorSize:][:1]
	})
	only(t, seen, "oo", "on", "no", "nn")
	require.NoError(t, f.Close(), "what a test built can be torn down")
}

// TestTheLastSyncDidNothing: a sync at which the disk stops proves nothing.
func TestTheLastSyncDidNothing(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", []byte("old"))
	write(t, f, 0, []byte("new"))
	d.CrashAt(d.Ops() + 1)
	require.ErrorIs(t, f.Datasync(), disk.ErrCrashed)
	require.Equal(t, "old", read(t, d.Crash(disk.Cut{Keep: disk.Nothing}), "/a"))
}

func TestHalt(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", []byte("x"))
	d.Halt()
	_, err := f.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, disk.ErrCrashed)
	_, err = f.Size()
	require.ErrorIs(t, err, disk.ErrCrashed)
	require.Equal(t, "x", read(t, d.KillProcess(), "/a"))
}

func TestBefore(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", []byte("old"))
	refused := errors.New("refused")
	var states []string
	d.Before = func(op disk.Op) error {
		if op.Kind == disk.OpWrite {
			states = append(states, read(t, d.KillProcess(), "/a"))
			return refused
		}
		return nil
	}
	_, err := f.WriteAt([]byte("new"), 0)
	require.ErrorIs(t, err, refused)
	require.Equal(t, []string{"old"}, states, "the hook comes before the operation and may look at the disk")
	require.Equal(t, "old", read(t, d, "/a"))
	d.Before = func(op disk.Op) error { d.Halt(); return nil }
	_, err = f.WriteAt([]byte("new"), 0)
	require.ErrorIs(t, err, disk.ErrCrashed, "the hook may stop the disk")
	require.Equal(t, "old", read(t, d.KillProcess(), "/a"))
}

// TestConcurrentUse is for the race detector: everything at once, clones and crashes included.
func TestConcurrentUse(t *testing.T) {
	d := disk.New(1)
	shared := durable(t, d, "/shared", sectorsOf('s', 16))
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			name := fmt.Sprintf("/f%d", i)
			f, err := d.Create(name)
			if err != nil {
				t.Error(err)
				return
			}
			for j := range 50 {
				_, _ = f.WriteAt(sectorsOf(byte(j), 4), int64(j)*100)
				_, _ = shared.WriteAt(sectorsOf(byte(j), 2), int64(i)*700)
				_ = f.Datasync()
				after := d.Crash(disk.Cut{Seed: uint64(j), Garbage: true})
				_, _ = after.List("/")
				twin := d.Clone()
				if g, err := twin.Open("/shared"); err == nil {
					_, _ = g.WriteAt(sectorsOf('t', 1), 0)
					_ = g.Datasync()
				}
				_ = d.Rename(name, name+"x")
				_ = d.SyncDir("/")
				_ = d.Rename(name+"x", name)
			}
		})
	}
	all.Wait()
	names, err := d.List("/")
	require.NoError(t, err)
	require.Equal(t, []string{"f0", "f1", "f2", "f3", "f4", "f5", "shared"}, names)
}
