package node_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// damaged is a cluster whose third node lacks most of a group's log, of which the others, or the first alone, have lost an entry on their disks.
// Nobody runs.
func damaged(t *testing.T, g node.GroupOptions, both bool) *testCluster {
	c := newTestCluster(t, 3, g)
	c.startAll()
	c.propose(g.Name, "first")
	c.caughtUp(g.Name)
	c.stop("n3")
	body := strings.Repeat("x", 4000)
	for range 60 {
		c.propose(g.Name, body)
	}
	c.caughtUp(g.Name)
	for _, id := range []raft.NodeID{"n1", "n2"} {
		// What the next start reads of the log again must not be what is lost.
		require.Eventually(t, func() bool { return g.Factory == nil || len(c.images(id)) > 0 }, 30*time.Second, 5*time.Millisecond)
	}
	for _, id := range []raft.NodeID{"n1", "n2"} {
		c.stop(id)
		if id == "n1" || both {
			require.NoError(t, c.disks[id].Flip(fmt.Sprintf("data/groups/%016x/ledger-00000001/%016x.seg", uint64(g.ID), 1), 30_000, 1))
		}
	}
	return c
}

// recovers starts the nodes, the first one leading, and waits until all hold the same.
func (c *testCluster) recovers(group string) {
	c.t.Helper()
	c.start("n1")
	c.start("n2")
	if leader := c.leader(group); leader.Role().Leader != "n1" {
		_ = leader.Transfer(testContext(c.t), "n1") // whoever leads in the end, the damage is met if it is n1
	}
	c.start("n3")
	c.propose(group, "last")
	c.caughtUp(group)
	for id, n := range c.nodes {
		require.NoError(c.t, n.Group(group).Role().Err, id)
	}
}

// A leader whose disk has lost an entry that a follower needs goes on, and hands leadership to one that has the entry.
func TestALeaderThatLostAnEntryHandsOver(t *testing.T) {
	c := damaged(t, logGroup(), false)
	met := make(chan struct{}, 1000)
	opts := c.options("n1")
	opts.Hooks.Damaged = func(raft.GroupID, string, error) { met <- struct{}{} }
	opts.ScrubBytesPerSecond = -1
	c.startWith(opts)
	c.start("n3")
	select { // only n1 can win while n2 is down
	case <-met:
	case <-testContext(t).Done():
		require.Fail(t, "the leader never needed what it has lost")
	}
	c.start("n2")
	c.propose("log", "last")
	c.caughtUp("log")
	for id, n := range c.nodes {
		require.NoError(t, n.Group("log").Role().Err, id)
	}
	l, whole := c.nodes["n3"].Group("log").Ledger(), c.nodes["n2"].Group("log").Ledger()
	for i := l.Base().ID.Index + 1; i <= l.Last().Index; i++ {
		want, err := whole.Record(i)
		require.NoError(t, err)
		got, err := l.Record(i)
		require.NoError(t, err)
		require.Equal(t, want.Raw, got.Raw)
	}
	require.Zero(t, l.Base().ID.Index, "it needed no new base")
}

// Where every replica has lost the entry, but the machines have applied it, the follower gets an image. Nothing stops.
func TestAFollowerGetsAnImageInPlaceOfALostEntry(t *testing.T) {
	g := storeGroup()
	g.ImageEveryEntries = 50
	c := damaged(t, g, true)
	c.recovers("kv")
	require.Equal(t, c.nodes["n1"].Group("kv").Machine().(*tally).all(), c.nodes["n3"].Group("kv").Machine().(*tally).all())
	require.NotZero(t, c.nodes["n3"].Group("kv").Ledger().Base().ID.Index)
}

// A log has no image: the follower that needs the lost entry waits for somebody who has it, and the leader goes on with the others.
func TestALeaderDoesNotStopForAFollowerThatNobodyCanServe(t *testing.T) {
	c := damaged(t, logGroup(), true)
	seen := make(chan raft.NodeID, 1000)
	for _, id := range []raft.NodeID{"n1", "n2", "n3"} {
		opts := c.options(id)
		opts.Hooks.Damaged = func(raft.GroupID, string, error) { seen <- id }
		opts.ScrubBytesPerSecond = -1
		c.startWith(opts)
	}
	for both := map[raft.NodeID]bool{}; len(both) < 2; {
		select {
		case id := <-seen:
			both[id] = true
		case <-testContext(t).Done():
			require.Fail(t, "not both have met the damage", "%v", both)
		}
	}
	for range 20 {
		c.propose("log", "more")
	}
	for id, n := range c.nodes {
		require.NoError(t, n.Group("log").Role().Err, id)
	}
}
