package disk_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

func TestFaultsByPathAndOperation(t *testing.T) {
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("/dir"))
	a, b := durable(t, d, "/dir/a.seg", []byte("a")), durable(t, d, "/dir/b.idx", []byte("b"))
	remove := d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpRead, disk.OpWrite}, Path: "*.seg"})
	_, err := a.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, disk.ErrIO)
	require.ErrorContains(t, err, "dir/a.seg")
	_, err = a.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, disk.ErrIO)
	require.NoError(t, a.Datasync())
	write(t, b, 0, []byte("y"))
	remove()
	require.Equal(t, "a y", read(t, d, "/dir/a.seg")+" "+read(t, d, "/dir/b.idx"), "a failed write has written nothing")

	boom := errors.New("boom")
	remove = d.Inject(disk.Fault{Path: "dir/*", Skip: 1, Count: 2, Err: boom})
	_, err = d.Stat("/dir/a.seg")
	require.NoError(t, err)
	require.ErrorIs(t, d.Remove("/dir/a.seg"), boom)
	require.ErrorIs(t, d.Rename("/dir/a.seg", "/x"), boom)
	require.NoError(t, d.Rename("/dir/a.seg", "/x"))
	remove()

	defer d.Inject(disk.Fault{})()
	_, err = d.List("/")
	require.ErrorIs(t, err, disk.ErrIO)
	_, err = d.Lock("/LOCK")
	require.ErrorIs(t, err, disk.ErrIO)
	_, _, err = d.Space("/")
	require.ErrorIs(t, err, disk.ErrIO)
	require.ErrorIs(t, d.MkdirAll("/new"), disk.ErrIO)
	require.Panics(t, func() { d.Inject(disk.Fault{Path: "["}) })
}

// TestAFailedSyncLies: it fails once, the next one succeeds, and what was dirty at the first may or may not be on the disk.
func TestAFailedSyncLies(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", sectorsOf('o', 2))
	write(t, f, 0, sectorsOf('n', 3))
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Count: 1})
	require.ErrorIs(t, f.Datasync(), disk.ErrIO)
	require.Equal(t, string(sectorsOf('n', 3)), read(t, d, "/a"), "the page cache shows what was written")
	require.NoError(t, f.Datasync())
	look := func(d *disk.Disk) string {
		summary, data := "", read(t, d, "/a")
		for i := 0; i < len(data); i += 512 {
			summary += strings.ReplaceAll(data[i:i+1], "\x00", "0")
		}
		return summary
	}
	seen := outcomes(t, d, disk.Cut{}, look)
	only(t, seen, "oo", "on", "no", "nn", "oo0", "on0", "no0", "nn0", "oon", "onn", "non", "nnn")
	require.Equal(t, "oo", look(d.Crash(disk.Cut{Keep: disk.Nothing})))

	write(t, f, 0, sectorsOf('m', 1))
	require.NoError(t, f.Datasync())
	only(t, outcomes(t, d.KillProcess(), disk.Cut{}, look), "mo", "mn", "mo0", "mn0", "mon", "mnn")
	write(t, f, 512, sectorsOf('m', 3))
	require.NoError(t, f.Datasync())
	only(t, outcomes(t, d, disk.Cut{}, look), "mmmm")
}

// TestAFailedSyncMayEvict: the kernel drops what it could not write, and reads show what the disk has.
func TestAFailedSyncMayEvict(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", []byte("old and long"))
	used := d.Used()
	write(t, f, 0, []byte("new"))
	write(t, f, 600, []byte("tail"))
	require.NoError(t, f.Truncate(602))
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Count: 1, Evict: true})
	require.ErrorIs(t, f.Datasync(), disk.ErrIO)
	want := "old and long" + strings.Repeat("\x00", 590)
	require.Equal(t, want, read(t, d, "/a"))
	require.Equal(t, used, d.Used())
	require.NoError(t, f.Datasync())
	seen := outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string { return strings.TrimRight(read(t, d, "/a"), "\x00") })
	only(t, seen, "old and long")
}

func TestFaultsGoWithAClone(t *testing.T) {
	d := disk.New(1)
	durable(t, d, "/a", []byte("x"))
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpStat}, Count: 1})
	for _, twin := range []*disk.Disk{d.Clone(), d} {
		_, err := twin.Stat("/a")
		require.ErrorIs(t, err, disk.ErrIO)
		_, err = twin.Stat("/a")
		require.NoError(t, err)
	}
	d.Inject(disk.Fault{})
	require.Equal(t, "x", read(t, d.Crash(disk.Cut{}), "/a"))
	require.Equal(t, "x", read(t, d.KillProcess(), "/a"))
}

func TestCapacity(t *testing.T) {
	d := disk.New(1)
	d.SetCapacity(8 * disk.SectorSize)
	free, total, err := d.Space("/")
	require.NoError(t, err)
	require.EqualValues(t, 4096, free)
	require.EqualValues(t, 4096, total)
	f, err := d.Create("/a")
	require.NoError(t, err)
	write(t, f, 0, sectorsOf('a', 5))
	n, err := f.WriteAt(sectorsOf('b', 5), 1024)
	require.NoError(t, err, "only what is new takes space")
	require.Equal(t, 2560, n)
	n, err = f.WriteAt(sectorsOf('c', 3), 3000)
	require.ErrorIs(t, err, fs.ErrNoSpace)
	require.Equal(t, 4096-3000, n, "a full disk cuts a write short")
	size, err := f.Size()
	require.NoError(t, err)
	require.EqualValues(t, 4096, size)
	require.ErrorIs(t, f.Zero(4096, 1), fs.ErrNoSpace)
	require.NoError(t, f.Zero(0, 4096), "what is there can be written")
	require.NoError(t, f.Truncate(1<<20), "a hole takes nothing")
	require.EqualValues(t, 4096, d.Used())

	require.NoError(t, f.Truncate(1000))
	require.EqualValues(t, 1024, d.Used())
	write(t, f, 1000, []byte("more"))
	g, err := d.Open("/a")
	require.NoError(t, err)
	require.NoError(t, d.Remove("/a"))
	require.NoError(t, f.Close())
	require.EqualValues(t, 1024, d.Used(), "an open file keeps its space")
	require.NoError(t, g.Close())
	require.Zero(t, d.Used())
	require.Zero(t, d.Crash(disk.Cut{Keep: disk.Everything}).Used())

	d.SetCapacity(0)
	h, err := d.Create("/h")
	require.NoError(t, err)
	require.NoError(t, h.Zero(0, 1<<20))
	d.SetCapacity(1000)
	free, _, err = d.Space("/")
	require.NoError(t, err)
	require.Zero(t, free)
	_, err = h.WriteAt([]byte("x"), 2<<20)
	require.ErrorIs(t, err, fs.ErrNoSpace)
	replaced, err := d.Create("/r")
	require.NoError(t, err)
	require.NoError(t, replaced.Close())
	require.NoError(t, h.Close())
	require.NoError(t, d.Rename("/r", "/h"))
	require.Zero(t, d.Used(), "a file that was replaced gives its space back")
}

func TestFlip(t *testing.T) {
	d := disk.New(1)
	f := durable(t, d, "/a", []byte("abc"))
	write(t, f, 600, []byte("xyz"))
	require.NoError(t, d.Flip("/a", 1, 0x20))
	require.NoError(t, d.Flip("/a", 601, 0x20))
	want := "aBc" + strings.Repeat("\x00", 597) + "xYz"
	require.Equal(t, want, read(t, d, "/a"))
	require.Equal(t, want, read(t, d.Crash(disk.Cut{Keep: disk.Everything}), "/a"))
	require.Equal(t, "aBc", read(t, d.Crash(disk.Cut{Keep: disk.Nothing}), "/a"))
	seen := outcomes(t, d, disk.Cut{}, func(d *disk.Disk) string { return strings.Trim(read(t, d, "/a")[3:], "\x00") })
	only(t, seen, "", "xYz")
	require.Error(t, d.Flip("/a", 603, 1))
	require.Error(t, d.Flip("/a", -1, 1))
	require.Error(t, d.Flip("/", 0, 1))
	require.ErrorIs(t, d.Flip("/none", 0, 1), fs.ErrNotExist)
	require.NoError(t, f.Truncate(2000))
	used := d.Used()
	require.NoError(t, d.Flip("/a", 1999, 0xff))
	require.Equal(t, used+disk.SectorSize, d.Used(), "a hole that rots is one no longer")
	require.Equal(t, "\xff", read(t, d, "/a")[1999:])
}

// Example cuts the power at each operation of a careless program.
func Example() {
	careless := func(d *disk.Disk) error {
		f, err := d.Create("/vote")
		if err != nil {
			return err
		}
		if _, err := f.WriteAt([]byte("n1"), 0); err != nil {
			return err
		}
		return f.Datasync() // and the directory?
	}
	whole := disk.New(1)
	if err := careless(whole); err != nil {
		fmt.Println(err)
	}
	_, err := fs.ReadFile(whole.Crash(disk.Cut{Keep: disk.Nothing}), "/vote")
	fmt.Println(whole.Ops(), "operations, and then:", err)
	// Output: 3 operations, and then: open vote: file does not exist
}

// A name that is lost is found neither by the kernel nor after a power cut, and its neighbours are.
func TestALostNameIsGoneForGood(t *testing.T) {
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("a/b"))
	for _, name := range []string{"a/x", "a/y", "a/b/z"} {
		f, err := d.Create(name)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	require.NoError(t, d.LoseName("a/x"))
	require.NoError(t, d.LoseName("a/b"))
	require.ErrorIs(t, d.LoseName("a/x"), fs.ErrNotExist)
	for _, seen := range []*disk.Disk{d, d.Crash(disk.Cut{Keep: disk.Nothing})} {
		names, err := seen.List("a")
		require.NoError(t, err)
		require.Equal(t, []string{"y"}, names)
	}
}
