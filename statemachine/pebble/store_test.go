package pebble_test

import (
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/pebble"
)

func TestNamespacesAreApart(t *testing.T) {
	s := openAt(t, vfs.NewMem(), 64<<10)
	places := [][2]uint64{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 255}, {1, 256}, {256, 1}, {math.MaxUint64, math.MaxUint64}}
	var engines []*pebble.Engine
	for i, p := range places {
		e := engine(t, s, p[0], p[1])
		engines = append(engines, e)
		for n := 1; n <= 20+i; n++ {
			require.NoError(t, apply(t, e, uint64(i), n))
		}
	}
	for i, e := range engines {
		require.Equal(t, hashes(t, uint64(i), 20+i)[20+i], hash(t, e), "%v", places[i])
	}
	epochs, err := s.Epochs(1)
	require.NoError(t, err)
	require.Equal(t, []uint64{0, 1, 255, 256}, epochs)
	epochs, err = s.Epochs(2)
	require.NoError(t, err)
	require.Empty(t, epochs)

	// Dropping one leaves its neighbours as they are, and room for a new one.
	require.ErrorIs(t, s.Drop(1, 1), pebble.ErrInUse)
	require.NoError(t, engines[3].Close())
	require.NoError(t, s.Drop(1, 1))
	require.NoError(t, s.Drop(1, 1), "there is nothing any more")
	epochs, err = s.Epochs(1)
	require.NoError(t, err)
	require.Equal(t, []uint64{0, 255, 256}, epochs)
	for i, e := range engines {
		if i != 3 {
			require.Equal(t, hashes(t, uint64(i), 20+i)[20+i], hash(t, e), "%v", places[i])
		}
	}
	again := engine(t, s, 1, 1)
	require.Zero(t, again.Applied())
	require.Zero(t, again.Durable())
	require.NoError(t, apply(t, again, 5, 1))
	require.Equal(t, hashes(t, 5, 1)[1], hash(t, again))
}

func TestDropSurvivesReopening(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, 0)
	for epoch := uint64(1); epoch <= 3; epoch++ {
		e := engine(t, s, 4, epoch)
		require.NoError(t, apply(t, e, epoch, 1))
		require.NoError(t, e.Close())
	}
	require.NoError(t, s.Drop(4, 2))
	require.NoError(t, s.Close())
	s = openAt(t, fs, 0)
	epochs, err := s.Epochs(4)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 3}, epochs)
	require.Equal(t, hashes(t, 3, 1)[1], hash(t, engine(t, s, 4, 3)))
}

func TestOneEngineForEachNamespace(t *testing.T) {
	s := openAt(t, vfs.NewMem(), 0)
	e := engine(t, s, 1, 1)
	_, err := s.Engine(1, 1)
	require.ErrorIs(t, err, pebble.ErrInUse)
	require.NoError(t, put(t, e, "a", []byte("1")))
	require.NoError(t, e.Close())
	again := engine(t, s, 1, 1)
	require.EqualValues(t, 1, again.Applied(), "what an engine committed is there for the next, flushed or not")
	require.Zero(t, again.Durable())
	require.Error(t, e.Flush())
	require.ErrorIs(t, e.Begin().Commit(2), statemachine.ErrClosed)
}

func TestOneStoreForEachDirectory(t *testing.T) {
	dir := t.TempDir()
	s, err := pebble.Open(dir, pebble.Options{})
	require.NoError(t, err)
	_, err = pebble.Open(dir, pebble.Options{})
	require.ErrorContains(t, err, dir)
	e := engine(t, s, 1, 1)
	require.NoError(t, put(t, e, "a", []byte("1")))
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Close(), statemachine.ErrClosed)
	_, err = s.Engine(1, 1)
	require.ErrorIs(t, err, statemachine.ErrClosed)
	_, err = s.Epochs(1)
	require.ErrorIs(t, err, statemachine.ErrClosed)
	require.ErrorIs(t, s.Drop(1, 1), statemachine.ErrClosed)

	s, err = pebble.Open(dir, pebble.Options{})
	require.NoError(t, err)
	require.Equal(t, "1", get(t, engine(t, s, 1, 1), "a"), "Close flushes")
	require.NoError(t, s.Close())
}

func TestCloseEndsReaders(t *testing.T) {
	for name, end := range map[string]func(*pebble.Store, *pebble.Engine) error{
		"engine": func(_ *pebble.Store, e *pebble.Engine) error { return e.Close() },
		"store":  func(s *pebble.Store, _ *pebble.Engine) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, vfs.NewMem(), 0)
			e := engine(t, s, 1, 1)
			require.NoError(t, put(t, e, "a", []byte("1")))
			v, err := e.View(statemachine.Latest)
			require.NoError(t, err)
			item, ok, err := v.Get([]byte("a"))
			require.NoError(t, err)
			require.True(t, ok)
			img, err := e.Image()
			require.NoError(t, err)
			b := e.Begin()
			_, _, err = b.Get([]byte("a"))
			require.NoError(t, err)

			require.NoError(t, end(s, e))
			require.Equal(t, "1", string(item.Value), "an item is valid until the view is closed")
			_, _, err = v.Get([]byte("a"))
			require.ErrorIs(t, err, statemachine.ErrClosed)
			require.ErrorIs(t, v.Range(statemachine.RangeOptions{}, nil), statemachine.ErrClosed)
			require.ErrorIs(t, v.Events(1, nil), statemachine.ErrClosed)
			_, err = img.Next()
			require.ErrorIs(t, err, statemachine.ErrClosed)
			require.ErrorIs(t, b.Commit(2), statemachine.ErrClosed)
			_, _, err = b.Get([]byte("a"))
			require.ErrorIs(t, err, statemachine.ErrClosed)
			require.NoError(t, v.Close())
			require.NoError(t, img.Close())
		})
	}
}

// TestCloseDuringRange closes the store while a range is in the middle of its callback: the range ends with an error, and Close
// after it.
func TestCloseDuringRange(t *testing.T) {
	s := openAt(t, vfs.NewMem(), 0)
	e := engine(t, s, 1, 1)
	for i := range 10 {
		require.NoError(t, put(t, e, fmt.Sprint(i), nil))
	}
	v, err := e.View(statemachine.Latest)
	require.NoError(t, err)
	closed := make(chan error, 1)
	seen := 0
	err = v.Range(statemachine.RangeOptions{}, func(statemachine.Item) bool {
		if seen++; seen == 1 {
			go func() { closed <- s.Close() }()
			for err == nil { // until Close has begun
				_, _, err = v.Get([]byte("5"))
			}
			require.ErrorIs(t, err, statemachine.ErrClosed)
		}
		return true
	})
	require.ErrorIs(t, err, statemachine.ErrClosed)
	require.Equal(t, 1, seen)
	require.NoError(t, <-closed)
}

func TestRestoreNeedsAFreshEngine(t *testing.T) {
	s := openAt(t, vfs.NewMem(), 0)
	from := btree.New()
	require.NoError(t, apply(t, from, 3, 1))
	image := func() statemachine.Image {
		img, err := from.Image()
		require.NoError(t, err)
		return img
	}
	e := engine(t, s, 1, 1)
	require.NoError(t, put(t, e, "a", nil))
	require.ErrorIs(t, e.Restore(image()), pebble.ErrNotEmpty)

	half := engine(t, s, 1, 2)
	chunk, err := image().Next()
	require.NoError(t, err)
	require.ErrorIs(t, half.Restore(&failingSource{chunk}), io.ErrClosedPipe)
	require.ErrorIs(t, half.Restore(image()), pebble.ErrNotEmpty, "after an error the place must be dropped")
}

func TestOptionsAreChecked(t *testing.T) {
	err := pebble.Options{CacheBytes: 5, MemTableBytes: 1}.Validate()
	require.ErrorContains(t, err, "CacheBytes is 5")
	require.ErrorContains(t, err, "MemTableBytes is 1")
	_, err = pebble.Open(testDir, pebble.Options{MemTableBytes: 2 << 30, FS: vfs.NewMem()})
	require.ErrorContains(t, err, "MemTableBytes")
	require.NoError(t, pebble.Options{}.Validate())
}
