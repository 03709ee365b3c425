package flushes_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/peers/flushes"
)

func read(t *testing.T, lines ...string) *flushes.Trace {
	t.Helper()
	trace, err := flushes.Read(strings.NewReader(strings.Join(lines, "\n")), "/d")
	require.NoError(t, err)
	return trace
}

func begun(i string) string {
	return `7  faccessat(AT_FDCWD, "/ledgerkv-flushes/begun/` + i + `", F_OK) = -1 ENOENT (No such file or directory)`
}

func ended(i string) string {
	return `7  faccessat(AT_FDCWD, "/ledgerkv-flushes/ended/` + i + `", F_OK) = -1 ENOENT (No such file or directory)`
}

func TestAFlushCountsForTheWriteThatWaitedForIt(t *testing.T) {
	t.Parallel()
	trace := read(t,
		`8  fdatasync(5</d/node0/log>) = 0`, // before the first write
		begun("0"),
		`8  fdatasync(5</d/node0/log> <unfinished ...>`,
		`9  fsync(6</d/node1/log>)     = 0`,
		`8  <... fdatasync resumed>)   = 0`,
		ended("0"),
		begun("1"),
		`8  fdatasync(5</d/node0/log>) = 0`,
		`9  fsync(6</d/node1/log> <unfinished ...>`,
		ended("1"),
		begun("2"),
		`9  <... fsync resumed>)       = 0`, // it began in the write before: what was written in this one may not be in it
		`8  fdatasync(5</d/node0/log>) = 0`,
		`8  fdatasync(5</d/node0/table>) = 0`,
		ended("2"),
		`8  fsync(5</d/node0/log>) = 0`, // after the last write
	)
	require.Equal(t, 3, trace.Writes)
	require.Equal(t, []int{2, 1, 1}, trace.Nodes)
	require.Equal(t, 1, trace.Flushed(2))
	require.Equal(t, 3, trace.Flushed(1))
	require.Equal(t, map[string]int{"fdatasync": 4, "fsync": 2}, trace.Calls)
	require.Equal(t, 6, trace.Flushes())
}

func TestWritesToSyncedFilesAreFlushes(t *testing.T) {
	t.Parallel()
	trace := read(t,
		`8  openat(AT_FDCWD, "/d/node0/a", O_RDWR|O_CREAT|O_SYNC|O_CLOEXEC, 0644) = 5</d/node0/a>`,
		`8  openat(AT_FDCWD, "/d/node1/b", O_RDWR|O_CREAT|O_CLOEXEC, 0644 <unfinished ...>`,
		`8  <... openat resumed>) = 6</d/node1/b>`,
		`8  openat(AT_FDCWD, "/d/node2/c", O_RDWR|O_DSYNC|O_CLOEXEC) = 7</d/node2/c>`,
		begun("0"),
		`8  pwrite64(5</d/node0/a>, "x"..., 4096, 0) = 4096`,
		`8  write(6</d/node1/b>, "x"..., 4096) = 4096`,
		`8  write(9<socket:[77]>, "x"..., 4096) = 4096`,
		ended("0"),
		begun("1"),
		`8  write(7</d/node2/c>, "x"..., 4096) = -1 ENOSPC (No space left on device)`,
		ended("1"),
	)
	require.Equal(t, []int{1, 0}, trace.Nodes)
	require.Equal(t, map[string]int{"pwrite64 (O_SYNC)": 1}, trace.Calls)
}

func TestFlushesThatFailOrAreElsewhereDoNotCount(t *testing.T) {
	t.Parallel()
	trace := read(t,
		begun("0"),
		`8  fdatasync(5</d/node0/log>) = -1 EIO (Input/output error)`,
		`8  fdatasync(5</elsewhere/log>) = 0`,
		`8  sync_file_range(5</d/node0/log>, 0, 4096, SYNC_FILE_RANGE_WRITE) = 0`,
		`8  msync(0x7f0000000000, 4096, MS_SYNC) = 0`,
		`9  msync(0x7f1111111000, 4096, MS_SYNC) = 0`,
		`8  +++ exited with 0 +++`,
		ended("0"),
	)
	require.Equal(t, []int{2}, trace.Nodes, "the memory that two threads have flushed, alone")
}
