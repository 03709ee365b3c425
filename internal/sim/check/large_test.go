package check_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLargeHistoriesThatHappenedAreGood runs histories like a simulator's: many clients, replicas that lag, writes whose outcome is unknown.
func TestLargeHistoriesThatHappenedAreGood(t *testing.T) {
	seed := freshSeed(t)
	undecided, histories := 0, 20**moreFlag
	for i := range uint64(histories) {
		rng := rand.New(rand.NewPCG(seed, i))
		h := generate(rng, shape{clients: 8, ops: 1000, keys: 1 + rng.IntN(12), uncertain: 0.1 * rng.Float64(), failed: 0.02,
			txns: 0.3 * float64(i%3), compacts: i%2 == 0, replicas: 3})
		report, err := h.Check()
		require.NoError(t, err, "history %d of seed %d", i, seed)
		require.NoError(t, h.EachKey(), "history %d of seed %d", i, seed)
		if report.Undecided {
			undecided++
			t.Logf("history %d of seed %d: %+v", i, seed, report)
		}
	}
	require.LessOrEqual(t, undecided, histories/10, "of %d histories", histories)
}

// TestLargeHistoriesThatDidNotHappenAreFound changes one answer among a thousand operations, some of which are uncertain.
func TestLargeHistoriesThatDidNotHappenAreFound(t *testing.T) {
	seed := freshSeed(t)
	undecided, found, tampered := 0, 0, 0
	for i := range uint64(10 * *moreFlag) {
		rng := rand.New(rand.NewPCG(seed, i))
		h := generate(rng, shape{clients: 8, ops: 1000, keys: 1 + rng.IntN(12), uncertain: 0.05})
		for range 10 {
			mutant, _ := mutate(rng, h)
			tampered++
			report, err := mutant.Check()
			if err != nil {
				found++
			}
			if report.Undecided {
				undecided++
			}
		}
	}
	t.Logf("seed %d: found %d of %d, undecided %d", seed, found, tampered, undecided)
	require.Greater(t, found, tampered/4)
	require.LessOrEqual(t, undecided, tampered/10)
}

func BenchmarkCheck(b *testing.B) {
	for _, bench := range []struct {
		name string
		shape
	}{
		{"certain", shape{clients: 16, ops: 100_000, keys: 100}},
		{"uncertain", shape{clients: 16, ops: 100_000, keys: 100, uncertain: 0.01}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := generate(rand.New(rand.NewPCG(1, 1)), bench.shape)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Check(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(h.Len())*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}
