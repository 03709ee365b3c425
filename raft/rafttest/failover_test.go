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
	s, dead := led(t, seed)
	s.crash(dead, loseAll)
	for _, r := range s.replicas {
		if broken && r.core != nil {
			r.core.Unreachable(dead.id)
		}
	}
	return s.untilNextLeader(t, seed, dead, func() {})
}

// TestStandstill: a leader whose disk stalls, or that gets no acknowledgements although heartbeats pass, is replaced by one that commits
// within two seconds, at the default times, for many seeds.
func TestStandstill(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*simulation, *replica){
		"its disk stalls": func(_ *simulation, leader *replica) { leader.stalled = true },
		"no acknowledgement arrives": func(s *simulation, leader *replica) {
			s.lose = func(p *packet) bool { return p.Type == raft.MsgAppendResp && p.To == leader.id }
		},
	} {
		t.Run(name, func(t *testing.T) {
			var worst time.Duration
			for seed := range uint64(200) {
				s, leader := led(t, seed)
				stop(s, leader)
				worst = max(worst, s.untilNextLeader(t, seed, leader, func() {
					_ = leader.core.Propose([]raft.Entry{{Kind: raft.KindData, Size: 64}})
				}))
			}
			t.Logf("worst %s", worst)
			require.Less(t, worst, 2*time.Second)
		})
	}
}

// led makes three replicas, one of which leads and has committed its first entry.
func led(t *testing.T, seed uint64) (*simulation, *replica) {
	voters := []raft.NodeID{"n1", "n2", "n3"}
	c, err := newCluster(membership(voters, nil, nil), raft.Config{Seed: seed})
	require.NoError(t, err, "seed %d", seed)
	s := &simulation{cluster: c, rates: make([]int, 3)}
	for s.leader(nil) == nil {
		require.NoError(t, s.round(), "seed %d", seed)
	}
	return s, s.leader(nil)
}

// leader is a leader that has committed an entry of its term, other than one.
func (s *simulation) leader(other *replica) *replica {
	for _, r := range s.replicas {
		if r != other && r.core != nil && r.core.Status().Role == raft.Leader && r.commit >= r.core.Status().TermStart {
			return r
		}
	}
	return nil
}

// untilNextLeader is the time until somebody else leads and has committed; meanwhile is called in each round.
func (s *simulation) untilNextLeader(t *testing.T, seed uint64, old *replica, meanwhile func()) time.Duration {
	start := s.time
	for s.leader(old) == nil {
		meanwhile()
		require.NoError(t, s.round(), "seed %d", seed)
		require.Less(t, s.time.Sub(start), time.Minute, "seed %d", seed)
	}
	return s.time.Sub(start)
}
