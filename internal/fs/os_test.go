package fs_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/fs/fstest"
)

func TestConformance(t *testing.T) {
	fstest.Run(t, func(t *testing.T) (fs.FS, string) { return fs.OS, t.TempDir() })
}

// TestMain lets the test binary be the other process of TestLockAgainstAnotherProcess.
func TestMain(m *testing.M) {
	if name := os.Getenv("FS_TEST_HOLD_LOCK"); name != "" {
		if _, err := fs.OS.Lock(name); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("held\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test lets go or dies
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLockAgainstAnotherProcess(t *testing.T) {
	name := t.TempDir() + "/LOCK"
	self, err := os.Executable()
	require.NoError(t, err)
	other := exec.Command(self)
	other.Env = append(os.Environ(), "FS_TEST_HOLD_LOCK="+name)
	letGo, err := other.StdinPipe()
	require.NoError(t, err)
	says, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	t.Cleanup(func() { _ = other.Process.Kill() })
	_, err = io.ReadFull(says, make([]byte, len("held\n")))
	require.NoError(t, err)

	_, err = fs.OS.Lock(name)
	require.ErrorIs(t, err, fs.ErrLocked)
	require.ErrorContains(t, err, name)

	require.NoError(t, other.Process.Kill()) // the system gives back a dead process's lock
	_ = letGo.Close()
	require.Error(t, other.Wait())
	held, err := fs.OS.Lock(name)
	require.NoError(t, err)
	require.NoError(t, held.Close())
}

// TestMkdirAllRelative: every level's parent exists, also where a path is relative.
func TestMkdirAllRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, fs.OS.MkdirAll("a/b"))
	require.NoError(t, fs.OS.MkdirAll("."))
	require.NoError(t, fs.OS.MkdirAll("a/./b/../c"))
	names, err := fs.OS.List("a")
	require.NoError(t, err)
	require.Equal(t, []string{"b", "c"}, names)
	require.NoError(t, fs.OS.SyncDir("."))
}

func TestOpenDirectory(t *testing.T) {
	_, err := fs.OS.Open(t.TempDir())
	require.Error(t, err)
	require.False(t, errors.Is(err, fs.ErrNotExist))
}

func BenchmarkWriteAndDatasync(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			f, err := fs.OS.Create(b.TempDir() + "/a")
			require.NoError(b, err)
			defer f.Close()
			const area = 4 << 20
			require.NoError(b, f.Zero(0, area))
			require.NoError(b, f.Datasync())
			page := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			at := int64(0)
			for b.Loop() {
				if _, err := f.WriteAt(page, at%area); err != nil {
					b.Fatal(err)
				}
				if err := f.Datasync(); err != nil {
					b.Fatal(err)
				}
				at += int64(size)
			}
		})
	}
}
