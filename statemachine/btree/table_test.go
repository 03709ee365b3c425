package btree

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTable compares the table with a map while it grows and shrinks, with readers that look for keys that stay.
func TestTable(t *testing.T) {
	table := newTable()
	stays := make([]*item, 500)
	for i := range stays {
		stays[i] = newItem(fmt.Appendf(nil, "stays/%d", i))
		table.add(stays[i])
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for i := 0; !done.Load(); i++ {
				if it := stays[i%len(stays)]; table.get(it.key) != it {
					t.Errorf("%s is gone", it.key)
					return
				}
			}
		}()
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	known := map[int]*item{}
	for phase := range 6 {
		for range 10_000 {
			i := rng.IntN(5_000)
			key := fmt.Appendf(nil, "key/%d", i)
			it := table.get(key)
			require.Same(t, known[i], it)
			switch grow := phase%2 == 0; {
			case it == nil && grow:
				known[i] = newItem(key)
				table.add(known[i])
			case it != nil && !grow:
				table.remove(it)
				delete(known, i)
			}
		}
	}
	done.Store(true)
	readers.Wait()
	live, slots := 0, 0
	for i := range table.shards {
		if s := table.shards[i].Load(); s != nil {
			live += s.live
			slots += len(s.slots)
		}
	}
	require.Equal(t, len(known)+len(stays), live)
	require.LessOrEqual(t, slots, 16*max(live, len(table.shards)), "a table that shrank gives back its slots")
}
