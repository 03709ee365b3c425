package load_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

func TestKeysAreDifferentAndOfOneLength(t *testing.T) {
	seen := map[string]bool{}
	for i := range uint64(100_000) {
		key := load.AppendKey(nil, i)
		require.Len(t, key, load.KeyBytes)
		require.False(t, seen[string(key)], "key %d", i)
		seen[string(key)] = true
	}
	require.Contains(t, string(load.AppendKey([]byte("x"), 5)), "x"+load.KeyPrefix)
}

func TestZipfPrefersFew(t *testing.T) {
	const seed, n, draws = 3, 1000, 100_000
	t.Log("seed", seed)
	z, rng := load.NewZipf(n), rand.New(rand.NewPCG(seed, seed))
	var counts [n]int
	for range draws {
		counts[z.Rank(rng)]++
	}
	// With the exponent 0.99 the first of 1,000 gets 1/7.73 of all, the second half as much to the power of 0.99.
	require.InEpsilon(t, draws/7.73, counts[0], 0.05)
	require.InEpsilon(t, float64(counts[0])/1.986, counts[1], 0.06)
	require.Greater(t, counts[10], counts[500])
	for _, few := range []uint64{1, 2} {
		for range 100 {
			require.Less(t, load.NewZipf(few).Rank(rng), few)
		}
	}
}

func TestValuesDiffer(t *testing.T) {
	v := load.NewValues(128, rand.New(rand.NewPCG(1, 1)))
	a := string(v.Next())
	require.Len(t, a, 128)
	require.NotEqual(t, a, string(v.Next()))
}
