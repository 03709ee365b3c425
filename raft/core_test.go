package raft_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

const second = raft.Monotonic(time.Second)

func three() raft.Configuration { return members(voter("n1"), voter("n2"), voter("n3")) }

// newCore makes n1 of a group with an empty log.
func newCore(t *testing.T, config raft.Configuration) *raft.Core {
	t.Helper()
	core, err := raft.New(raft.Config{ID: "n1"}, raft.Restart{Base: raft.Base{Configuration: config}})
	require.NoError(t, err)
	core.Tick(0)
	return core
}

// carryOut takes an output and makes it durable.
func carryOut(core *raft.Core) raft.Output {
	o := core.Output()
	core.Synced(o.Seq)
	return o
}

// newLeader makes n1 leader of term 1 of three nodes, with entry 1 committed.
func newLeader(t *testing.T) *raft.Core {
	t.Helper()
	core := newCore(t, three())
	core.Tick(2 * second)
	core.Tick(4 * second) // the first gap between ticks is taken for a pause
	carryOut(core)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgPreVoteResp, From: "n2", To: "n1", Term: 1}, nil))
	carryOut(core)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgVoteResp, From: "n2", To: "n1", Term: 1}, nil))
	require.Equal(t, raft.Leader, carryOut(core).Role)
	acknowledge(t, core, 1)
	require.EqualValues(t, 1, carryOut(core).Commit)
	return core
}

// acknowledge tells a leader of term 1 that n2 has everything up to i.
func acknowledge(t *testing.T, core *raft.Core, i raft.Index) {
	t.Helper()
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgAppendResp, From: "n2", To: "n1", Term: 1, Last: raft.EntryID{Index: i, Term: 1}}, nil))
}

// appendTo sends a core entries of a term, after prev, from n2.
func appendTo(core *raft.Core, leaderTerm raft.Term, prev raft.EntryID, commit raft.Index, terms ...raft.Term) error {
	m := raft.Message{Type: raft.MsgAppend, From: "n2", To: "n1", Term: leaderTerm, Prev: prev, Last: prev, Commit: commit}
	var entries []raft.Entry
	for _, term := range terms {
		m.Last = raft.EntryID{Index: m.Last.Index + 1, Term: term}
		entries = append(entries, raft.Entry{ID: m.Last, Kind: raft.KindData, Size: 64})
	}
	return core.Step(m, entries)
}

// TestSyncedGoesBySequence is the schedule for which acknowledging by entry id would be wrong: 11(t2) is appended, replaced, and
// appended again, while the flush of the first is under way.
func TestSyncedGoesBySequence(t *testing.T) {
	core := newCore(t, three())
	one := raft.EntryID{Index: 1, Term: 1}
	require.NoError(t, appendTo(core, 1, raft.EntryID{}, 1, 1))
	carryOut(core)

	require.NoError(t, appendTo(core, 2, one, 1, 2, 2))
	first := core.Output()
	require.NoError(t, appendTo(core, 3, one, 1, 3))
	second := core.Output()
	require.EqualValues(t, 2, second.Truncate)
	require.NoError(t, appendTo(core, 4, one, 1, 2, 2))
	third := core.Output()
	require.Equal(t, first.Append, third.Append, "the very same entries")

	core.Synced(first.Seq)
	require.EqualValues(t, 1, core.Status().Synced, "the first flush says nothing about entries appended since")
	core.Synced(second.Seq)
	require.EqualValues(t, 1, core.Status().Synced)
	core.Synced(third.Seq)
	require.EqualValues(t, 3, core.Status().Synced)
}

// TestOutputsMerge: between two outputs entries come and go; the output says what is left.
func TestOutputsMerge(t *testing.T) {
	core := newCore(t, three())
	require.NoError(t, appendTo(core, 1, raft.EntryID{}, 1, 1, 1, 1))
	carryOut(core)

	require.NoError(t, appendTo(core, 1, raft.EntryID{Index: 3, Term: 1}, 1, 1, 1))
	require.NoError(t, appendTo(core, 2, raft.EntryID{Index: 4, Term: 1}, 1, 2))
	o := carryOut(core)
	require.Zero(t, o.Truncate, "5(t1) never left the core")
	require.Len(t, o.Append, 2)
	require.Equal(t, raft.EntryID{Index: 5, Term: 2}, o.Append[1].ID)

	require.NoError(t, appendTo(core, 3, raft.EntryID{Index: 2, Term: 1}, 1, 3, 3))
	require.NoError(t, appendTo(core, 4, raft.EntryID{Index: 3, Term: 3}, 1, 4))
	require.NoError(t, appendTo(core, 5, raft.EntryID{Index: 1, Term: 1}, 1, 5))
	o = carryOut(core)
	require.EqualValues(t, 2, o.Truncate)
	require.Len(t, o.Append, 1)
	require.Equal(t, raft.EntryID{Index: 2, Term: 5}, o.Append[0].ID)
	require.Equal(t, &raft.HardState{Term: 5}, o.State)
	require.False(t, core.HasOutput())
	require.Nil(t, carryOut(core).State, "it did not change")
}

// TestAppendBelowTheCommitIndex is answered with what is committed, even where the log has no memory of it any more.
func TestAppendBelowTheCommitIndex(t *testing.T) {
	core := newCore(t, three())
	require.NoError(t, appendTo(core, 1, raft.EntryID{}, 4, 1, 1, 1, 1))
	carryOut(core)
	core.Applied(4)
	core.Compacted(raft.Base{ID: raft.EntryID{Index: 3, Term: 1}, Configuration: three()})
	core.Compacted(raft.Base{ID: raft.EntryID{Index: 2, Term: 1}, Configuration: three()})
	require.EqualValues(t, 3, core.Status().Base.Index)
	for prev := range raft.Index(4) {
		require.NoError(t, appendTo(core, 1, raft.EntryID{Index: prev, Term: min(raft.Term(prev), 1)}, 4, 1))
		o := carryOut(core)
		require.Empty(t, o.Append)
		require.Len(t, o.SendSynced, 1)
		require.False(t, o.SendSynced[0].Reject)
		require.Equal(t, raft.EntryID{Index: 4, Term: 1}, o.SendSynced[0].Last)
	}
}

// TestCommitStopsAtWhatMatches: the rest of the log may not be the leader's.
func TestCommitStopsAtWhatMatches(t *testing.T) {
	core := newCore(t, three())
	require.NoError(t, appendTo(core, 1, raft.EntryID{}, 1, 1, 1, 1, 1))
	require.NoError(t, appendTo(core, 2, raft.EntryID{Index: 2, Term: 1}, 4))
	require.EqualValues(t, 2, carryOut(core).Commit)
}

// TestTransferEndsWithLeadership: whoever leads again later takes proposals.
func TestTransferEndsWithLeadership(t *testing.T) {
	core := newLeader(t)
	require.NoError(t, core.Transfer("n3"))
	require.Equal(t, raft.NodeID("n3"), core.Status().Transfer)
	require.NoError(t, appendTo(core, 2, raft.EntryID{Index: 1, Term: 1}, 1))
	require.Equal(t, raft.None, core.Status().Transfer)
}

// TestAckEndsTheWaitForAnImage: a peer that turns out to have what the leader removed needs no image.
func TestAckEndsTheWaitForAnImage(t *testing.T) {
	core := newLeader(t)
	require.NoError(t, core.Propose([]raft.Entry{{Kind: raft.KindData, Size: 64}, {Kind: raft.KindData, Size: 64}}))
	carryOut(core)
	acknowledge(t, core, 3)
	core.Compacted(raft.Base{ID: raft.EntryID{Index: 3, Term: 1}, Configuration: three()})
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgHeartbeatResp, From: "n3", To: "n1", Term: 1, Round: 1}, nil))
	carryOut(core)
	require.Equal(t, raft.Image, core.Status().Peers[1].State)
	for _, i := range []raft.Index{1, 3} {
		ack := raft.Message{Type: raft.MsgAppendResp, From: "n3", To: "n1", Term: 1, Last: raft.EntryID{Index: i, Term: 1}}
		require.NoError(t, core.Step(ack, nil))
		require.Equal(t, i == 3, core.Status().Peers[1].State == raft.Replicate)
	}
	core.ImageSent("n3", raft.EntryID{Index: 3, Term: 1}, true)
	require.Equal(t, raft.Replicate, core.Status().Peers[1].State, "what comes of the image does not matter any more")
}

func TestProposeAssignsIDsInPlace(t *testing.T) {
	core := newLeader(t)
	batch := []raft.Entry{{Kind: raft.KindData, Size: 64, Body: []byte("a")}, {Kind: raft.KindTrim, Size: 72}}
	require.NoError(t, core.Propose(batch))
	require.Equal(t, raft.EntryID{Index: 2, Term: 1}, batch[0].ID)
	require.Equal(t, raft.EntryID{Index: 3, Term: 1}, batch[1].ID)
	o := core.Output()
	require.Equal(t, batch, o.Append)
	batch[0].Kind = raft.KindEmpty
	require.Equal(t, raft.KindData, o.Append[0].Kind, "the output is the caller's own copy")
	require.NoError(t, core.Propose(nil))
	require.False(t, core.HasOutput())
}

func TestProposeRefuses(t *testing.T) {
	follower := newCore(t, three())
	var notLeader *raft.NotLeaderError
	require.ErrorAs(t, follower.Propose([]raft.Entry{{Kind: raft.KindData, Size: 64}}), &notLeader)
	require.Equal(t, raft.None, notLeader.Leader)
	require.ErrorContains(t, notLeader, "no leader is known")
	_, err := follower.ChangeMembers(nil, nil)
	require.ErrorAs(t, err, &notLeader)
	require.ErrorAs(t, follower.ReadIndex(raft.ReadID{}), &notLeader)
	require.NoError(t, appendTo(follower, 1, raft.EntryID{}, 0, 1))
	require.ErrorAs(t, follower.Resign("x"), &notLeader)
	require.Equal(t, raft.NodeID("n2"), notLeader.Leader)

	leader := newLeader(t)
	for _, e := range []raft.Entry{{Kind: raft.KindConfig, Size: 64}, {Size: 64}, {Kind: raft.KindData, Size: 63}} {
		var bad *raft.EntryError
		require.ErrorAs(t, leader.Propose([]raft.Entry{{Kind: raft.KindData, Size: 64}, e}), &bad)
		require.Equal(t, 1, bad.Position)
		require.NotEmpty(t, bad.Error())
	}
	require.EqualValues(t, 1, leader.Status().Last.Index, "a refused batch leaves nothing behind")
}

// TestUncommittedBytesDoNotLeak: whatever happens to entries, the limit is there again once they are committed or gone
// (etcd-io/raft a370b6f).
func TestUncommittedBytesDoNotLeak(t *testing.T) {
	core := newLeader(t)
	big := func() []raft.Entry { return []raft.Entry{{Kind: raft.KindData, Size: 40 << 20}} }
	for i := raft.Index(2); i < 20; i++ {
		require.NoError(t, core.Propose(big()))
		require.ErrorIs(t, core.Propose(big()), raft.ErrBusy)
		carryOut(core)
		acknowledge(t, core, i)
		require.Zero(t, core.Status().Uncommitted)
	}
	require.NoError(t, core.Propose([]raft.Entry{{Kind: raft.KindData, Size: 100 << 20}}), "alone, any batch is accepted")
}

func TestReadsAreBounded(t *testing.T) {
	core := newLeader(t)
	for i := range uint64(1 << 16) {
		require.NoError(t, core.ReadIndex(raft.ReadID{Counter: i}))
	}
	require.ErrorIs(t, core.ReadIndex(raft.ReadID{Counter: 1 << 16}), raft.ErrBusy)
	carryOut(core)
	require.Equal(t, 1<<16, core.Status().Reads)
	require.NoError(t, core.Step(raft.Message{Type: raft.MsgHeartbeatResp, From: "n3", To: "n1", Term: 1, Round: 2}, nil))
	require.Len(t, carryOut(core).Reads, 1<<16)
}

func TestCallersBreakingInvariantsPanic(t *testing.T) {
	leader := newLeader(t)
	leader.Applied(1)
	for invariant, fn := range map[string]func(){
		"Synced names an output that was given out":        func() { leader.Synced(1000) },
		"law 2: only committed entries are applied":        func() { leader.Applied(2) },
		"law 6: applied never goes back":                   func() { leader.Applied(0) },
		"Installed answers the Install that was given out": func() { leader.Installed(raft.Base{}, true) },
		"law 2: only committed entries are removed":        func() { leader.Compacted(raft.Base{ID: raft.EntryID{Index: 5, Term: 1}}) },
		"the base is an entry of the log":                  func() { leader.Compacted(raft.Base{ID: raft.EntryID{Index: 1, Term: 9}}) },
	} {
		require.Contains(t, panicOf(fn), "raft: broken invariant: "+invariant)
	}
}

// panicOf is what fn panics with, as text.
func panicOf(fn func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	fn()
	return ""
}

func TestNewRefusesStatesThatContradictThemselves(t *testing.T) {
	good := func() raft.Restart {
		return raft.Restart{
			State: raft.HardState{Term: 5, Vote: "n2"}, Commit: 12, Last: raft.EntryID{Index: 20, Term: 4},
			Base:      raft.Base{ID: raft.EntryID{Index: 10, Term: 2}, Position: 1000, Configuration: three()},
			Terms:     []raft.EntryID{{Index: 11, Term: 2}, {Index: 15, Term: 4}},
			Waypoints: []raft.Waypoint{{Index: 12, End: 2000}, {Index: 18, End: 3000}},
			Configurations: []raft.ConfigurationEntry{{ID: raft.EntryID{Index: 15, Term: 4}, Configuration: members(voter("n1"))},
				{ID: raft.EntryID{Index: 16, Term: 4}, Configuration: members(voter("n1"), voter("n2"))}},
		}
	}
	core, err := raft.New(raft.Config{ID: "n1"}, good())
	require.NoError(t, err)
	status := core.Status()
	require.Equal(t, raft.EntryID{Index: 20, Term: 4}, status.Last)
	require.Equal(t, raft.EntryID{Index: 16, Term: 4}, status.Configuration.ID)
	require.EqualValues(t, 12, status.Commit)
	require.True(t, core.HasOutput(), "the first output tells the configuration")

	for name, spoil := range map[string]func(*raft.Restart){
		"term below the last entry's": func(r *raft.Restart) { r.State.Term = 3 },
		"term out of range":           func(r *raft.Restart) { r.State.Term = 1 << 63 },
		"vote in no term":             func(r *raft.Restart) { *r = raft.Restart{State: raft.HardState{Vote: "n2"}} },
		"commit below the base":       func(r *raft.Restart) { r.Commit = 9 },
		"commit above the log":        func(r *raft.Restart) { r.Commit = 21 },
		"last before the base":        func(r *raft.Restart) { r.Last.Index, r.Commit = 9, 9 },
		"last beside the base":        func(r *raft.Restart) { r.Last, r.Terms, r.Commit = raft.EntryID{Index: 10, Term: 4}, nil, 10 },
		"no terms":                    func(r *raft.Restart) { r.Terms = nil },
		"gap above the base":          func(r *raft.Restart) { r.Terms[0].Index = 12 },
		"terms descend":               func(r *raft.Restart) { r.Terms[1].Term = 1 },
		"indexes descend":             func(r *raft.Restart) { r.Terms[1].Index = 11 },
		"last run is another's":       func(r *raft.Restart) { r.Terms[1].Term = 3 },
		"base of no term":             func(r *raft.Restart) { r.Base.ID.Term = 0 },
		"waypoints descend":           func(r *raft.Restart) { r.Waypoints[1].Index = 12 },
		"configuration not in log":    func(r *raft.Restart) { r.Configurations[0].ID.Term = 2 },
		"configurations descend":      func(r *raft.Restart) { r.Configurations[1].ID.Index = 15 },
		"configuration invalid":       func(r *raft.Restart) { r.Configurations[1].Configuration = raft.Configuration{} },
		"base configuration invalid":  func(r *raft.Restart) { r.Base.Configuration = raft.Configuration{Joint: true} },
	} {
		at := good()
		spoil(&at)
		_, err := raft.New(raft.Config{ID: "n1"}, at)
		require.Error(t, err, name)
	}
}

func TestConfigValidateReportsEveryFault(t *testing.T) {
	require.NoError(t, raft.Config{ID: "n1"}.Validate())
	err := raft.Config{ElectionTimeout: -1, MaxInflightMessages: -1}.Validate()
	require.ErrorContains(t, err, "node id")
	require.ErrorContains(t, err, "negative")
	require.ErrorContains(t, raft.Config{ID: "n1", HeartbeatInterval: 200 * time.Millisecond}.Validate(), "a third")
	_, err = raft.New(raft.Config{}, raft.Restart{})
	require.Error(t, err)
}

// TestTimeNeverGoesBack: a clock that does is ignored.
func TestTimeNeverGoesBack(t *testing.T) {
	core := newLeader(t)
	core.Tick(3 * second)
	require.False(t, core.HasOutput())
	require.Equal(t, raft.Leader, core.Status().Role)
}

// TestTimeBeforeTheOrigin: readings may be negative.
func TestTimeBeforeTheOrigin(t *testing.T) {
	core, err := raft.New(raft.Config{ID: "n1"}, raft.Restart{Base: raft.Base{Configuration: members(voter("n1"), raft.Member{ID: "n2"})}})
	require.NoError(t, err)
	for now := -3 * second; now < second; now += second / 100 {
		core.Tick(now)
		carryOut(core)
	}
	require.Equal(t, raft.Leader, core.Status().Role)
}

func TestPriorityDelaysElections(t *testing.T) {
	asks := func(priority uint16) raft.Monotonic {
		config := members(raft.Member{ID: "n1", Voter: true, Priority: priority}, raft.Member{ID: "n2", Voter: true, Priority: 5}, voter("n3"))
		core := newCore(t, config)
		for now := raft.Monotonic(0); ; now += second / 100 {
			core.Tick(now)
			if core.Status().Role == raft.PreCandidate {
				return now
			}
		}
	}
	require.InDelta(t, float64(50*time.Millisecond), float64(asks(0)-asks(9)), float64(10*time.Millisecond))
}

// TestSameCallsSameOutputs: a core is a function of what it is told.
func TestSameCallsSameOutputs(t *testing.T) {
	run := func(seed uint64) (outputs []raft.Output) {
		core, err := raft.New(raft.Config{ID: "n1", Seed: seed}, raft.Restart{Base: raft.Base{Configuration: three()}})
		require.NoError(t, err)
		for now := raft.Monotonic(0); now < 3*second; now += second / 100 {
			core.Tick(now)
			outputs = append(outputs, carryOut(core))
		}
		return outputs
	}
	require.Equal(t, run(1), run(1))
	require.NotEqual(t, run(1), run(2), "another seed, other timeouts")
}

// TestChangeMembersErrors: every refusal can be told by its type.
func TestChangeMembersErrors(t *testing.T) {
	core := newLeader(t)
	id, err := core.ChangeMembers([]raft.MemberChange{{Kind: raft.AddLearner, ID: "n4"}}, &raft.EntryID{})
	require.NoError(t, err)
	require.Equal(t, raft.EntryID{Index: 2, Term: 1}, id)
	_, err = core.ChangeMembers([]raft.MemberChange{{Kind: raft.RemoveMember, ID: "n4"}}, nil)
	require.ErrorIs(t, err, raft.ErrConfigurationPending)
	carryOut(core)
	acknowledge(t, core, 2)
	_, err = core.ChangeMembers([]raft.MemberChange{{Kind: raft.AddLearner, ID: "n4"}}, nil)
	require.ErrorIs(t, err, raft.ErrUnchanged)
	_, err = core.ChangeMembers([]raft.MemberChange{{Kind: raft.AddLearner, ID: "n5"}}, &raft.EntryID{Index: 1, Term: 1})
	var changed *raft.ConfigurationChangedError
	require.ErrorAs(t, err, &changed)
	require.Equal(t, id, changed.InForce)
	_, err = core.ChangeMembers([]raft.MemberChange{{Kind: raft.DemoteMember, ID: "n1"}, {Kind: raft.DemoteMember, ID: "n9"}}, &id)
	var bad *raft.ChangeError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, 1, bad.Position)
	_, err = core.ChangeMembers([]raft.MemberChange{{Kind: raft.DemoteMember, ID: "n1"}, {Kind: raft.RemoveMember, ID: "n2"}, {Kind: raft.RemoveMember, ID: "n3"}}, &id)
	require.ErrorIs(t, err, raft.ErrNoVoterLeft)
	require.EqualValues(t, 2, core.Status().Last.Index, "a refused change leaves nothing behind")
	_, err = core.ChangeMembers([]raft.MemberChange{{Kind: raft.AddLearner, ID: "n4", Address: "h:1", Priority: 7}}, &id)
	require.NoError(t, err)
	m, _ := core.Status().Configuration.Configuration.Member("n4")
	require.Equal(t, raft.Member{ID: "n4", Address: "h:1"}, m, "who is a member already keeps its priority")
}

// TestChangesKeepTheRest: what is changed of a member leaves everything else as it was (etcd#21694).
func TestChangesKeepTheRest(t *testing.T) {
	core := newLeader(t)
	want := raft.Member{ID: "n4", Address: "a:1", Priority: 3, Promote: true, Replaces: "n3"}
	for i, step := range []struct {
		change raft.MemberChange
		alter  func()
	}{
		{raft.MemberChange{Kind: raft.AddLearner, ID: "n4", Address: "a:1", Priority: 3, Promote: true, Replaces: "n3"}, func() {}},
		{raft.MemberChange{Kind: raft.SetAddress, ID: "n4", Address: "b:2"}, func() { want.Address = "b:2" }},
		{raft.MemberChange{Kind: raft.SetPriority, ID: "n4", Priority: 9}, func() { want.Priority = 9 }},
		{raft.MemberChange{Kind: raft.RemoveMember, ID: "n3"}, func() { want.Replaces = raft.None }},
		{raft.MemberChange{Kind: raft.DemoteMember, ID: "n4"}, func() {}},
		{raft.MemberChange{Kind: raft.AddLearner, ID: "n4"}, func() { want.Promote = false }},
		{raft.MemberChange{Kind: raft.AddVoter, ID: "n4"}, func() { want.Voter = true }},
		{raft.MemberChange{Kind: raft.AddLearner, ID: "n4", Promote: true, Address: "c:3"}, func() { want.Address = "c:3" }},
	} {
		step.alter()
		_, err := core.ChangeMembers([]raft.MemberChange{step.change}, nil)
		if errors.Is(err, raft.ErrUnchanged) {
			continue
		}
		require.NoError(t, err, "step %d", i)
		m, _ := core.Status().Configuration.Configuration.Member("n4")
		require.Equal(t, want, m, "step %d", i)
		carryOut(core)
		acknowledge(t, core, core.Status().Last.Index)
		carryOut(core)
	}
}

func TestChangeKindsHaveNames(t *testing.T) {
	for kind := raft.AddLearner; kind <= raft.SetDirectory; kind++ {
		require.NotContains(t, kind.String(), "change(")
	}
	require.Equal(t, "change(9)", (raft.SetDirectory + 1).String())
}

// TestJointConfigurationMayBeTooLarge: those that leave are members until they have.
func TestJointConfigurationMayBeTooLarge(t *testing.T) {
	config := three()
	for i := range raft.MaxMembers - 3 {
		config.Members = append(config.Members, raft.Member{ID: raft.NodeID(fmt.Sprintf("o%04d", i))})
	}
	core := newCore(t, config)
	lead(t, core, 0)
	acknowledge(t, core, 1)
	_, err := core.ChangeMembers([]raft.MemberChange{
		{Kind: raft.RemoveMember, ID: "n2"}, {Kind: raft.RemoveMember, ID: "n3"}, {Kind: raft.AddVoter, ID: "p1"}, {Kind: raft.AddVoter, ID: "p2"},
	}, nil)
	require.ErrorContains(t, err, "1026 members")
	_, err = core.ChangeMembers([]raft.MemberChange{{Kind: raft.RemoveMember, ID: "n2"}, {Kind: raft.AddLearner, ID: "p1"}}, nil)
	require.NoError(t, err)
}

// TestConfigReportsEveryFault: and the defaults are none.
func TestConfigReportsEveryFault(t *testing.T) {
	require.NoError(t, raft.Config{ID: "n1", LeaseDuration: raft.DefaultElectionTimeout}.Validate())
	require.NoError(t, raft.Config{ID: "n1", ElectionTimeout: 10 * time.Second}.Validate(), "CommitTimeout follows")
	err := raft.Config{
		ElectionTimeout: time.Second, HeartbeatInterval: 500 * time.Millisecond, StallTimeout: -1, CommitTimeout: time.Millisecond,
		LeaseDuration: 2 * time.Second, QuietAfter: time.Millisecond,
	}.Validate()
	for _, fault := range []string{"node id", "negative", "HeartbeatInterval is 500ms", "CommitTimeout is 1ms", "LeaseDuration is 2s", "QuietAfter is 1ms"} {
		require.ErrorContains(t, err, fault)
	}
	require.ErrorContains(t, raft.Config{ID: "n1", LeaseDuration: 80 * time.Millisecond}.Validate(), "LeaseDuration is 80ms", "it ends before the next heartbeat")
}
