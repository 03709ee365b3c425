package fstest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

func testRemove(t *testing.T, fsys fs.FS, dir string) {
	create(t, fsys, dir+"/a", nil)
	require.NoError(t, fsys.Remove(dir+"/a"))
	_, err := fsys.Stat(dir + "/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, fsys.Remove(dir+"/a"), fs.ErrNotExist)
	require.NoError(t, fsys.MkdirAll(dir+"/d/e"))
	require.Error(t, fsys.Remove(dir+"/d"), "a directory that is not empty")
	require.NoError(t, fsys.Remove(dir+"/d/e"))
	require.NoError(t, fsys.Remove(dir+"/d"))
	names, err := fsys.List(dir)
	require.NoError(t, err)
	require.Empty(t, names)
}

// testRemoveOpen: a file lives on as long as it is open, and its name can be used again.
func testRemoveOpen(t *testing.T, fsys fs.FS, dir string) {
	f := create(t, fsys, dir+"/a", []byte("old"))
	require.NoError(t, fsys.Remove(dir+"/a"))
	create(t, fsys, dir+"/a", []byte("new"))
	got := make([]byte, 3)
	_, err := f.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, "old", string(got))
	_, err = f.WriteAt([]byte("OLD"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Datasync())
	holds(t, fsys, dir+"/a", []byte("new"))
}

func testRemoveAll(t *testing.T, fsys fs.FS, dir string) {
	require.NoError(t, fsys.RemoveAll(dir+"/none"))
	require.NoError(t, fsys.MkdirAll(dir+"/d/e/f"))
	create(t, fsys, dir+"/d/a", []byte("x"))
	create(t, fsys, dir+"/d/e/b", []byte("x"))
	create(t, fsys, dir+"/keep", []byte("x"))
	require.NoError(t, fsys.RemoveAll(dir+"/d"))
	require.NoError(t, fsys.SyncDir(dir))
	names, err := fsys.List(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"keep"}, names)
	require.NoError(t, fsys.RemoveAll(dir+"/keep"))
	names, err = fsys.List(dir)
	require.NoError(t, err)
	require.Empty(t, names)
}

func testRename(t *testing.T, fsys fs.FS, dir string) {
	f := create(t, fsys, dir+"/a", []byte("a"))
	require.NoError(t, fsys.Rename(dir+"/a", dir+"/b"))
	holds(t, fsys, dir+"/b", []byte("a"))
	_, err := fsys.Stat(dir + "/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = f.WriteAt([]byte("A"), 0)
	require.NoError(t, err)
	holds(t, fsys, dir+"/b", []byte("A"))

	create(t, fsys, dir+"/c", []byte("c"))
	require.NoError(t, fsys.Rename(dir+"/c", dir+"/b"), "replaces a file")
	holds(t, fsys, dir+"/b", []byte("c"))
	require.NoError(t, fsys.Rename(dir+"/b", dir+"/b"))
	holds(t, fsys, dir+"/b", []byte("c"))

	require.NoError(t, fsys.MkdirAll(dir+"/d"))
	require.NoError(t, fsys.Rename(dir+"/b", dir+"/d/b"))
	holds(t, fsys, dir+"/d/b", []byte("c"))
	require.ErrorIs(t, fsys.Rename(dir+"/none", dir+"/x"), fs.ErrNotExist)
	require.ErrorIs(t, fsys.Rename(dir+"/d/b", dir+"/none/x"), fs.ErrNotExist)
	require.ErrorIs(t, fsys.Rename(dir+"/d/b", dir+"/d"), fs.ErrExist, "replaces no directory")
	holds(t, fsys, dir+"/d/b", []byte("c"))
}

func testRenameDirectory(t *testing.T, fsys fs.FS, dir string) {
	require.NoError(t, fsys.MkdirAll(dir+"/d"))
	create(t, fsys, dir+"/d/a", []byte("a"))
	require.NoError(t, fsys.Rename(dir+"/d", dir+"/e"))
	holds(t, fsys, dir+"/e/a", []byte("a"))
	require.NoError(t, fsys.MkdirAll(dir+"/f"))
	require.NoError(t, fsys.Rename(dir+"/e", dir+"/f/g"))
	holds(t, fsys, dir+"/f/g/a", []byte("a"))
	require.Error(t, fsys.Rename(dir+"/f", dir+"/f/g/h"), "into itself")
	names, err := fsys.List(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"f"}, names)
}

func testMkdirAll(t *testing.T, fsys fs.FS, dir string) {
	require.NoError(t, fsys.MkdirAll(dir))
	require.NoError(t, fsys.MkdirAll(dir+"/a/b/c"))
	require.NoError(t, fsys.MkdirAll(dir+"/a/b/c"))
	require.NoError(t, fsys.MkdirAll(dir+"/a/b/d/"))
	names, err := fsys.List(dir + "/a/b")
	require.NoError(t, err)
	require.Equal(t, []string{"c", "d"}, names)
	create(t, fsys, dir+"/file", nil)
	require.Error(t, fsys.MkdirAll(dir+"/file"))
	require.Error(t, fsys.MkdirAll(dir+"/file/x"))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := fsys.MkdirAll(dir + "/at/once/by/many"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func testList(t *testing.T, fsys fs.FS, dir string) {
	_, err := fsys.List(dir + "/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, name := range []string{"b", "a", "c", "B", "10", "9"} {
		create(t, fsys, dir+"/"+name, nil)
	}
	require.NoError(t, fsys.MkdirAll(dir+"/aa"))
	names, err := fsys.List(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"10", "9", "B", "a", "aa", "b", "c"}, names)
	_, err = fsys.List(dir + "/a")
	require.Error(t, err, "a file")
}

func testStat(t *testing.T, fsys fs.FS, dir string) {
	_, err := fsys.Stat(dir + "/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
	create(t, fsys, dir+"/a", pattern(777, 0))
	size, err := fsys.Stat(dir + "/a")
	require.NoError(t, err)
	require.EqualValues(t, 777, size)
}

func testSyncDir(t *testing.T, fsys fs.FS, dir string) {
	require.NoError(t, fsys.SyncDir(dir))
	require.ErrorIs(t, fsys.SyncDir(dir+"/none"), fs.ErrNotExist)
	create(t, fsys, dir+"/a", nil)
	require.Error(t, fsys.SyncDir(dir+"/a"), "a file")
}

func testSpace(t *testing.T, fsys fs.FS, dir string) {
	free, total, err := fsys.Space(dir)
	require.NoError(t, err)
	require.NotZero(t, free)
	require.LessOrEqual(t, free, total)
	_, _, err = fsys.Space(dir + "/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func testLock(t *testing.T, fsys fs.FS, dir string) {
	held, err := fsys.Lock(dir + "/LOCK")
	require.NoError(t, err)
	_, err = fsys.Lock(dir + "/LOCK")
	require.ErrorIs(t, err, fs.ErrLocked)
	other, err := fsys.Lock(dir + "/OTHER")
	require.NoError(t, err)
	require.NoError(t, held.Close())
	require.Error(t, held.Close(), "given back twice")
	held, err = fsys.Lock(dir + "/LOCK")
	require.NoError(t, err, "the file stays, the lock is free")
	require.NoError(t, held.Close())
	require.NoError(t, other.Close())
	_, err = fsys.Lock(dir + "/none/LOCK")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func testWriteFileAtomic(t *testing.T, fsys fs.FS, dir string) {
	require.NoError(t, fs.WriteFileAtomic(fsys, dir, dir+"/a", pattern(3000, 0)))
	holds(t, fsys, dir+"/a", pattern(3000, 0))
	create(t, fsys, dir+"/a.tmp", []byte("left by a crash"))
	require.NoError(t, fs.WriteFileAtomic(fsys, dir, dir+"/a", []byte("shorter")))
	holds(t, fsys, dir+"/a", []byte("shorter"))
	names, err := fsys.List(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names)
	require.NoError(t, fs.WriteFileAtomic(fsys, dir, dir+"/empty", nil))
	holds(t, fsys, dir+"/empty", nil)
	require.Error(t, fs.WriteFileAtomic(fsys, dir+"/none", dir+"/none/a", nil))
}
