package fs

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestNoSpace writes to the device that is always full.
func TestNoSpace(t *testing.T) {
	name := filepath.Join(t.TempDir(), "full")
	require.NoError(t, os.Symlink("/dev/full", name))
	f, err := OS.Open(name)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, ErrNoSpace)
	require.ErrorIs(t, err, syscall.ENOSPC, "the system's error is kept")
	_, err = f.WritevAt([][]byte{[]byte("x"), []byte("y")}, 0)
	require.ErrorIs(t, err, ErrNoSpace)
	require.ErrorIs(t, f.Zero(0, 1<<20), ErrNoSpace)
}

// TestZeroIsWritten: zeros must take space, or a later flush has to allocate it.
func TestZeroIsWritten(t *testing.T) {
	name := t.TempDir() + "/a"
	f, err := OS.Create(name)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Zero(0, 1<<20))
	require.NoError(t, f.Datasync())
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.GreaterOrEqual(t, info.Sys().(*syscall.Stat_t).Blocks*512, int64(1<<20))
}

// TestShortWrites: a kernel may write less than it is asked for, and stop anywhere.
func TestShortWrites(t *testing.T) {
	bufs := make([][]byte, 3000)
	for i := range bufs {
		bufs[i] = bytes.Repeat([]byte{byte(i)}, i%5)
	}
	want := bytes.Join(bufs, nil)
	for most := 1; most < 12; most++ {
		got := make([]byte, 0, len(want))
		n, err := writeAll(bufs, 7, func(iovecs []syscall.Iovec, off int64) (int, error) {
			require.EqualValues(t, 7+len(got), off)
			require.LessOrEqual(t, len(iovecs), maxIovecs)
			left := most
			for _, v := range iovecs {
				b := unsafe.Slice(v.Base, v.Len)
				b = b[:min(left, len(b))]
				got, left = append(got, b...), left-len(b)
			}
			return most - left, nil
		})
		require.NoError(t, err)
		require.Equal(t, len(want), n)
		require.True(t, bytes.Equal(want, got), "at most %d bytes a call", most)
	}
}

// TestWritevFailure: what was written before the failure is counted.
func TestWritevFailure(t *testing.T) {
	calls := 0
	n, err := writeAll([][]byte{[]byte("abc"), []byte("def")}, 0, func([]syscall.Iovec, int64) (int, error) {
		if calls++; calls == 2 {
			return 0, syscall.EIO
		}
		return 4, nil
	})
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, 4, n)
}
