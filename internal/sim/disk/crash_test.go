package disk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

func TestSyncedSurvives(t *testing.T) {
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("/dir/sub"))
	f := durable(t, d, "/dir/sub/a", sectorsOf('a', 5))
	write(t, f, 700, []byte("within"))
	require.NoError(t, f.Zero(4000, 3000))
	require.NoError(t, f.Truncate(5000))
	require.NoError(t, f.Datasync())
	want := dump(t, d)
	for _, keep := range []disk.Keep{disk.Any, disk.Nothing, disk.Everything} {
		seen := outcomes(t, d, disk.Cut{Keep: keep, Garbage: true}, func(d *disk.Disk) string { return dump(t, d) })
		only(t, seen, want)
	}
}

// TestSectorsSurviveInAnySubset: each sector is old or one of the versions written since, on its own.
func TestSectorsSurviveInAnySubset(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", sectorsOf('a', 3))
	write(t, f, 0, sectorsOf('b', 3))
	write(t, f, 512, sectorsOf('c', 2))
	seen := outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string {
		data, summary := read(t, d, "/a"), ""
		for i := range 3 {
			s := data[i*512:][:512]
			require.Equal(t, strings.Repeat(s[:1], 512), s, "a sector is not torn")
			summary += s[:1]
		}
		return summary
	})
	var want []string
	for _, first := range "ab" {
		for _, second := range "abc" {
			for _, third := range "abc" {
				want = append(want, string([]rune{first, second, third}))
			}
		}
	}
	only(t, seen, want...)
	require.Equal(t, string(sectorsOf('a', 3)), read(t, d.Crash(disk.Cut{Keep: disk.Nothing}), "/a"))
	require.Equal(t, read(t, d, "/a"), read(t, d.Crash(disk.Cut{Keep: disk.Everything}), "/a"))
}

// TestAnOverwriteLeavesItsNeighbours: assumption 3, bytes beside a write never change, whatever becomes of its sectors.
func TestAnOverwriteLeavesItsNeighbours(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", sectorsOf('a', 3))
	write(t, f, 500, sectorsOf('b', 1))
	outcomes(t, d, disk.Cut{Garbage: true}, func(d *disk.Disk) string {
		data := read(t, d, "/a")
		require.Equal(t, strings.Repeat("a", 500), data[:500])
		require.Equal(t, strings.Repeat("a", 524), data[1012:])
		return ""
	})
}

func TestLengthsSurviveInAnyVersion(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", sectorsOf('a', 1))
	write(t, f, 512, []byte("bbb"))
	write(t, f, 515, sectorsOf('c', 2))
	require.NoError(t, f.Truncate(100))
	seen := outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string { return fmt.Sprint(len(read(t, d, "/a"))) })
	only(t, seen, "512", "515", "1539", "100")
}

// TestWhatIsCutOffReadsAsZeros: bytes beyond a length that survived never come back when the file grows again.
func TestWhatIsCutOffReadsAsZeros(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", sectorsOf('a', 2))
	require.NoError(t, f.Truncate(700))
	require.NoError(t, f.Truncate(2000))
	want := string(sectorsOf('a', 2)[:700]) + strings.Repeat("\x00", 1300)
	require.Equal(t, want, read(t, d, "/a"))
	require.NoError(t, f.Datasync())
	outcomes(t, d, disk.Cut{Garbage: true}, func(d *disk.Disk) string {
		require.Equal(t, want, read(t, d, "/a"))
		return ""
	})
	require.NoError(t, f.Truncate(10))
	seen := outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string {
		g, err := d.Open("/a")
		require.NoError(t, err)
		size, err := g.Size()
		require.NoError(t, err)
		require.NoError(t, g.Truncate(3000))
		require.Equal(t, strings.Repeat("\x00", int(3000-size)), read(t, d, "/a")[size:])
		return fmt.Sprint(size)
	})
	only(t, seen, "2000", "10")
}

func TestNewSectorsMayHoldGarbage(t *testing.T) {
	d := disk.New(1)
	durable(t, d, "/other", sectorsOf('o', 64))
	f := durable(t, d, "/a", sectorsOf('a', 1))
	write(t, f, 512, sectorsOf('n', 1))
	kind := func(d *disk.Disk) string {
		data := read(t, d, "/a")
		require.Equal(t, string(sectorsOf('a', 1)), data[:512], "what was synced is not touched")
		if len(data) == 512 {
			return "short"
		}
		switch data[512:] {
		case string(sectorsOf('n', 1)):
			return "new"
		case string(sectorsOf(0, 1)):
			return "zeros"
		case string(sectorsOf('o', 1)):
			return "stale"
		}
		return "noise"
	}
	only(t, outcomes(t, d, disk.Cut{}, kind), "short", "new", "zeros")
	seen := outcomes(t, d, disk.Cut{Garbage: true}, kind)
	require.Contains(t, seen, "stale")
	require.Contains(t, seen, "noise")
	require.NotContains(t, seen, "zeros")
}

func TestNamesSurviveInAnySubset(t *testing.T) {
	d := disk.New(1)
	durable(t, d, "/removed", []byte("r")).Close()
	require.NoError(t, d.Remove("/removed"))
	f, err := d.Create("/created")
	require.NoError(t, err)
	write(t, f, 0, []byte("c"))
	require.NoError(t, f.Datasync(), "data that is synced goes with a name that is not")
	seen := outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string { return read(t, d, "/removed") + " " + read(t, d, "/created") })
	only(t, seen, "r c", "r absent", "absent c", "absent absent")
	require.Equal(t, "/removed \"r\"\n", dump(t, d.Crash(disk.Cut{Keep: disk.Nothing})))
	require.NoError(t, d.SyncDir("/"))
	only(t, outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string { return dump(t, d) }), "/created \"c\"\n")
}

// TestARenameIsOneStep: within a directory a rename happens or does not.
func TestARenameIsOneStep(t *testing.T) {
	d := disk.New(1)
	durable(t, d, "/a", []byte("old"))
	durable(t, d, "/b", []byte("new"))
	require.NoError(t, d.Rename("/b", "/a"))
	look := func(d *disk.Disk) string { return read(t, d, "/a") + " " + read(t, d, "/b") }
	only(t, outcomes(t, d, disk.Cut{}, look), "old new", "new absent")
	require.NoError(t, d.SyncDir("/"))
	only(t, outcomes(t, d, disk.Cut{}, look), "new absent")
}

// moved gives a disk on which a file was renamed from one directory to another.
func moved(t *testing.T) *disk.Disk {
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("/from"))
	require.NoError(t, d.MkdirAll("/to"))
	durable(t, d, "/from/a", []byte("x"))
	require.NoError(t, d.Rename("/from/a", "/to/b"))
	return d
}

func TestARenameBetweenDirectories(t *testing.T) {
	look := func(d *disk.Disk) string { return read(t, d, "/from/a") + " " + read(t, d, "/to/b") }
	d := moved(t)
	only(t, outcomes(t, d, disk.Cut{}, look), "x absent", "x x", "absent x")
	require.NoError(t, d.SyncDir("/to"))
	only(t, outcomes(t, d, disk.Cut{}, look), "x x", "absent x")
	require.NoError(t, d.SyncDir("/from"))
	only(t, outcomes(t, d, disk.Cut{}, look), "absent x")

	d = moved(t)
	require.NoError(t, d.SyncDir("/from"))
	only(t, outcomes(t, d, disk.Cut{}, look), "absent x")
}

// TestARenameSupersedes: a rename that is made durable by the directory it left is not undone by what its new name meant
// before, and a later change of that name still counts.
func TestARenameSupersedes(t *testing.T) {
	look := func(d *disk.Disk) string {
		return read(t, d, "/from/a") + " " + read(t, d, "/to/b") + " " + read(t, d, "/to/c")
	}
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("/from"))
	require.NoError(t, d.MkdirAll("/to"))
	durable(t, d, "/from/a", []byte("x")).Close()
	durable(t, d, "/to/c", []byte("c")).Close()
	require.NoError(t, d.Rename("/to/c", "/to/b"))
	require.NoError(t, d.Rename("/from/a", "/to/b"))
	require.NoError(t, d.SyncDir("/from"))
	only(t, outcomes(t, d, disk.Cut{}, look), "absent x c", "absent x absent")
	require.NoError(t, d.Remove("/to/b"))
	only(t, outcomes(t, d, disk.Cut{}, look), "absent x c", "absent x absent", "absent absent c", "absent absent absent")
	require.NoError(t, d.SyncDir("/to"))
	only(t, outcomes(t, d, disk.Cut{}, look), "absent absent absent")
}

// TestAMovedDirectoryHasOneName, whichever side was synced.
func TestAMovedDirectoryHasOneName(t *testing.T) {
	look := func(d *disk.Disk) string { return read(t, d, "/from/d/a") + " " + read(t, d, "/to/d/a") }
	for _, synced := range []string{"", "/from", "/to"} {
		d := disk.New(1)
		require.NoError(t, d.MkdirAll("/from/d"))
		require.NoError(t, d.MkdirAll("/to"))
		durable(t, d, "/from/d/a", []byte("x"))
		require.NoError(t, d.Rename("/from/d", "/to/d"))
		if synced == "" {
			only(t, outcomes(t, d, disk.Cut{}, look), "x absent", "absent x")
			continue
		}
		require.NoError(t, d.SyncDir(synced))
		only(t, outcomes(t, d, disk.Cut{}, look), "absent x")
	}
}

func TestMkdirAllIsDurable(t *testing.T) {
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("/a/b/c"))
	only(t, outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string { return dump(t, d) }), "/a/\n/a/b/\n/a/b/c/\n")

	// A process that is killed between making a directory and syncing it leaves one that the next one finds.
	d = disk.New(1)
	d.CrashAt(2)
	require.ErrorIs(t, d.MkdirAll("/a/b"), disk.ErrCrashed)
	d = d.KillProcess()
	require.Equal(t, "", dump(t, d.Crash(disk.Cut{Keep: disk.Nothing})))
	require.NoError(t, d.MkdirAll("/a/b"))
	require.Equal(t, "/a/\n/a/b/\n", dump(t, d.Crash(disk.Cut{Keep: disk.Nothing})))
}

// TestALostDirectoryTakesItsFiles, synced or not.
func TestALostDirectoryTakesItsFiles(t *testing.T) {
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("/a/b"))
	durable(t, d, "/a/b/x", []byte("x")).Close()
	require.NoError(t, d.RemoveAll("/a"))
	seen := outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string { return dump(t, d) })
	only(t, seen, "", "/a/\n", "/a/\n/a/b/\n", "/a/\n/a/b/\n/a/b/x \"x\"\n")
}

// TestKillProcess: everything written is there for the next process, and a later power cut may still take it.
func TestKillProcess(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", []byte("old"))
	write(t, f, 0, []byte("new"))
	_, err := d.Create("/b")
	require.NoError(t, err)
	_, err = d.Lock("/LOCK")
	require.NoError(t, err)
	d.CrashAt(d.Ops() + 1)
	require.ErrorIs(t, d.Remove("/a"), disk.ErrCrashed)

	next := d.KillProcess()
	require.Zero(t, next.Ops())
	require.Equal(t, "absent  ", read(t, next, "/a")+" "+read(t, next, "/b")+" "+read(t, next, "/LOCK"))
	held, err := next.Lock("/LOCK")
	require.NoError(t, err, "the dead process's lock is free")
	require.NoError(t, held.Close())
	look := func(d *disk.Disk) string { return read(t, d, "/a") + " " + read(t, d, "/b") }
	only(t, outcomes(t, next, disk.Cut{}, look), "old absent", "new absent", "absent absent", "old ", "new ", "absent ")
	require.NoError(t, next.SyncDir("/"))
	only(t, outcomes(t, next, disk.Cut{}, look), "absent ")
}

// TestACrashLeavesTheDiskAsItWas: many outcomes can be drawn from one state, and the disk goes on.
func TestACrashLeavesTheDiskAsItWas(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", sectorsOf('a', 2))
	write(t, f, 0, sectorsOf('b', 2))
	before := dump(t, d)
	for seed := range uint64(50) {
		after := d.Crash(disk.Cut{Seed: seed})
		left := dump(t, after)
		require.Equal(t, left, dump(t, after.Crash(disk.Cut{})), "what a power cut left is durable")
		g, err := after.Open("/a")
		require.NoError(t, err)
		write(t, g, 0, sectorsOf('z', 2))
		require.NoError(t, g.Datasync())
		require.NoError(t, g.Truncate(3))
		require.Equal(t, before, dump(t, d))
	}
	require.NoError(t, f.Datasync())
	require.Equal(t, before, dump(t, d.Crash(disk.Cut{Keep: disk.Nothing})))
}

// TestClonesAreApart: what one side does, the other does not see, synced or not.
func TestClonesAreApart(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", sectorsOf('a', 3))
	write(t, f, 512, sectorsOf('b', 1))
	require.NoError(t, d.MkdirAll("/dir"))
	require.NoError(t, d.Rename("/a", "/dir/a"))
	ops, tree := d.Ops(), dump(t, d)
	lost := dump(t, d.Crash(disk.Cut{Keep: disk.Nothing}))

	twin := d.Clone()
	require.Equal(t, ops, twin.Ops())
	require.Equal(t, tree, dump(t, twin))
	g, err := twin.Open("/dir/a")
	require.NoError(t, err)
	write(t, g, 0, sectorsOf('t', 3))
	require.NoError(t, g.Datasync())
	require.NoError(t, twin.SyncDir("/"))
	require.Equal(t, tree, dump(t, d))
	require.Equal(t, lost, dump(t, d.Crash(disk.Cut{Keep: disk.Nothing})))

	theirs := dump(t, twin)
	write(t, f, 0, sectorsOf('d', 4))
	require.NoError(t, f.Datasync())
	require.NoError(t, d.Remove("/dir/a"))
	require.Equal(t, theirs, dump(t, twin))
	require.Equal(t, theirs, dump(t, twin.Crash(disk.Cut{})), "the twin synced everything")
}

func TestTheSameSeedGivesTheSameDisk(t *testing.T) {
	run := func(seed, cut uint64) string {
		d := disk.New(seed)
		if err := workload(d); err != nil {
			t.Error(err)
		}
		f, err := d.Create("/more")
		require.NoError(t, err)
		write(t, f, 0, sectorsOf('m', 40))
		return dump(t, d.Crash(disk.Cut{Seed: cut, Garbage: true}))
	}
	different := map[string]bool{}
	for seed := range uint64(10) {
		for cut := range uint64(10) {
			first := run(seed, cut)
			require.Equal(t, first, run(seed, cut), "seed %d, cut %d", seed, cut)
			different[first] = true
		}
	}
	require.Greater(t, len(different), 50)
}

// liar is a file system that leaves out what a careless program leaves out.
type liar struct {
	fs.FS
	noDatasync, noSyncDir bool
}

type lyingFile struct {
	fs.File
	l liar
}

func (l liar) Create(name string) (fs.File, error) {
	f, err := l.FS.Create(name)
	return lyingFile{f, l}, err
}

func (l liar) SyncDir(dir string) error {
	if l.noSyncDir {
		return nil
	}
	return l.FS.SyncDir(dir)
}

func (f lyingFile) Datasync() error {
	if f.l.noDatasync {
		return nil
	}
	return f.File.Datasync()
}

// TestTheModelBites: a file replaced by the book is old or new after a power cut at any operation, and new once it was said to
// be; with either sync left out it is not.
func TestTheModelBites(t *testing.T) {
	oldData, newData := string(sectorsOf('o', 4)), string(sectorsOf('n', 4))
	broken := func(noDatasync, noSyncDir bool) bool {
		for n := 1; ; n++ {
			d := disk.New(1)
			require.NoError(t, fs.WriteFileAtomic(d, "/", "/a", []byte(oldData)))
			d.CrashAt(d.Ops() + n)
			err := fs.WriteFileAtomic(liar{d, noDatasync, noSyncDir}, "/", "/a", []byte(newData))
			for seed := range uint64(40) {
				left := read(t, d.Crash(disk.Cut{Seed: seed}), "/a")
				if left != newData && (left != oldData || err == nil) {
					return true
				}
			}
			if err == nil {
				return false
			}
		}
	}
	require.False(t, broken(false, false))
	require.True(t, broken(true, false), "without Datasync")
	require.True(t, broken(false, true), "without SyncDir")
}

// TestACrashOfOnePath: who asks about one file alone gets it as the whole disk would have it, and nothing else.
func TestACrashOfOnePath(t *testing.T) {
	t.Parallel()
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("a/b"))
	for _, name := range []string{"a/b/one", "a/b/other", "a/one"} {
		f, err := d.Create(name)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("of "+name), 0)
		require.NoError(t, err)
		require.NoError(t, f.Datasync())
		_, err = f.WriteAt([]byte("lost"), 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	require.NoError(t, d.SyncDir("a"))
	require.NoError(t, d.SyncDir("a/b"))
	after := d.Crash(disk.Cut{Keep: disk.Nothing, Only: "a/b/one"})
	f, err := after.Open("a/b/one")
	require.NoError(t, err)
	defer f.Close()
	got := make([]byte, len("of a/b/one"))
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, "of a/b/one", string(got))
	names, err := after.List("a")
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, names)
	names, err = after.List("a/b")
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, names)
}
