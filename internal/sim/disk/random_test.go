package disk_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

var seedFlag = flag.Uint64("seed", 1, "first seed of the randomised tests")

// image is the model of a file.
type image struct {
	// now is what the kernel shows.
	now []byte
	// was holds every state that the file has had since it was last synced, the present one included.
	was [][]byte
}

// TestRandomFiles compares a disk with a model that keeps whole copies of files: what the kernel shows is the last copy, and
// after a power cut each sector is that of some copy since the last sync, as is the length.
func TestRandomFiles(t *testing.T) {
	t.Parallel()
	for seed := *seedFlag; seed < *seedFlag+40; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { randomFiles(t, seed) })
	}
}

func randomFiles(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	d := disk.New(seed)
	files, model := make([]fs.File, 3), make([]image, 3)
	for i := range files {
		files[i] = durable(t, d, fmt.Sprintf("/%d", i), nil)
		model[i].was = [][]byte{nil}
	}
	for step := range 120 {
		i := random.IntN(len(files))
		change(t, random, files[i], &model[i])
		require.Equal(t, string(model[i].now), read(t, d, fmt.Sprintf("/%d", i)), "step %d", step)
		if random.IntN(10) > 0 {
			continue
		}
		after := d.Crash(disk.Cut{Seed: random.Uint64()})
		for j := range files {
			legal(t, model[j], []byte(read(t, after, fmt.Sprintf("/%d", j))))
		}
		if random.IntN(2) > 0 {
			continue
		}
		d = []*disk.Disk{after, d.KillProcess(), d.Clone()}[random.IntN(3)]
		for j := range files {
			var err error
			files[j], err = d.Open(fmt.Sprintf("/%d", j))
			require.NoError(t, err)
			if d == after {
				model[j].now = []byte(read(t, d, fmt.Sprintf("/%d", j)))
				model[j].was = [][]byte{model[j].now}
			}
		}
	}
}

// change does one random thing to a file and to its model.
func change(t *testing.T, random *rand.Rand, f fs.File, m *image) {
	t.Helper()
	off, n := random.IntN(3000), random.IntN(2500)
	if random.IntN(3) == 0 {
		off, n = off&^511, n&^511
	}
	grow := func(size int) {
		m.now = append(bytes.Clone(m.now), make([]byte, max(0, size-len(m.now)))...)
	}
	switch random.IntN(8) {
	case 0, 1, 2, 3:
		data := bytes.Repeat([]byte{byte(random.Uint32())}, n)
		write(t, f, int64(off), data)
		if n > 0 {
			grow(off + n)
			copy(m.now[off:], data)
		}
	case 4:
		require.NoError(t, f.Zero(int64(off), int64(n)))
		if n > 0 {
			grow(off + n)
			clear(m.now[off : off+n])
		}
	case 5:
		require.NoError(t, f.Truncate(int64(off)))
		grow(off)
		m.now = m.now[:off:off]
	case 6, 7:
		require.NoError(t, f.Datasync())
		m.was = nil
	}
	m.was = append(m.was, bytes.Clone(m.now))
}

// legal checks what a power cut left of a file against all that it has been since it was synced.
func legal(t *testing.T, m image, left []byte) {
	t.Helper()
	require.True(t, slices.ContainsFunc(m.was, func(b []byte) bool { return len(b) == len(left) }), "length %d", len(left))
	for at := 0; at < len(left); at += disk.SectorSize {
		got := left[at:min(len(left), at+disk.SectorSize)]
		require.True(t, slices.ContainsFunc(m.was, func(b []byte) bool { return bytes.Equal(sectorAt(b, at, len(got)), got) }),
			"the sector at %d was never like this", at)
	}
}

// sectorAt gives n bytes from at on; what a file is too short for reads as zeros.
func sectorAt(b []byte, at, n int) []byte {
	s := make([]byte, n)
	if at < len(b) {
		copy(s, b[at:])
	}
	return s
}

// TestRandomNames compares names with a model: each directory's names lead, after a power cut, to what they led to at some
// moment since the directory was synced, and what the kernel shows is right.
func TestRandomNames(t *testing.T) {
	t.Parallel()
	for seed := *seedFlag; seed < *seedFlag+40; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { randomNames(t, seed) })
	}
}

func randomNames(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	d := disk.New(seed)
	dirs := []string{"/p", "/q"}
	var names []string
	for _, dir := range dirs {
		require.NoError(t, d.MkdirAll(dir))
		for _, base := range []string{"a", "b", "c"} {
			names = append(names, dir+"/"+base)
		}
	}
	now := map[string]string{}          // what each name leads to
	was := map[string]map[string]bool{} // and all it led to since its directory was synced
	note := func(name string) { was[name][orAbsent(now[name])] = true }
	for _, name := range names {
		was[name] = map[string]bool{"absent": true}
	}
	for step := range 150 {
		name, to := names[random.IntN(len(names))], names[random.IntN(len(names))]
		switch random.IntN(8) {
		case 0, 1, 2:
			f, err := d.Create(name)
			require.Equal(t, now[name] != "", err != nil)
			if err == nil {
				now[name] = fmt.Sprint("file ", step)
				write(t, f, 0, []byte(now[name]))
				require.NoError(t, f.Datasync())
			}
		case 3, 4, 5:
			err := d.Rename(name, to)
			require.Equal(t, now[name] != "", err == nil)
			if err == nil && name != to {
				now[to] = now[name]
				delete(now, name)
			}
		case 6:
			require.Equal(t, now[name] != "", d.Remove(name) == nil)
			delete(now, name)
		case 7:
			dir := dirs[random.IntN(2)]
			require.NoError(t, d.SyncDir(dir))
			for _, name := range names {
				if name[:2] == dir {
					was[name] = map[string]bool{}
				}
			}
		}
		for _, name := range names {
			note(name)
			require.Equal(t, orAbsent(now[name]), read(t, d, name), "step %d", step)
		}
		after := d.Crash(disk.Cut{Seed: uint64(step)})
		for _, name := range names {
			require.Contains(t, was[name], read(t, after, name), "step %d, %s", step, name)
		}
		if random.IntN(20) == 0 {
			d = d.Clone()
		}
	}
}

func orAbsent(s string) string {
	if s == "" {
		return "absent"
	}
	return s
}

// BenchmarkCrash cuts the power while a log is written: the cost of one crash image.
func BenchmarkCrash(b *testing.B) {
	d := disk.New(1)
	f, err := d.Create("/a")
	require.NoError(b, err)
	require.NoError(b, f.Zero(0, 1<<20))
	require.NoError(b, f.Datasync())
	require.NoError(b, d.SyncDir("/"))
	_, err = f.WriteAt(make([]byte, 16<<10), 4096)
	require.NoError(b, err)
	b.ReportAllocs()
	for seed := uint64(0); b.Loop(); seed++ {
		d.Crash(disk.Cut{Seed: seed})
	}
}

// BenchmarkWrite is the cost of a page written and synced.
func BenchmarkWrite(b *testing.B) {
	d := disk.New(1)
	f, err := d.Create("/a")
	require.NoError(b, err)
	require.NoError(b, f.Zero(0, 1<<20))
	page := make([]byte, 4096)
	b.ReportAllocs()
	for at := int64(0); b.Loop(); at += 4096 {
		if _, err := f.WriteAt(page, at%(1<<20)); err != nil {
			b.Fatal(err)
		}
		if err := f.Datasync(); err != nil {
			b.Fatal(err)
		}
	}
}
