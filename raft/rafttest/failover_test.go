package rafttest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// TestFailover kills the leader of three nodes at the default times, for many seeds: with the connections
// seen to break, as when a process is killed, and without, as when a machine vanishes.
func TestFailover(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		broken        bool
		median, worst time.Duration
	}{
		{"connections break", true, 150 * time.Millisecond, 600 * time.Millisecond},
		{"silence", false, 900 * time.Millisecond, 1500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			var times []time.Duration
			for seed := range uint64(500) {
				times = append(times, failover(t, seed, c.broken))
			}
			slices.Sort(times)
			t.Logf("median %s, 99 of 100 within %s, worst %s", times[len(times)/2], times[len(times)*99/100], times[len(times)-1])
			require.LessOrEqual(t, times[len(times)/2], c.median)
			require.Less(t, times[len(times)-1], c.worst)
		})
	}
}

// failover is the time from a leader's death to the next one's first commit.
func failover(t *testing.T, seed uint64, broken bool) time.Duration {
	voters := []raft.NodeID{"n1", "n2", "n3"}
	c, err := newCluster(membership(voters, nil, nil), raft.Config{Seed: seed})
	require.NoError(t, err, "seed %d", seed)
	s := &simulation{cluster: c, rates: make([]int, 3)}
	leader := func() *replica {
		for _, r := range s.replicas {
			if r.core != nil && r.core.Status().Role == raft.Leader && r.commit >= r.core.Status().TermStart {
				return r
			}
		}
		return nil
	}
	for leader() == nil {
		require.NoError(t, s.round(), "seed %d", seed)
	}
	dead := leader()
	s.crash(dead, loseAll)
	for _, r := range s.replicas {
		if broken && r.core != nil {
			r.core.Unreachable(dead.id)
		}
	}
	start := s.replicas[0].clock
	for leader() == nil {
		require.NoError(t, s.round(), "seed %d", seed)
	}
	return s.replicas[0].clock.Sub(start)
}
