package fstest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// Run runs the kit. open gives a file system and an existing, empty directory in it, new for each call.
func Run(t *testing.T, open func(t *testing.T) (fsys fs.FS, dir string)) {
	tests := []struct {
		name string
		run  func(t *testing.T, fsys fs.FS, dir string)
	}{
		{"CreateOpen", testCreateOpen},
		{"ReadWrite", testReadWrite},
		{"Holes", testHoles},
		{"Writev", testWritev},
		{"WritevMany", testWritevMany},
		{"Zero", testZero},
		{"Truncate", testTruncate},
		{"Closed", testClosed},
		{"BadRange", testBadRange},
		{"Concurrent", testConcurrent},
		{"Remove", testRemove},
		{"RemoveOpen", testRemoveOpen},
		{"RemoveAll", testRemoveAll},
		{"Rename", testRename},
		{"RenameDirectory", testRenameDirectory},
		{"MkdirAll", testMkdirAll},
		{"List", testList},
		{"Stat", testStat},
		{"SyncDir", testSyncDir},
		{"Space", testSpace},
		{"Lock", testLock},
		{"WriteFileAtomic", testWriteFileAtomic},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fsys, dir := open(t)
			test.run(t, fsys, dir)
		})
	}
}

// create makes a file that is closed with the test.
func create(t *testing.T, fsys fs.FS, name string, data []byte) fs.File {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	if len(data) > 0 {
		n, err := f.WriteAt(data, 0)
		require.NoError(t, err)
		require.Equal(t, len(data), n)
	}
	return f
}

// holds checks a file's length and bytes through a name.
func holds(t *testing.T, fsys fs.FS, name string, want []byte) {
	t.Helper()
	got, err := fs.ReadFile(fsys, name)
	require.NoError(t, err)
	require.Equal(t, len(want), len(got), "length of %s", name)
	require.True(t, string(want) == string(got), "bytes of %s", name)
}
