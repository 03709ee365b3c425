package raft_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

const millisecond = raft.Monotonic(time.Millisecond)

// newLeased makes n1 of three nodes with leases as long as the election timeout, 500 ms, and a drift of 50 ms, before its first tick.
func newLeased(t *testing.T) *raft.Core {
	t.Helper()
	core, err := raft.New(raft.Config{ID: "n1", LeaseDuration: 500 * time.Millisecond}, raft.Restart{Base: raft.Base{Configuration: three()}})
	require.NoError(t, err)
	return core
}

// heartbeat is one of n2, leader of term 1, that asks for a lease.
func heartbeat(round uint64) raft.Message {
	return raft.Message{Type: raft.MsgHeartbeat, From: "n2", To: "n1", Term: 1, Round: round, Lease: 500 * time.Millisecond}
}

// votes says whether the core gives n3 its vote in term 2.
func votes(t *testing.T, core *raft.Core, force bool, round uint64) bool {
	t.Helper()
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgVote, From: "n3", To: "n1", Term: 2, Force: force, Round: round, Last: raft.EntryID{Index: 9, Term: 1}}, nil))
	for _, m := range carryOut(core).SendSynced {
		if m.Type == raft.MsgVoteResp {
			return !m.Reject
		}
	}
	require.Fail(t, "no answer to a request for a vote")
	return false
}

// TestPromiseCountsFromTheNextTick: the time that a core knows when a heartbeat arrives may be long past.
func TestPromiseCountsFromTheNextTick(t *testing.T) {
	core := newLeased(t)
	core.Tick(0)
	require.NoError(t, core.Step(heartbeat(1), nil))
	require.Equal(t, 500*time.Millisecond, carryOut(core).Send[0].Lease)
	require.False(t, votes(t, core, false, 0))
	core.Tick(1 * second)
	require.False(t, votes(t, core, false, 0), "no word of the leader for a second by this clock, but the heartbeat may have been sent just now")
	core.Tick(1*second + 490*millisecond)
	require.False(t, votes(t, core, false, 0))
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgHeartbeat, From: "n3", To: "n1", Term: 2}, nil)) // enters term 2
	require.False(t, votes(t, core, false, 0), "a higher term is no way around a promise")
}

func TestPromiseEnds(t *testing.T) {
	core := newLeased(t)
	core.Tick(0)
	require.NoError(t, core.Step(heartbeat(1), nil))
	core.Tick(100 * millisecond)
	core.Tick(599 * millisecond)
	require.False(t, votes(t, core, false, 0))
	core.Tick(600 * millisecond)
	require.True(t, votes(t, core, false, 0))
}

// TestPromiseIsOnlyAsLongAsOwn: what a leader with other settings asks for is not promised, as a restart would forget it too soon.
func TestPromiseIsOnlyAsLongAsOwn(t *testing.T) {
	core := newLeased(t)
	core.Tick(0)
	m := heartbeat(1)
	m.Lease++
	require.NoError(t, core.Step(m, nil))
	require.Zero(t, carryOut(core).Send[0].Lease)
}

// TestRestartedNodeRests: it may have promised its vote just before.
func TestRestartedNodeRests(t *testing.T) {
	core := newLeased(t)
	require.False(t, votes(t, core, true, 1), "before the first tick")
	core.Tick(7 * second)
	require.NoError(t, core.Step(heartbeat(1), nil))
	require.False(t, votes(t, core, true, 1), "what it promised for later rounds is forgotten")
	core.Tick(7*second + 499*millisecond)
	require.False(t, votes(t, core, true, 1))
	core.Tick(7*second + 500*millisecond)
	require.True(t, votes(t, core, true, 1))
}

// TestTransferOverridesWhatItsLeaderKnewOf: a delayed transfer does not void a promise made since (tikv#9239).
func TestTransferOverridesWhatItsLeaderKnewOf(t *testing.T) {
	for round, want := range map[uint64]bool{4: false, 5: true, 6: true} {
		core := newLeased(t)
		core.Tick(0)
		core.Tick(500 * millisecond)
		require.NoError(t, core.Step(heartbeat(5), nil))
		require.NoError(t, core.Step(heartbeat(3), nil), "overtaken on the way")
		require.Equal(t, want, votes(t, core, true, round), "round %d", round)
	}
	core := newLeased(t)
	core.Tick(0)
	core.Tick(500 * millisecond)
	require.NoError(t, core.Step(heartbeat(5), nil))
	transfer := raft.Message{Type: raft.MsgTransfer, From: "n2", To: "n1", Term: 1, Round: 4}
	require.NoError(t, core.Step(transfer, nil))
	require.Equal(t, raft.Follower, core.Status().Role, "its own vote is promised, too")
	transfer.Round = 5
	require.NoError(t, core.Step(transfer, nil))
	require.Equal(t, raft.Candidate, core.Status().Role)
	require.EqualValues(t, 5, carryOut(core).SendSynced[0].Round)
}

// TestOwnVoteIsPromisedToo: a follower doesn't stand for election while it owes its vote.
func TestOwnVoteIsPromisedToo(t *testing.T) {
	core := newLeased(t)
	core.Tick(0)
	require.NoError(t, core.Step(heartbeat(1), nil))
	for now := 1 * second; now < 1*second+500*millisecond; now += 10 * millisecond {
		core.Tick(now)
		require.Equal(t, raft.Follower, core.Status().Role, "at %v", time.Duration(now))
	}
	core.Tick(1*second + 500*millisecond)
	core.Tick(2*second + 500*millisecond)
	core.Tick(4 * second)
	require.Equal(t, raft.PreCandidate, core.Status().Role)
}

// leasedLeader makes n1 leader of term 1 at now, with entry 1 committed and no heartbeat answered yet.
func leasedLeader(t *testing.T) (core *raft.Core, now raft.Monotonic) {
	t.Helper()
	core = newLeased(t)
	core.Tick(0)
	now = lead(t, core, 500*millisecond)
	acknowledge(t, core, 1)
	_, ok := core.LeaseRead(now)
	require.False(t, ok, "nobody has promised yet")
	carryOut(core)
	return core, now
}

// promiseOf is n2's answer to the heartbeats that a leader sent at a time.
func promiseOf(round uint64, sentAt raft.Monotonic) raft.Message {
	return raft.Message{Type: raft.MsgHeartbeatResp, From: "n2", To: "n1", Term: 1, Round: round, SentAt: sentAt, Lease: 500 * time.Millisecond}
}

// TestLeaseCountsFromSending: and is shorter than the promise by the drift.
func TestLeaseCountsFromSending(t *testing.T) {
	core, now := leasedLeader(t)
	sent := now
	plain := promiseOf(1, sent)
	plain.Lease = 0
	require.NoError(t, core.Step(plain, nil))
	_, ok := core.LeaseRead(now)
	require.False(t, ok, "an answer is no promise")
	future := promiseOf(1, sent+1)
	require.NoError(t, core.Step(future, nil))
	_, ok = core.LeaseRead(now)
	require.False(t, ok, "no heartbeat was sent then")

	core.Tick(sent + 300*millisecond)
	require.NoError(t, core.Step(promiseOf(1, sent), nil))
	require.Equal(t, sent+450*millisecond, core.Status().LeaseUntil)
	index, ok := core.LeaseRead(sent + 449*millisecond)
	require.True(t, ok)
	require.EqualValues(t, 1, index)
	_, ok = core.LeaseRead(sent + 450*millisecond)
	require.False(t, ok, "the process was paused, say: it is the caller's clock that counts")
	core.Tick(sent + 450*millisecond)
	_, ok = core.LeaseRead(sent)
	require.False(t, ok, "nor is an old reading believed")
}

// TestNoLeaseBeforeTheTermsFirstCommit: until then a leader does not know what is committed (etcd#7331).
func TestNoLeaseBeforeTheTermsFirstCommit(t *testing.T) {
	core := newLeased(t)
	core.Tick(0)
	now := lead(t, core, 500*millisecond)
	require.NoError(t, core.Step(promiseOf(1, now), nil))
	require.Greater(t, core.Status().LeaseUntil, now)
	_, ok := core.LeaseRead(now)
	require.False(t, ok)
	acknowledge(t, core, 1)
	_, ok = core.LeaseRead(now)
	require.True(t, ok)
}

// TestLeaseEndsWithATransfer: before the request leaves, and what was promised up to then never counts again.
func TestLeaseEndsWithATransfer(t *testing.T) {
	core, now := leasedLeader(t)
	require.NoError(t, core.Step(promiseOf(1, now), nil))
	_, ok := core.LeaseRead(now)
	require.True(t, ok)
	require.NoError(t, core.Transfer("n2"))
	_, ok = core.LeaseRead(now)
	require.False(t, ok)
	require.NoError(t, core.Transfer("n1"), "called off")
	_, ok = core.LeaseRead(now)
	require.False(t, ok, "but n2 may have been asked already")
	require.NoError(t, core.Step(promiseOf(1, now), nil))
	_, ok = core.LeaseRead(now)
	require.False(t, ok, "of a round in which the lease was given up")
	now += 80 * millisecond
	core.Tick(now)
	require.NoError(t, core.Step(promiseOf(2, now), nil))
	_, ok = core.LeaseRead(now)
	require.True(t, ok)
}

// TestBrokenConnectionElectsNobodySooner: the votes are promised anyway.
func TestBrokenConnectionElectsNobodySooner(t *testing.T) {
	core := newLeased(t)
	core.Tick(0)
	require.NoError(t, core.Step(heartbeat(1), nil))
	core.Unreachable("n2")
	for now := raft.Monotonic(0); now < 500*millisecond; now += 10 * millisecond {
		core.Tick(now)
		require.Equal(t, raft.Follower, core.Status().Role)
	}
}

// TestSoleVoterNeedsNoPromise: it has a lease as long as it leads.
func TestSoleVoterNeedsNoPromise(t *testing.T) {
	core, err := raft.New(raft.Config{ID: "n1", LeaseDuration: 300 * time.Millisecond}, raft.Restart{Base: raft.Base{Configuration: members(voter("n1"))}})
	require.NoError(t, err)
	for now := raft.Monotonic(0); now <= 300*millisecond; now += 10 * millisecond {
		core.Tick(now)
		carryOut(core)
		carryOut(core)
	}
	index, ok := core.LeaseRead(300 * millisecond)
	require.True(t, ok)
	require.EqualValues(t, 1, index)
	require.EqualValues(t, raft.Leader, core.Status().Role)
}

// TestNoLeaseIsAskedForDuringATransfer: who promised for a round after the request to take over would refuse the target its vote.
func TestNoLeaseIsAskedForDuringATransfer(t *testing.T) {
	core, now := leasedLeader(t)
	asked := func() time.Duration {
		now += 80 * millisecond
		core.Tick(now)
		for _, m := range carryOut(core).Send {
			if m.Type == raft.MsgHeartbeat {
				return m.Lease
			}
		}
		require.Fail(t, "no heartbeat")
		return 0
	}
	require.Equal(t, 500*time.Millisecond, asked())
	require.NoError(t, core.Transfer("n2"))
	require.Zero(t, asked())
	require.NoError(t, core.Transfer("n1"), "called off")
	require.Equal(t, 500*time.Millisecond, asked())
}
