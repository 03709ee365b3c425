package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

func TestChangesOfMembersTravel(t *testing.T) {
	var args rpc.ChangeArgs
	exchange(t, &args, &rpc.Empty{}, func(c *client.Client) {
		require.NoError(t, c.ChangeMembers(ctx, "kv", []client.MemberChange{
			{Kind: client.AddLearner, ID: "n4", Address: "a:1", Priority: 7, Promote: true, Replaces: "n2"}, {Kind: client.RemoveMember, ID: "n3"}},
			&client.ConfigurationID{Index: 5, Term: 6}))
	})
	require.Equal(t, rpc.ChangeArgs{Seen: true, SeenIndex: 5, SeenTerm: 6, Changes: []rpc.MemberChange{
		{Kind: 1, ID: "n4", Address: "a:1", Priority: 7, Promote: true, Replaces: "n2"}, {Kind: 3, ID: "n3"}}}, args)

	var asked rpc.MembersArgs
	uuid := make([]byte, 16)
	result := &rpc.MembersResult{Leader: "a", Term: 2, SeenIndex: 5, SeenTerm: 1, Joint: true, Committed: true, Last: 9, Members: []rpc.Member{
		{ID: "a", Voter: true, WasVoter: true, Known: true, Match: 9}, {ID: "b", WasVoter: true, Leaves: true},
		{ID: "c", Promote: true, Replaces: "b", Directory: uuid, Known: true, Match: 4, Heard: 1500}}}
	exchange(t, &asked, result, func(c *client.Client) {
		m, err := c.LeaderMembers(ctx, "kv")
		require.NoError(t, err)
		require.Equal(t, client.Members{Leader: "a", Term: 2, Configuration: client.ConfigurationID{Index: 5, Term: 1}, Joint: true, Committed: true, Last: 9,
			Members: []client.Member{{ID: "a", Voter: true, WasVoter: true, Known: true, Match: 9}, {ID: "b", WasVoter: true, Leaves: true},
				{ID: "c", Promote: true, Replaces: "b", Directory: uuid, Known: true, Match: 4, Heard: 1500 * time.Millisecond}}}, m)
		c2, found := m.Member("c")
		require.True(t, found)
		require.Equal(t, "b", c2.Replaces)
		_, found = m.Member("d")
		require.False(t, found)
	})
	require.True(t, asked.Leader)
}

// TestAChangeOfMembersIsRepeatedOnItsCondition: with it twice does no harm; without it is not repeated. That it may have been done is said.
func TestAChangeOfMembersIsRepeatedOnItsCondition(t *testing.T) {
	remove := []client.MemberChange{{Kind: client.RemoveMember, ID: "n3"}}
	n := newNode(t, "a")
	c := newClient(t, nil, n)
	n.do(n.cutting, code(rpc.CodeConfigurationPending), give(&rpc.Empty{}))
	require.NoError(t, c.ChangeMembers(ctx, "kv", remove, &client.ConfigurationID{Index: 5, Term: 6}))
	require.Equal(t, 3, n.count())

	n.do(n.cutting, code(rpc.CodeConfigurationChanged))
	err := c.ChangeMembers(ctx, "kv", remove, &client.ConfigurationID{Index: 5, Term: 6})
	require.ErrorIs(t, err, client.ErrUncertain)
	require.ErrorIs(t, err, client.ErrConfigurationChanged)
	n.do(code(rpc.CodeConfigurationChanged))
	err = c.ChangeMembers(ctx, "kv", remove, &client.ConfigurationID{Index: 5, Term: 6})
	require.ErrorIs(t, err, client.ErrConfigurationChanged)
	require.NotErrorIs(t, err, client.ErrUncertain)

	before := n.count()
	n.do(n.cutting, give(&rpc.Empty{}))
	require.ErrorIs(t, c.ChangeMembers(ctx, "kv", remove, nil), client.ErrUncertain)
	require.Equal(t, before+1, n.count())
	var invalid *client.InvalidError
	n.do(fail(rpc.Error{Code: rpc.CodeBadRequest, Field: "members", Problem: "no voter is left"}))
	require.ErrorAs(t, c.ChangeMembers(ctx, "kv", remove, nil), &invalid)
	require.Equal(t, "members", invalid.Field)
}

// TestALeaderThatIsConnectedIsBelievedBeforeAnAddress: a node that joined may listen elsewhere than others think.
func TestALeaderThatIsConnectedIsBelievedBeforeAnAddress(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b", give(&rpc.HashResult{}), done)
	c := newClient(t, nil, a, b)
	_, err := c.HashAt(ctx, b.address, 1)
	require.NoError(t, err)
	a.do(leads("b", deadPort(t)))
	_, err = c.Put(ctx, key, value)
	require.NoError(t, err)
	require.Equal(t, 1, a.count())
}
