package node_test

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// trimmedStore is a store whose log is as short as its images allow.
func trimmedStore() node.GroupOptions {
	g := storeGroup()
	g.ImageEveryEntries, g.KeepBytes, g.KeepImages = 20, 1, 1
	return g
}

// follower is a node that doesn't lead the store.
func (c *testCluster) follower() raft.NodeID {
	c.t.Helper()
	leader := c.leader("kv").Role().Leader
	for _, p := range c.peers {
		if p.ID != leader {
			return p.ID
		}
	}
	panic("no follower")
}

// images are the files of a node's images of the store.
func (c *testCluster) images(id raft.NodeID) (files []string) {
	dir := "data/groups/0000000000000001/images"
	names, err := c.disks[id].List(dir)
	require.NoError(c.t, err)
	for _, name := range names {
		if strings.HasSuffix(name, ".img") {
			files = append(files, path.Join(dir, name))
		}
	}
	return files
}

// spoil damages every image of a node that is stopped, in its chunks.
func (c *testCluster) spoil(id raft.NodeID) {
	c.t.Helper()
	files := c.images(id)
	require.NotEmpty(c.t, files)
	for _, name := range files {
		size, err := c.disks[id].Stat(name)
		require.NoError(c.t, err)
		require.NoError(c.t, c.disks[id].Flip(name, size/2, 1))
	}
}

// trimmed proposes until the log of every node begins above its first entry.
func (c *testCluster) trimmed() {
	c.t.Helper()
	body := strings.Repeat("x", 4000)
	ctx := testContext(c.t)
	for all := false; !all; {
		require.NoError(c.t, ctx.Err())
		c.propose("kv", body)
		all = true
		for _, n := range c.nodes {
			all = all && n.Group("kv").Ledger().Base().ID.Index > 0
		}
	}
	c.caughtUp("kv")
}

// serves waits until a node has the state of its store.
func (c *testCluster) serves(id raft.NodeID) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.nodes[id].Group("kv").Serving() == nil }, 30*time.Second, 10*time.Millisecond)
}

// A follower whose images are rotten, and whose log doesn't begin at the beginning any more, comes back, keeps its log, serves nothing, and gets
// the state from the leader.
func TestAReplicaThatLostItsStateGetsAnImage(t *testing.T) {
	for _, missing := range []bool{false, true} {
		c := newTestCluster(t, 3, trimmedStore())
		c.startAll()
		c.trimmed()
		id := c.follower()
		c.stop(id)
		if missing {
			for _, name := range c.images(id) {
				require.NoError(t, c.disks[id].Remove(name))
			}
		} else {
			c.spoil(id)
		}
		c.propose("kv", "meanwhile")
		n := c.start(id)
		base := n.Group("kv").Ledger().Base().ID
		require.NotZero(t, base.Index)
		c.serves(id)
		c.caughtUp("kv")
		require.Equal(t, c.leader("kv").Machine().(*tally).all(), n.Group("kv").Machine().(*tally).all())
		require.Equal(t, base, n.Group("kv").Ledger().Base().ID, "the log was not touched")
		require.NoError(t, n.Group("kv").Role().Err)
		c.stop(id)
		c.start(id)
		require.NoError(t, c.nodes[id].Group("kv").Serving(), "it has an image of its own again")
	}
}

// Where only two of three are left and the one that has lost its state is needed for every vote and commit, the group works, and it does not lead.
func TestAReplicaThatLostItsStateVotesAndAcknowledges(t *testing.T) {
	c := newTestCluster(t, 3, trimmedStore())
	c.startAll()
	c.trimmed()
	lost := c.follower()
	var others []raft.NodeID
	for _, p := range c.peers {
		if p.ID != lost {
			others = append(others, p.ID)
		}
	}
	for _, p := range c.peers {
		c.stop(p.ID)
	}
	c.spoil(lost)
	alone := c.start(lost).Group("kv")
	require.ErrorIs(t, alone.Serving(), node.ErrStateLost)
	_, err := alone.Read(testContext(t))
	require.ErrorIs(t, err, node.ErrStateLost)
	require.ErrorIs(t, alone.WaitApplied(testContext(t), 1), node.ErrStateLost)
	require.Zero(t, alone.Applied())

	c.start(others[0])
	out := c.propose("kv", "with its vote")
	require.Equal(t, others[0], c.leader("kv").Role().Leader)
	c.serves(lost)
	c.caughtUp("kv")
	require.GreaterOrEqual(t, alone.Applied(), out.Index)
	all := alone.Machine().(*tally).all()
	require.Equal(t, "with its vote", all[len(all)-1])
}

// The whole log counts, also that above the image: it is not given up for one.
func TestWhatWasAcknowledgedOutlivesTheLossOfTheState(t *testing.T) {
	c := newTestCluster(t, 3, trimmedStore())
	c.startAll()
	c.trimmed()
	lost := c.follower()
	last := c.propose("kv", "last")
	c.caughtUp("kv")
	c.stop(lost)
	c.spoil(lost)
	n := c.start(lost)
	c.serves(lost)
	c.caughtUp("kv")
	record, err := n.Group("kv").Ledger().Record(last.Index)
	require.NoError(t, err)
	require.Equal(t, "last", string(record.Body))
	_, err = n.Group("kv").Ledger().Record(1)
	require.ErrorAs(t, err, new(*ledger.CompactedError))
}
