package pebble_test

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/pebble"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

const testDir = "store"

// opener opens each engine in a store of its own, on a file system that can lose power. The engine is between neighbours, so
// that one that reads or writes outside its namespace is found out.
type opener struct {
	opts   pebble.Options
	mu     sync.Mutex
	stores map[statemachine.Engine]opened
}

type opened struct {
	store *pebble.Store
	fs    *vfs.MemFS
}

func (o *opener) Open(tb testing.TB) statemachine.Engine {
	fs := vfs.NewCrashableMem()
	e := o.open(tb, fs)
	for _, epoch := range []uint64{255, 257} {
		neighbour, err := o.stores[e].store.Engine(7, epoch)
		require.NoError(tb, err)
		b := neighbour.Begin()
		b.Advance()
		_, err = b.Put([]byte("neighbour"), []byte("x"), 0)
		require.NoError(tb, err)
		require.NoError(tb, b.Commit(999))
		require.NoError(tb, neighbour.Close())
	}
	return e
}

func (o *opener) open(tb testing.TB, fs *vfs.MemFS) statemachine.Engine {
	o.mu.Lock()
	defer o.mu.Unlock()
	opts := o.opts
	opts.FS = fs
	opts.Logger = quiet()
	store, err := pebble.Open(testDir, opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = store.Close() })
	e, err := store.Engine(7, 256)
	require.NoError(tb, err)
	o.stores[e] = opened{store, fs}
	return e
}

func (o *opener) Reopen(tb testing.TB, e statemachine.Engine) statemachine.Engine {
	require.NoError(tb, e.Close())
	require.NoError(tb, o.stores[e].store.Close())
	return o.open(tb, o.stores[e].fs)
}

func (o *opener) Crash(tb testing.TB, e statemachine.Engine, rng *rand.Rand) statemachine.Engine {
	clone := o.stores[e].fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	return o.open(tb, clone)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestConformance(t *testing.T) {
	for name, opts := range map[string]pebble.Options{
		"defaults":     {},
		"small tables": {MemTableBytes: 64 << 10, CacheBytes: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			smtest.RunEngine(t, func(*testing.T) smtest.Opener {
				return &opener{opts: opts, stores: map[statemachine.Engine]opened{}}
			})
		})
	}
}
