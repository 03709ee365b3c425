package server_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/raft"
)

// TestMembersAreChanged: on the leader, on the condition of what was seen, with errors that say what is wrong.
func TestMembersAreChanged(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, follows := c.leader("kv")
	one := func(kind raft.ChangeKind, id string) *rpc.ChangeArgs {
		return &rpc.ChangeArgs{Changes: []rpc.MemberChange{{Kind: uint8(kind), ID: id, Address: "memory:" + id, Priority: 3}}}
	}
	require.Equal(t, rpc.CodeNotLeader, refused(c, follows, "kv", rpc.VerbChange, one(raft.SetPriority, "n1")).Code)
	require.Equal(t, rpc.CodeNotLeader, refused(c, follows, "kv", rpc.VerbMembers, &rpc.MembersArgs{Leader: true}).Code)

	before := call[rpc.MembersResult](c, leads, "kv", rpc.VerbMembers, &rpc.MembersArgs{Leader: true})
	require.True(t, before.Committed)
	for _, m := range before.Members {
		require.True(t, m.Voter)
		require.True(t, m.Known, m.ID)
	}
	priority := one(raft.SetPriority, string(leads.id))
	priority.Seen, priority.SeenIndex, priority.SeenTerm = true, before.SeenIndex, before.SeenTerm
	call[rpc.Empty](c, leads, "kv", rpc.VerbChange, priority)
	after := call[rpc.MembersResult](c, leads, "kv", rpc.VerbMembers, &rpc.MembersArgs{Leader: true})
	require.Greater(t, after.SeenIndex, before.SeenIndex)
	for _, m := range after.Members {
		if m.ID == string(leads.id) {
			require.EqualValues(t, 3, m.Priority)
		}
	}
	again := one(raft.SetPriority, string(leads.id))
	again.Changes[0].Priority, again.Seen, again.SeenIndex, again.SeenTerm = 9, true, before.SeenIndex, before.SeenTerm
	require.Equal(t, rpc.CodeConfigurationChanged, refused(c, leads, "kv", rpc.VerbChange, again).Code)

	e := refused(c, leads, "kv", rpc.VerbChange, one(raft.PromoteMember, "n9"))
	require.Equal(t, rpc.CodeBadRequest, e.Code)
	require.Equal(t, "members", e.Field)
	require.Contains(t, e.Problem, "not a member")
	e = refused(c, leads, "kv", rpc.VerbChange, &rpc.ChangeArgs{Changes: []rpc.MemberChange{
		{Kind: uint8(raft.RemoveMember), ID: "n1"}, {Kind: uint8(raft.RemoveMember), ID: "n2"}, {Kind: uint8(raft.RemoveMember), ID: "n3"}}})
	require.Contains(t, e.Problem, "without a voter")
	e = refused(c, leads, "kv", rpc.VerbChange, one(raft.AddLearner, "n4"))
	require.Contains(t, e.Problem, "is it started")

	call[rpc.Empty](c, leads, "kv", rpc.VerbChange, one(raft.DemoteMember, string(follows.id)))
	require.Len(t, call[rpc.MembersResult](c, leads, "", rpc.VerbMembers, &rpc.MembersArgs{}).Members, 3)
	call[rpc.Empty](c, leads, "kv", rpc.VerbChange, one(raft.RemoveMember, string(follows.id)))
	require.Len(t, call[rpc.MembersResult](c, leads, "kv", rpc.VerbMembers, &rpc.MembersArgs{}).Members, 2)
}

// TestTheFormatIsRaised: on the leader, up to what every node knows.
func TestTheFormatIsRaised(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, follows := c.leader("kv")
	require.Equal(t, rpc.CodeNotLeader, refused(c, follows, "kv", rpc.VerbFormat, &rpc.FormatArgs{}).Code)
	require.Equal(t, rpc.FormatResult{Format: 1}, call[rpc.FormatResult](c, leads, "kv", rpc.VerbFormat, &rpc.FormatArgs{}))
	e := refused(c, leads, "kv", rpc.VerbFormat, &rpc.FormatArgs{To: 2})
	require.Equal(t, rpc.CodeBadRequest, e.Code)
	require.Equal(t, "format", e.Field)
	require.Contains(t, e.Problem, "every member has to know format 2")
	status := call[rpc.NodeStatus](c, leads, "", rpc.VerbStatus, &rpc.Empty{})
	require.Equal(t, []uint32{1, 1, 1}, []uint32{status.Format, status.Groups[0].Format, status.Groups[1].Format})
}
