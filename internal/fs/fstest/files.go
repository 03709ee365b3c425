package fstest

import (
	"bytes"
	"io"
	iofs "io/fs"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// pattern gives n bytes of which no two neighbouring sectors are alike.
func pattern(n int, salt byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7+i/512*13) ^ salt | 1
	}
	return p
}

func testCreateOpen(t *testing.T, fsys fs.FS, dir string) {
	name := dir + "/a"
	_, err := fsys.Open(name)
	require.ErrorIs(t, err, fs.ErrNotExist)
	f := create(t, fsys, name, nil)
	size, err := f.Size()
	require.NoError(t, err)
	require.Zero(t, size)
	_, err = fsys.Create(name)
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = fsys.Create(dir + "/none/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
	g, err := fsys.Open(name)
	require.NoError(t, err)
	_, err = g.WriteAt([]byte("seen through both"), 0)
	require.NoError(t, err)
	require.NoError(t, g.Close())
	got := make([]byte, 4)
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, "seen", string(got))
}

func testReadWrite(t *testing.T, fsys fs.FS, dir string) {
	want := pattern(10_000, 0)
	f := create(t, fsys, dir+"/a", want)
	for _, edge := range [][2]int{{0, 512}, {511, 514}, {512, 1024}, {700, 702}, {4095, 4097}, {1, 9_000}, {9_000, 10_000}} {
		fresh := pattern(edge[1]-edge[0], byte(edge[0]))
		n, err := f.WriteAt(fresh, int64(edge[0]))
		require.NoError(t, err)
		require.Equal(t, len(fresh), n)
		copy(want[edge[0]:], fresh)
		got := make([]byte, len(want))
		_, err = f.ReadAt(got, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "after writing %v", edge)
	}
	require.NoError(t, f.Datasync())
	got := make([]byte, 600)
	n, err := f.ReadAt(got, 9_500)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, want[9_500:], got[:n])
	n, err = f.ReadAt(got, 10_000)
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, n)
	n, err = f.WriteAt(nil, 20_000)
	require.NoError(t, err)
	require.Zero(t, n)
	holds(t, fsys, dir+"/a", want)
}

func testHoles(t *testing.T, fsys fs.FS, dir string) {
	f := create(t, fsys, dir+"/a", []byte("head"))
	_, err := f.WriteAt([]byte("tail"), 5000)
	require.NoError(t, err)
	want := make([]byte, 5004)
	copy(want, "head")
	copy(want[5000:], "tail")
	holds(t, fsys, dir+"/a", want)
}

func testWritev(t *testing.T, fsys fs.FS, dir string) {
	f := create(t, fsys, dir+"/a", pattern(3000, 0))
	bufs := [][]byte{[]byte("one"), nil, pattern(1000, 3), {}, []byte("two")}
	n, err := f.WritevAt(bufs, 100)
	require.NoError(t, err)
	require.Equal(t, 1006, n)
	want := pattern(3000, 0)
	copy(want[100:], bytes.Join(bufs, nil))
	holds(t, fsys, dir+"/a", want)
	require.Equal(t, "one", string(bufs[0]), "the buffers stay the caller's")
	bufs[2][0] = 0
	holds(t, fsys, dir+"/a", want)
	for _, none := range [][][]byte{nil, {}, {nil, {}}} {
		n, err = f.WritevAt(none, 9999)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	holds(t, fsys, dir+"/a", want)
}

// testWritevMany writes more buffers than one system call takes.
func testWritevMany(t *testing.T, fsys fs.FS, dir string) {
	f := create(t, fsys, dir+"/a", nil)
	want := pattern(2500*17, 0)
	var bufs [][]byte
	for at := 0; at < len(want); at += 17 {
		bufs = append(bufs, want[at:at+17])
	}
	n, err := f.WritevAt(bufs, 0)
	require.NoError(t, err)
	require.Equal(t, len(want), n)
	holds(t, fsys, dir+"/a", want)
}

func testZero(t *testing.T, fsys fs.FS, dir string) {
	want := pattern(10_000, 0)
	f := create(t, fsys, dir+"/a", want)
	for _, r := range [][2]int64{{0, 0}, {3, 5}, {500, 20}, {600, 3000}, {4096, 4096}, {9_990, 300_000}, {400_000, 2 << 20}} {
		require.NoError(t, f.Zero(r[0], r[1]))
		if grown := r[0] + r[1] - int64(len(want)); grown > 0 {
			want = append(want, make([]byte, grown)...)
		}
		clear(want[r[0] : r[0]+r[1]])
		holds(t, fsys, dir+"/a", want)
	}
}

func testTruncate(t *testing.T, fsys fs.FS, dir string) {
	want := pattern(3000, 0)
	f := create(t, fsys, dir+"/a", want)
	for _, size := range []int64{3000, 1000, 5000, 512, 1024, 0, 10} {
		require.NoError(t, f.Truncate(size))
		want = append(want[:min(int(size), len(want))], make([]byte, max(0, int(size)-len(want)))...)
		got, err := f.Size()
		require.NoError(t, err)
		require.Equal(t, size, got)
		holds(t, fsys, dir+"/a", want)
	}
	require.NoError(t, f.Datasync())
}

func testClosed(t *testing.T, fsys fs.FS, dir string) {
	f := create(t, fsys, dir+"/a", []byte("x"))
	require.NoError(t, f.Close())
	_, err := f.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, iofs.ErrClosed)
	_, err = f.WriteAt([]byte("y"), 0)
	require.ErrorIs(t, err, iofs.ErrClosed)
	_, err = f.WritevAt([][]byte{[]byte("y")}, 0)
	require.ErrorIs(t, err, iofs.ErrClosed)
	_, err = f.Size()
	require.ErrorIs(t, err, iofs.ErrClosed)
	require.ErrorIs(t, f.Datasync(), iofs.ErrClosed)
	require.ErrorIs(t, f.Zero(0, 1), iofs.ErrClosed)
	require.ErrorIs(t, f.Truncate(0), iofs.ErrClosed)
	require.ErrorIs(t, f.Close(), iofs.ErrClosed)
	holds(t, fsys, dir+"/a", []byte("x"))
}

func testBadRange(t *testing.T, fsys fs.FS, dir string) {
	f := create(t, fsys, dir+"/a", []byte("x"))
	_, err := f.ReadAt(make([]byte, 1), -1)
	require.Error(t, err)
	_, err = f.WriteAt([]byte("y"), -1)
	require.Error(t, err)
	_, err = f.WritevAt([][]byte{[]byte("y")}, -1)
	require.Error(t, err)
	require.Error(t, f.Zero(-1, 1))
	require.Error(t, f.Zero(0, -1))
	require.Error(t, f.Truncate(-1))
	holds(t, fsys, dir+"/a", []byte("x"))
}

func testConcurrent(t *testing.T, fsys fs.FS, dir string) {
	const writers, piece = 8, 3000
	f := create(t, fsys, dir+"/a", nil)
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			p := pattern(piece, byte(i)<<3)
			if _, err := f.WriteAt(p, int64(i*piece)); err != nil {
				t.Error(err)
			}
			got := make([]byte, piece)
			if _, err := f.ReadAt(got, int64(i*piece)); err != nil || !bytes.Equal(p, got) {
				t.Errorf("writer %d reads something else (%v)", i, err)
			}
		})
	}
	all.Wait()
	var want []byte
	for i := range writers {
		want = append(want, pattern(piece, byte(i)<<3)...)
	}
	holds(t, fsys, dir+"/a", want)
}
