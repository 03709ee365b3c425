package interop

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	firstSeed = flag.Uint64("seed", 1, "first seed of TestInterop")
	seeds     = flag.Int("seeds", 100, "number of seeds of TestInterop")
	steps     = flag.Int("steps", 30000, "steps a seed of TestInterop")
)

// TestInterop runs many random schedules. To replay one: go test . -run TestInterop -seed N -seeds 1.
func TestInterop(t *testing.T) {
	t.Logf("seeds [%d, %d), %d steps each", *firstSeed, *firstSeed+uint64(*seeds), *steps)
	var total [2]Counts
	var all Result
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		r, err := Run(seed, *steps)
		require.NoError(t, err)
		total[Ours].add(r.Kinds[Ours])
		total[Theirs].add(r.Kinds[Theirs])
		all.Stats = all.Stats.Add(r.Stats)
	}
	t.Logf("ours:   %+v", total[Ours])
	t.Logf("theirs: %+v", total[Theirs])
	t.Logf("%+v", all.Stats)
	if *seeds < 50 {
		return
	}
	for kind, c := range total {
		require.Greater(t, c.Led, *seeds/2, "kind %d hardly ever led", kind)
		require.Greater(t, c.Inherited, *seeds/2, "kind %d hardly ever committed what the other had appended", kind)
		require.Greater(t, c.Followed, *seeds, "kind %d hardly ever followed the other", kind)
		require.Greater(t, c.Reads, *seeds/2, "kind %d hardly ever confirmed a read", kind)
		require.Greater(t, c.Forwarded, *seeds/2, "kind %d hardly ever had a read confirmed by another member", kind)
	}
	require.Greater(t, all.Stats.Crashes, *seeds, "the schedules hardly saw any crashes")
	require.Greater(t, all.Stats.Truncations, *seeds/4, "the schedules hardly saw any truncations")
	require.Greater(t, all.Stats.Transfers, *seeds/2, "the schedules hardly saw any transfers")
}

// TestReplay demands that a seed stands for one run.
func TestReplay(t *testing.T) {
	commits := 0
	for seed := *firstSeed; seed < *firstSeed+5; seed++ {
		first, err := Run(seed, 10000)
		require.NoError(t, err)
		second, err := Run(seed, 10000)
		require.NoError(t, err)
		require.Equal(t, first, second, "seed %d", seed)
		commits += first.Stats.Commits
	}
	require.NotZero(t, commits)
}
