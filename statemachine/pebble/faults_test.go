package pebble_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/pebble"
)

// fault makes the operations that match fail while err is set, and counts those that did.
type fault struct {
	match func(errorfs.Op) bool
	err   atomic.Pointer[error]
	hits  atomic.Int64
	// writes counts all operations that change the disk.
	writes atomic.Int64
}

func (f *fault) set(err error) {
	if err == nil {
		f.err.Store(nil)
		return
	}
	f.err.Store(&err)
}

func (f *fault) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
		f.writes.Add(1)
	}
	if err := f.err.Load(); err != nil && f.match(op) {
		f.hits.Add(1)
		return *err
	}
	return nil
}

func (f *fault) String() string { return "fault" }

func writing(match func(errorfs.Op) bool) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		return op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose && op.Kind != errorfs.OpRemove && match(op)
	}
}

func put(t testing.TB, e *pebble.Engine, key string, value []byte) error {
	b := e.Begin()
	b.Advance()
	if _, err := b.Put([]byte(key), value, 0); err != nil {
		return err
	}
	return b.Commit(e.Applied() + 1)
}

func get(t testing.TB, e *pebble.Engine, key string) string {
	v, err := e.View(statemachine.Latest)
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	item, ok, err := v.Get([]byte(key))
	require.NoError(t, err)
	require.True(t, ok, "key %q is not there", key)
	return string(item.Value)
}

func TestFullDisk(t *testing.T) {
	f := &fault{match: writing(isTable)}
	mem := vfs.NewCrashableMem()
	s := openAt(t, errorfs.Wrap(mem, f), 64<<10)
	e := engine(t, s, 1, 1)
	require.NoError(t, put(t, e, "a", []byte("1")))
	require.NoError(t, e.Flush())

	f.set(syscall.ENOSPC)
	require.NoError(t, put(t, e, "a", []byte("2")), "commits go on while there is memory")
	err := e.Flush()
	require.ErrorIs(t, err, pebble.ErrNoSpace)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.EqualValues(t, 1, e.Durable())
	require.Equal(t, "2", get(t, e, "a"), "reads go on")

	// A writer that does not stop comes to wait, and goes on when there is space.
	done := make(chan error, 1)
	const puts = 100
	go func() {
		for range puts {
			if err := put(t, e, "b", make([]byte, 8<<10)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for seen := f.hits.Load(); f.hits.Load() < seen+3; {
		require.ErrorIs(t, e.Flush(), pebble.ErrNoSpace)
	}
	select {
	case err := <-done:
		t.Fatalf("800 KiB went into a store with 64 KiB of memory and no disk: %v", err)
	default:
	}
	require.Equal(t, "2", get(t, e, "a"))
	f.set(nil)
	require.NoError(t, <-done)
	require.NoError(t, e.Flush())
	require.EqualValues(t, 2+puts, e.Durable())
	require.NoError(t, s.Close())
	require.EqualValues(t, 2+puts, engine(t, openAt(t, mem, 0), 1, 1).Applied())
}

func TestCloseOnFullDisk(t *testing.T) {
	f := &fault{match: writing(isTable)}
	mem := vfs.NewCrashableMem()
	s := openAt(t, errorfs.Wrap(mem, f), 64<<10)
	e := engine(t, s, 1, 1)
	require.NoError(t, put(t, e, "a", []byte("1")))
	require.NoError(t, e.Flush())
	f.set(syscall.ENOSPC)
	require.NoError(t, put(t, e, "b", nil))
	done := make(chan error, 1)
	go func() {
		for {
			if err := put(t, e, "b", make([]byte, 8<<10)); err != nil {
				done <- err
				return
			}
		}
	}()
	for f.hits.Load() < 2 {
		require.ErrorIs(t, e.Flush(), pebble.ErrNoSpace)
	}
	// Whether the writer waits by now or not: it ends, and so does Close.
	require.ErrorIs(t, s.Close(), pebble.ErrNoSpace)
	require.ErrorIs(t, <-done, statemachine.ErrClosed)
	require.ErrorIs(t, e.Flush(), statemachine.ErrClosed)

	again := engine(t, openAt(t, mem, 0), 1, 1)
	require.EqualValues(t, 1, again.Applied(), "what was durable is there")
	require.Equal(t, "1", get(t, again, "a"))
}

// TestManifestWaitsForSpace: Pebble gives up when its manifest can't be written, so a full disk must not get that far.
func TestManifestWaitsForSpace(t *testing.T) {
	var refused atomic.Int64
	f := &fault{match: func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileWrite && isManifest(op) && refused.Add(1) <= 3
	}}
	s := openAt(t, errorfs.Wrap(vfs.NewMem(), f), 64<<10)
	e := engine(t, s, 1, 1)
	require.NoError(t, put(t, e, "a", []byte("1")))
	f.set(syscall.ENOSPC)
	err := e.Flush()
	require.ErrorIs(t, err, pebble.ErrNoSpace)
	for err != nil {
		require.ErrorIs(t, err, pebble.ErrNoSpace)
		err = e.Flush()
	}
	require.EqualValues(t, 1, e.Durable())
	require.GreaterOrEqual(t, refused.Load(), int64(4))
	require.NoError(t, s.Close())
}

func TestFailedWriteEndsTheStore(t *testing.T) {
	for name, match := range map[string]func(errorfs.Op) bool{
		"write of a table": func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && isTable(op) },
		"sync of a table": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSync && isTable(op) || op.Kind == errorfs.OpFileSyncData && isTable(op)
		},
		"write of a manifest": func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && isManifest(op) },
		"sync of a manifest":  func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && isManifest(op) },
		"sync for want of space": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSync && isManifest(op)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cause := error(syscall.EIO)
			if strings.Contains(name, "space") {
				cause = syscall.ENOSPC
			}
			f := &fault{match: match}
			mem := vfs.NewCrashableMem()
			s := openAt(t, errorfs.Wrap(mem, f), 64<<10)
			e := engine(t, s, 1, 1)
			require.NoError(t, put(t, e, "a", []byte("1")))
			require.NoError(t, e.Flush())
			require.NoError(t, put(t, e, "a", []byte("2")))
			v, err := e.View(statemachine.Latest)
			require.NoError(t, err)

			f.set(cause)
			err = e.Flush()
			require.ErrorIs(t, err, pebble.ErrFailed)
			require.ErrorIs(t, err, cause, "the cause is told")
			require.Contains(t, err.Error(), testDir)
			f.set(nil)
			before := f.writes.Load()
			require.ErrorIs(t, put(t, e, "a", []byte("3")), pebble.ErrFailed)
			require.ErrorIs(t, e.Flush(), pebble.ErrFailed)
			_, _, err = v.Get([]byte("a"))
			require.ErrorIs(t, err, pebble.ErrFailed)
			require.ErrorIs(t, s.Drop(9, 9), pebble.ErrFailed)
			require.EqualValues(t, 1, e.Durable(), "a failed flush made nothing durable")
			require.ErrorIs(t, s.Close(), pebble.ErrFailed)
			require.Equal(t, before, f.writes.Load(), "nothing was written after the failure")

			again := engine(t, openAt(t, mem.CrashClone(vfs.CrashCloneCfg{}), 0), 1, 1)
			require.EqualValues(t, 1, again.Applied())
			require.Equal(t, "1", get(t, again, "a"))
		})
	}
}

// TestOpenOnAFailingDisk: Pebble would try to write its manifest without end. A store that failed to open has lost nothing.
func TestOpenOnAFailingDisk(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpFileSync} {
		for cause, want := range map[error]error{syscall.EIO: pebble.ErrFailed, syscall.ENOSPC: pebble.ErrNoSpace} {
			f := &fault{match: func(op errorfs.Op) bool { return op.Kind == kind && isManifest(op) }}
			mem := vfs.NewCrashableMem()
			s := openAt(t, mem, 0)
			e := engine(t, s, 1, 1)
			require.NoError(t, put(t, e, "a", []byte("1")))
			require.NoError(t, e.Flush())
			require.NoError(t, s.Close())
			f.set(cause)
			_, err := pebble.Open(testDir, pebble.Options{FS: errorfs.Wrap(mem, f)})
			require.ErrorIs(t, err, want)
			require.ErrorIs(t, err, cause, "the cause is told")
			require.ErrorContains(t, err, testDir)
			crashed := mem.CrashClone(vfs.CrashCloneCfg{})
			require.Equal(t, "1", get(t, engine(t, openAt(t, crashed, 0), 1, 1), "a"))
		}
	}
}

// TestDamageIsReported flips a byte of each kilobyte of each table in turn: reading everything gives an error that names the
// file, or, where the byte is not read, the right answer.
func TestDamageIsReported(t *testing.T) {
	mem := vfs.NewMem()
	s := openAt(t, mem, 0)
	e := engine(t, s, 1, 1)
	for n := 1; n < 60; n++ {
		require.NoError(t, apply(t, e, 7, n))
	}
	want := hash(t, e)
	require.NoError(t, s.Close())

	found := 0
	names, err := mem.List(testDir)
	require.NoError(t, err)
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		path := mem.PathJoin(testDir, name)
		whole := contents(t, mem, path)
		for at := 100; at < len(whole); at += 1024 {
			bad := bytes.Clone(whole)
			bad[at] ^= 0x10
			fs := vfs.NewMem()
			for _, other := range names {
				data := contents(t, mem, mem.PathJoin(testDir, other))
				if other == name {
					data = bad
				}
				write(t, fs, other, data)
			}
			if err := readAll(t, fs, want); err != nil {
				var damage *pebble.CorruptionError
				require.True(t, errors.As(err, &damage), "%v", err)
				require.ErrorIs(t, err, pebble.ErrFailed)
				require.Contains(t, damage.Path, name)
				found++
			}
		}
	}
	require.Greater(t, found, 10)
}

// readAll opens a store and compares the state.
func readAll(t testing.TB, fs vfs.FS, want string) error {
	s, err := pebble.Open(testDir, pebble.Options{FS: fs, NoCompactions: true})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	e, err := s.Engine(1, 1)
	if err != nil {
		return err
	}
	v, err := e.View(statemachine.Latest)
	require.NoError(t, err)
	defer func() { _ = v.Close() }()
	if err := v.Events(e.Compacted()+1, func(statemachine.Event) bool { return true }); err != nil {
		return err
	}
	img, err := e.Image()
	require.NoError(t, err)
	defer func() { _ = img.Close() }()
	for err == nil {
		_, err = img.Next()
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	require.Equal(t, want, hash(t, e))
	return nil
}

func contents(t testing.TB, fs vfs.FS, path string) []byte {
	f, err := fs.Open(path)
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return data
}

func write(t testing.TB, fs vfs.FS, name string, data []byte) {
	require.NoError(t, fs.MkdirAll(testDir, 0o755))
	f, err := fs.Create(fs.PathJoin(testDir, name), vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
