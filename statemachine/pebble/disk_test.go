package pebble

import (
	"errors"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// TestNothingIsWrittenAfterAFailure tries each operation that changes the disk before and after the store has failed.
func TestNothingIsWrittenAfterAFailure(t *testing.T) {
	h := newHealth("dir", Options{}.withDefaults())
	d := &disk{FS: vfs.NewMem(), health: h, opened: func() bool { return false }}
	var open vfs.File
	operations := []struct {
		name string
		run  func() error
	}{
		{"MkdirAll", func() error { return d.MkdirAll("dir", 0o755) }},
		{"OpenDir and sync", func() error {
			dir, err := d.OpenDir("dir")
			if err == nil {
				err = dir.Sync()
			}
			return err
		}},
		{"Create", func() error {
			_, err := d.Create("dir/a", vfs.WriteCategoryUnspecified)
			return err
		}},
		{"Link", func() error { return d.Link("dir/a", "dir/b") }},
		{"Rename", func() error { return d.Rename("dir/b", "dir/c") }},
		{"ReuseForWrite", func() error {
			_, err := d.ReuseForWrite("dir/c", "dir/d", vfs.WriteCategoryUnspecified)
			return err
		}},
		{"OpenReadWrite", func() error {
			f, err := d.OpenReadWrite("dir/a", vfs.WriteCategoryUnspecified)
			if err == nil {
				open = f
			}
			return err
		}},
		{"Write", func() error { _, err := open.Write([]byte("x")); return err }},
		{"WriteAt", func() error { _, err := open.WriteAt([]byte("x"), 1); return err }},
		{"Preallocate", func() error { return open.Preallocate(0, 10) }},
		{"Sync", func() error { return open.Sync() }},
		{"SyncData", func() error { return open.SyncData() }},
		{"SyncTo", func() error { _, err := open.SyncTo(1); return err }},
		{"Remove", func() error { return d.Remove("dir/d") }},
		{"RemoveAll", func() error { return d.RemoveAll("dir/a") }},
	}
	for _, op := range operations {
		require.NoError(t, op.run(), op.name)
	}
	require.ErrorIs(t, h.fail(syscall.EIO), syscall.EIO)
	close(h.closing) // until then they would wait
	for _, op := range operations {
		require.ErrorIs(t, op.run(), ErrFailed, op.name)
	}
	require.ErrorIs(t, h.fail(errors.New("another")), syscall.EIO, "the first cause stays")
	require.Equal(t, d.FS, d.Unwrap())
}

// TestCommitsWaitForCompactions: a writer waits while too many layers of tables have gathered, until they are fewer, the store
// fails, or it closes.
func TestCommitsWaitForCompactions(t *testing.T) {
	for want, end := range map[error]func(*health){
		nil: func(h *health) {
			h.sublevels.Store(stopSublevels - 1)
			h.signal()
		},
		ErrFailed:              func(h *health) { _ = h.fail(syscall.EIO) },
		statemachine.ErrClosed: func(h *health) { close(h.closing) },
	} {
		h := newHealth("dir", Options{}.withDefaults())
		h.sublevels.Store(stopSublevels)
		admitted := make(chan error)
		go func() { admitted <- h.admit() }()
		for range 3 { // it looks again at each change
			h.signal()
		}
		select {
		case err := <-admitted:
			t.Fatalf("was admitted with %d layers: %v", stopSublevels, err)
		default:
		}
		end(h)
		require.ErrorIs(t, <-admitted, want)
	}
}
