package pebble_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
	"github.com/ledgerkv/ledgerkv/statemachine/pebble"
)

// seeded gives a random source whose seed is logged, and set by LEDGERKV_SEED.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("LEDGERKV_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err, "LEDGERKV_SEED")
	}
	t.Logf("LEDGERKV_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// apply commits batch n of a workload, whose content is a function of (seed, n) and of what is compacted. Its applied index
// is n.
func apply(t testing.TB, e statemachine.Engine, seed uint64, n int) error {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	b := e.Begin()
	for range r.IntN(4) {
		b.Advance()
		for k := r.IntN(50); k < 200; k += 1 + r.IntN(60) {
			key := fmt.Appendf(nil, "key-%d", k)
			var err error
			if r.IntN(5) == 0 {
				_, err = b.Delete(key)
			} else {
				_, err = b.Put(key, make([]byte, r.IntN(400)), uint64(r.IntN(2)))
			}
			if err != nil {
				return err
			}
		}
	}
	if n%20 == 0 {
		require.NoError(t, b.Compact(max(e.Compacted(), e.Revision()-min(e.Revision(), 10))))
	}
	return b.Commit(statemachine.Index(n))
}

// hashes gives the hash of the state after each batch of a workload, by applied index.
func hashes(t testing.TB, seed uint64, batches int) []string {
	e := btree.New()
	out := []string{hash(t, e)}
	for n := 1; n <= batches; n++ {
		require.NoError(t, apply(t, e, seed, n))
		out = append(out, hash(t, e))
	}
	return out
}

func hash(t testing.TB, e statemachine.Engine) string {
	img, err := e.Image()
	require.NoError(t, err)
	sum, err := image.Hash(img)
	require.NoError(t, err)
	require.NoError(t, img.Close())
	return fmt.Sprintf("%x", sum)
}

// cuts takes what a power cut would leave, at some of the operations on a file system.
type cuts struct {
	fs      *vfs.MemFS
	every   int
	durable []func() statemachine.Index // of the engines; looked at before the cut

	mu    sync.Mutex
	rng   *rand.Rand
	count int
	left  []wreck
}

type wreck struct {
	op      string
	fs      *vfs.MemFS
	durable []statemachine.Index
}

func (c *cuts) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if c.count%c.every == 0 {
		w := wreck{op: fmt.Sprintf("operation %d, kind %d on %s", c.count, op.Kind, op.Path)}
		for _, d := range c.durable {
			w.durable = append(w.durable, d())
		}
		w.fs = c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.rng.IntN(101), RNG: c.rng})
		c.left = append(c.left, w)
	}
	return nil
}

func (c *cuts) String() string { return "power cuts" }

func (c *cuts) watch(e *pebble.Engine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.durable = append(c.durable, e.Durable)
}

func openAt(t testing.TB, fs vfs.FS, memTableBytes int64) *pebble.Store {
	s, err := pebble.Open(testDir, pebble.Options{FS: fs, MemTableBytes: memTableBytes})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func engine(t testing.TB, s *pebble.Store, group, epoch uint64) *pebble.Engine {
	e, err := s.Engine(group, epoch)
	require.NoError(t, err)
	return e
}

// TestPowerCutsWhileAStoreIsMade: every file operation of a store that is new, many times each, as what a power cut keeps is drawn.
func TestPowerCutsWhileAStoreIsMade(t *testing.T) {
	r := seeded(t)
	for range 20 {
		c := &cuts{fs: vfs.NewCrashableMem(), every: 1, rng: r}
		s := openAt(t, errorfs.Wrap(c.fs, c), 64<<10)
		require.NoError(t, s.Close())
		require.Greater(t, len(c.left), 10)
		for _, w := range c.left {
			s, err := pebble.Open(testDir, pebble.Options{FS: w.fs, MemTableBytes: 64 << 10})
			require.NoError(t, err, w.op)
			require.NoError(t, s.Close())
		}
	}
}

// TestPowerCuts runs two groups, one ahead of the other, over a store that flushes and compacts all the time, with views open
// now and then, and cuts the power at many of its file operations. Each time both engines must come up at one of their
// commits, no earlier than was durable, and arrive at the same state by applying the rest.
func TestPowerCuts(t *testing.T) {
	const batches = 1000
	r := seeded(t)
	seeds := []uint64{r.Uint64(), r.Uint64()}
	want := [][]string{hashes(t, seeds[0], batches), hashes(t, seeds[1], batches)}

	c := &cuts{fs: vfs.NewCrashableMem(), every: 5 + r.IntN(8), rng: r}
	s := openAt(t, errorfs.Wrap(c.fs, c), 64<<10)
	engines := []*pebble.Engine{engine(t, s, 1, 1), engine(t, s, 2, 1)}
	for _, e := range engines {
		c.watch(e)
	}
	for n := 1; n <= batches; n++ {
		require.NoError(t, apply(t, engines[0], seeds[0], n))
		if n%2 == 0 {
			require.NoError(t, apply(t, engines[1], seeds[1], n/2))
		}
		if n%97 == 0 {
			require.NoError(t, engines[n%2].Flush())
		}
	}
	require.Equal(t, want[0][batches], hash(t, engines[0]))
	require.NoError(t, s.Close())

	c.mu.Lock()
	wrecks := c.left
	c.mu.Unlock()
	t.Logf("%d power cuts in %d operations", len(wrecks), c.count)
	require.Greater(t, len(wrecks), 20)
	moved := 0
	for i, w := range wrecks {
		s := openAt(t, w.fs, 64<<10)
		for g := range w.durable {
			e := engine(t, s, uint64(g+1), 1)
			require.GreaterOrEqual(t, e.Applied(), w.durable[g], w.op)
			require.Equal(t, e.Applied(), e.Durable(), "all that is there after a cut is durable")
			require.Equal(t, want[g][e.Applied()], hash(t, e), "group %d at %d after a cut at %s", g+1, e.Applied(), w.op)
			if e.Applied() > 0 {
				moved++
			}
			if i%10 == 0 {
				for n := int(e.Applied()) + 1; n <= batches; n++ {
					require.NoError(t, apply(t, e, seeds[g], n))
				}
				require.Equal(t, want[g][batches], hash(t, e), w.op)
			}
		}
		require.NoError(t, s.Close())
	}
	require.Positive(t, moved, "no cut came after a flush")
}

// TestPowerCutsWhileRestoring cuts the power while an image is installed under a new epoch and the old one is dropped: the new
// epoch is whole or known to be incomplete, the old one whole or gone.
func TestPowerCutsWhileRestoring(t *testing.T) {
	r := seeded(t)
	old := btree.New()
	for n := 1; n <= 4; n++ {
		b := old.Begin()
		b.Advance()
		for k := range 3000 {
			_, err := b.Put(fmt.Appendf(nil, "key-%d", k*n), make([]byte, 400), 0)
			require.NoError(t, err)
		}
		require.NoError(t, b.Commit(statemachine.Index(n)))
	}
	whole := hash(t, old)

	c := &cuts{fs: vfs.NewCrashableMem(), every: 5, rng: r}
	s := openAt(t, errorfs.Wrap(c.fs, c), 64<<10)
	before := engine(t, s, 1, 1)
	require.NoError(t, apply(t, before, 1, 1))
	require.NoError(t, before.Flush())
	first := hash(t, before)
	c.mu.Lock()
	c.left = nil
	c.mu.Unlock()
	after := engine(t, s, 1, 2)
	c.watch(after)
	img, err := old.Image()
	require.NoError(t, err)
	require.NoError(t, after.Restore(img))
	require.NoError(t, img.Close())
	require.EqualValues(t, 4, after.Durable())
	require.NoError(t, before.Close())
	require.NoError(t, s.Drop(1, 1))
	require.NoError(t, after.Flush())
	require.NoError(t, s.Close())

	outcomes := map[string]int{}
	for _, w := range c.left {
		s := openAt(t, w.fs, 64<<10)
		outcome := "whole"
		e, err := s.Engine(1, 2)
		switch {
		case errors.Is(err, pebble.ErrIncomplete):
			outcome = "part"
			require.NoError(t, s.Drop(1, 2))
			require.Zero(t, engine(t, s, 1, 2).Applied())
		case err == nil && e.Applied() == 0:
			outcome = "none"
		default:
			require.NoError(t, err, w.op)
			require.Equal(t, whole, hash(t, e), w.op)
		}
		outcomes[outcome]++
		require.True(t, w.durable[0] == 0 || outcome == "whole", w.op)
		epochs, err := s.Epochs(1)
		require.NoError(t, err)
		if len(epochs) > 0 && epochs[0] == 1 {
			require.Equal(t, first, hash(t, engine(t, s, 1, 1)), w.op)
		} else {
			require.Equal(t, "whole", outcome, "the old epoch was gone before the new one was there: %s", w.op)
		}
		require.NoError(t, s.Close())
	}
	t.Logf("%d cuts: %v", len(c.left), outcomes)
	require.Positive(t, outcomes["part"])
	require.Positive(t, outcomes["whole"])
}

// TestDurableIsNotGuessed is the test of the test above: an engine that claimed its applied index durable without flushing would
// be found out, as a cut then loses it.
func TestDurableIsNotGuessed(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openAt(t, fs, 0)
	e := engine(t, s, 1, 1)
	require.NoError(t, apply(t, e, 1, 1))
	require.NoError(t, e.Flush())
	require.NoError(t, apply(t, e, 1, 2))
	require.EqualValues(t, 2, e.Applied())
	require.EqualValues(t, 1, e.Durable())
	lost := openAt(t, fs.CrashClone(vfs.CrashCloneCfg{}), 0)
	require.EqualValues(t, 1, engine(t, lost, 1, 1).Applied())
}

// failingSource is an image of which all but the first chunk can't be read.
type failingSource struct{ chunk []byte }

func (f *failingSource) Next() (chunk []byte, err error) {
	if f.chunk == nil {
		return nil, io.ErrClosedPipe
	}
	chunk, f.chunk = f.chunk, nil
	return chunk, nil
}

func isTable(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".sst") }

func isManifest(op errorfs.Op) bool { return strings.Contains(op.Path, "MANIFEST-") }
