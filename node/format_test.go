package node_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// startAs starts a node whose program knows formats up to one.
func (c *testCluster) startAs(id raft.NodeID, format uint32) *node.Node {
	c.t.Helper()
	opts := c.options(id)
	opts.Format = format
	return c.startWith(opts)
}

// raise goes on until a group's format is raised, or refused for good.
func (c *testCluster) raise(group string, to uint32) (uint32, error) {
	c.t.Helper()
	ctx := testContext(c.t)
	for {
		got, err := c.leader(group).RaiseFormat(ctx, to)
		var elsewhere *raft.NotLeaderError
		var refused *node.FormatRefusedError
		again := errors.As(err, &elsewhere) || errors.Is(err, raft.ErrConfigurationPending) || errors.Is(err, node.ErrUncertain)
		if errors.As(err, &refused) { // a link may just be coming up
			for _, l := range refused.Laggards {
				again = again || l.Knows == 0
			}
		}
		if !again || ctx.Err() != nil {
			return got, err
		}
	}
}

// A rolling upgrade: the format stays what it is until every member knows the next one and somebody asks for it, and holds from then on.
func TestTheFormatIsRaised(t *testing.T) {
	t.Parallel()
	for _, g := range []node.GroupOptions{storeGroup(), logGroup()} {
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			c := newTestCluster(t, 3, g)
			c.startAll()
			c.propose(g.Name, "in the first format")
			got, err := c.raise(g.Name, 0)
			require.NoError(t, err, "what is in force already may be asked for")
			require.Equal(t, uint32(ledger.FormatInitial), got)

			for i, p := range c.peers {
				_, err := c.raise(g.Name, 2)
				var refused *node.FormatRefusedError
				require.ErrorAs(t, err, &refused)
				require.Len(t, refused.Laggards, 3-i)
				require.Equal(t, uint32(1), refused.Laggards[0].Knows)
				c.stop(p.ID)
				c.startAs(p.ID, 2)
			}
			require.Equal(t, uint32(ledger.FormatInitial), c.leader(g.Name).Format())
			got, err = c.raise(g.Name, 0)
			require.NoError(t, err)
			require.Equal(t, uint32(2), got)
			require.Equal(t, uint32(2), c.leader(g.Name).Format())
			status, err := c.leader(g.Name).Status(testContext(t))
			require.NoError(t, err)
			require.Equal(t, []uint32{2, 2}, []uint32{status.Format, c.nodes["n1"].Format()})

			_, err = c.raise(g.Name, 1)
			var refused *node.FormatRefusedError
			require.ErrorAs(t, err, &refused)
			require.Empty(t, refused.Laggards, "it is never taken back")
			c.propose(g.Name, "in the second")
			c.caughtUp(g.Name)

			c.stop("n3")
			opts := c.options("n3")
			n, err := node.Open(opts)
			require.NoError(t, err)
			_, err = n.OpenGroup(g)
			var unknown *ledger.FormatError
			require.ErrorAs(t, err, &unknown, "the older program leaves the log alone")
			for refusal := ""; !strings.Contains(refusal, "expected of a member of group"); { // until it has called
				ctx, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
				_, err := c.nodes["n1"].Invite(ctx, "n3", "memory:n3")
				cancel()
				require.Error(t, err)
				refusal = err.Error()
			}
			require.NoError(t, n.Close())
			c.startAs("n3", 2)
			c.propose(g.Name, "and all go on")
			c.caughtUp(g.Name)
			for _, n := range c.nodes {
				require.Equal(t, uint32(2), n.Group(g.Name).Format())
			}
		})
	}
}

// A node that does not know the format in force can't be added.
func TestAnOlderProgramCannotJoin(t *testing.T) {
	t.Parallel()
	c := newTestCluster(t, 1, storeGroup())
	c.startAs("n1", 2)
	_, err := c.raise("kv", 2)
	require.NoError(t, err)

	c.disks["n2"] = disk.New(2)
	join := func(format uint32) {
		opts := c.options("n2")
		opts.Join, opts.Format, opts.Peers = true, format, []node.Peer{{ID: "n2", Address: "memory:n2"}}
		c.startWith(opts)
	}
	join(1)
	leader := c.nodes["n1"]
	_, err = leader.Invite(testContext(t), "n2", "memory:n2")
	require.NoError(t, err, "it may be a member of another group")
	add := []node.MemberChange{{Kind: node.AddLearner, ID: "n2", Address: "memory:n2", Directory: [16]byte(c.nodes["n2"].Directory()), Promote: true}}
	_, err = leader.Group("kv").ChangeMembers(testContext(t), add, nil)
	var change *raft.ChangeError
	require.ErrorAs(t, err, &change)
	require.Contains(t, change.Reason, "it knows them up to format 1")

	c.stop("n2")
	join(2)
	_, err = leader.Invite(testContext(t), "n2", "memory:n2")
	require.NoError(t, err)
	_, err = leader.Group("kv").ChangeMembers(testContext(t), add, nil)
	require.NoError(t, err)
}
