package rafttest

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	firstSeed = flag.Uint64("seed", 1, "first seed of TestSimulate")
	seeds     = flag.Int("seeds", 600, "number of seeds of TestSimulate")
	steps     = flag.Int("steps", 30000, "steps a seed of TestSimulate")
)

// TestSimulate runs many random schedules. To replay one: go test ./raft/rafttest -run TestSimulate -seed N -seeds 1.
func TestSimulate(t *testing.T) {
	t.Parallel()
	var total Stats
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		stats, err := Simulate(seed, *steps)
		require.NoError(t, err)
		total = total.Add(stats)
	}
	t.Logf("%+v", total)
	if *seeds < 100 {
		return
	}
	least := *seeds / 2 // of each a seed; what is not reached is not tested
	for what, n := range map[string]int{
		"elections": total.Elections, "commits": total.Commits, "crashes": total.Crashes, "truncations": total.Truncations, "installs": total.Installs,
		"reads": total.Reads, "failed reads": total.ReadsFailed, "configurations": total.Configurations, "transfers": total.Transfers, "forwarded reads": total.Forwarded, "lease reads": total.Leases, "silence": total.Quiet, "removals heard of": total.Removed,
	} {
		require.Greater(t, n, least, "the schedules hardly saw any %s", what)
	}
}
