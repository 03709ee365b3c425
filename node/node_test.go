package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

func TestSingleNodeCommitsAndComesBack(t *testing.T) {
	c := newTestCluster(t, 1, storeGroup(), logGroup())
	c.startAll()
	for i := range 5 {
		out := c.propose("kv", fmt.Sprint("a", i))
		require.Equal(t, uint64(i+1), out.Result.Value)
	}
	first := c.propose("log", "message")
	second := c.propose("log", "message")
	require.Equal(t, first.Position+raft.Position(first.Length), second.Position)
	c.stop("n1")

	n := c.start("n1")
	c.caughtUp("kv")
	require.Equal(t, []string{"a0", "a1", "a2", "a3", "a4"}, n.Group("kv").Machine().(*tally).all())
	c.leader("log")
	rec, err := n.Group("log").Record(first.Index)
	require.NoError(t, err)
	require.Equal(t, "message", string(rec.Body))
	_, err = n.Group("log").Record(1000)
	require.ErrorIs(t, err, node.ErrNotCommitted)
}

func TestThreeNodesSurviveTheirLeader(t *testing.T) {
	c := newTestCluster(t, 3, storeGroup(), logGroup())
	c.startAll()
	want := []string{}
	for round := range 3 {
		for i := range 10 {
			body := fmt.Sprintf("r%d-%d", round, i)
			c.propose("kv", body)
			c.propose("log", body)
			want = append(want, body)
		}
		var down raft.NodeID
		for id, n := range c.nodes {
			if n.Group("kv").Role().Role == raft.Leader {
				down = id
			}
		}
		c.stop(down)
		c.propose("kv", fmt.Sprintf("r%d-without", round))
		want = append(want, fmt.Sprintf("r%d-without", round))
		c.start(down)
	}
	c.caughtUp("kv")
	c.caughtUp("log")
	for _, n := range c.nodes {
		require.Equal(t, want, n.Group("kv").Machine().(*tally).all())
	}
	c.equalLogs("kv")
	c.equalLogs("log")
}

// equalLogs demands the same bytes at the same positions on all running nodes.
func (c *testCluster) equalLogs(group string) {
	c.t.Helper()
	reference := c.nodes["n1"].Group(group).Ledger()
	for i := reference.Base().ID.Index + 1; i <= reference.Last().Index; i++ {
		want, err := reference.Record(i)
		require.NoError(c.t, err)
		for id, n := range c.nodes {
			got, err := n.Group(group).Ledger().Record(i)
			require.NoError(c.t, err)
			require.Equal(c.t, want.Position, got.Position, "%s, entry %d", id, i)
			require.True(c.t, bytes.Equal(want.Raw, got.Raw), "%s, entry %d", id, i)
		}
	}
}

func TestFollowersReadAndDoNotWrite(t *testing.T) {
	c := newTestCluster(t, 3, storeGroup())
	c.startAll()
	leader := c.leader("kv")
	c.propose("kv", "x")
	c.caughtUp("kv")
	for id, n := range c.nodes {
		if n.Group("kv").Role().Role == raft.Leader {
			continue
		}
		var notLeader *node.NotLeaderError
		_, err := n.Group("kv").Propose(testContext(t), []byte("y"))
		require.ErrorAs(t, err, &notLeader, "%s", id)
		require.Equal(t, leader.Role().Leader, notLeader.Leader)
		index, err := n.Group("kv").Read(testContext(t))
		require.NoError(t, err, "its leader tells it what is committed")
		require.GreaterOrEqual(t, n.Group("kv").Applied(), index)
	}
}

func TestTransferMovesTheLeader(t *testing.T) {
	c := newTestCluster(t, 3, storeGroup())
	c.startAll()
	leader := c.leader("kv")
	c.propose("kv", "x")
	from := leader.Role().Leader
	to := raft.NodeID("n1")
	if from == to {
		to = "n2"
	}
	require.NoError(t, leader.Transfer(testContext(t), to))
	require.Equal(t, to, c.leader("kv").Role().Leader)
	err := leader.Transfer(testContext(t), to)
	var notLeader *node.NotLeaderError
	require.ErrorAs(t, err, &notLeader)
}

func TestBodyOverTheLimitIsRefused(t *testing.T) {
	c := newTestCluster(t, 1, logGroup())
	c.startAll()
	g := c.leader("log")
	_, err := g.Propose(testContext(t), make([]byte, g.MaxBody()+1))
	require.ErrorIs(t, err, node.ErrTooLarge)
	_, err = g.Propose(testContext(t), make([]byte, g.MaxBody()))
	require.NoError(t, err)
}

func TestFailedFlushStopsTheReplica(t *testing.T) {
	c := newTestCluster(t, 3, storeGroup(), logGroup())
	c.startAll()
	c.propose("kv", "before")
	leader := c.leader("kv")
	id := leader.Role().Leader
	c.disks[id].Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Path: "data/groups/0000000000000001/ledger-*/*.seg", Count: 1})
	_, err := leader.Propose(testContext(t), []byte("during"))
	if err != nil { // the others may have committed it before the flush failed
		require.ErrorIs(t, err, node.ErrUncertain)
	}
	s := leader.Role()
	for s.Err == nil {
		s, err = leader.AwaitRole(testContext(t), s.Seq)
		require.NoError(t, err)
	}
	var failed *node.FailedError
	require.ErrorAs(t, s.Err, &failed)
	require.ErrorIs(t, s.Err, disk.ErrIO)
	_, err = leader.Propose(testContext(t), []byte("after"))
	require.ErrorAs(t, err, &failed)

	// The others go on without it, and the other group on the same node is not touched.
	stopped := c.nodes[id]
	delete(c.nodes, id)
	c.propose("kv", "elsewhere")
	require.NoError(t, stopped.Group("log").Role().Err)
	require.NoError(t, stopped.Close())
	n := c.start(id)
	c.caughtUp("kv")
	require.Contains(t, n.Group("kv").Machine().(*tally).all(), "elsewhere")
	c.equalLogs("kv")
}

func TestFullDiskRefusesWritesAndRecovers(t *testing.T) {
	c := newTestCluster(t, 1, storeGroup())
	c.startAll()
	g := c.leader("kv")
	c.propose("kv", "before")
	d := c.disks["n1"]
	d.SetCapacity(d.Used() + 1<<16)
	body := bytes.Repeat([]byte("x"), 4000)
	// What was taken in before anybody knew that the disk is full waits for space, and its caller learns in time that the outcome is unknown;
	// what comes after that is refused.
	attempt := func() error {
		ctx, cancel := context.WithTimeout(testContext(t), 500*time.Millisecond)
		defer cancel()
		_, err := g.Propose(ctx, body)
		return err
	}
	err := attempt()
	for n := 0; n < 1000 && !errors.Is(err, node.ErrDiskFull); n++ {
		if err != nil {
			require.ErrorIs(t, err, node.ErrUncertain)
		}
		err = attempt()
	}
	require.ErrorIs(t, err, node.ErrDiskFull)
	_, err = g.Read(testContext(t))
	require.NoError(t, err, "reads go on while the disk is full")
	require.NoError(t, g.Role().Err)

	d.SetCapacity(0)
	ctx := testContext(t)
	for err = attempt(); err != nil; err = attempt() {
		require.NoError(t, ctx.Err(), "writes are still refused: %v", err)
		require.True(t, errors.Is(err, node.ErrDiskFull) || errors.Is(err, node.ErrUncertain), "%v", err)
	}
}

func TestDirectoryOfAnotherIsRefused(t *testing.T) {
	c := newTestCluster(t, 1, storeGroup())
	c.startAll()
	c.propose("kv", "x")
	_, err := node.Open(c.options("n1"))
	require.ErrorContains(t, err, "in use")
	c.stop("n1")

	other := c.options("n1")
	other.ID, other.Peers = "n9", nil
	_, err = node.Open(other)
	require.ErrorContains(t, err, "directory of node n1")

	other = c.options("n1")
	other.Cluster = "elsewhere"
	_, err = node.Open(other)
	require.ErrorContains(t, err, "another cluster")
	c.start("n1")
	require.Equal(t, uint64(2), c.propose("kv", "y").Result.Value)
}

func TestSegmentSizeIsFixed(t *testing.T) {
	c := newTestCluster(t, 1, storeGroup())
	c.startAll()
	c.propose("kv", "x")
	c.stop("n1")
	n, err := node.Open(c.options("n1"))
	require.NoError(t, err)
	defer n.Close()
	g := storeGroup()
	g.SegmentSize = 1 << 20
	_, err = n.OpenGroup(g)
	require.Error(t, err)
	_, err = n.OpenGroup(storeGroup())
	require.NoError(t, err)
}

// A node that lost its directory must not vote again under its old name: not while all others are up, and not while only one is.
func TestWipedNodeStaysOut(t *testing.T) {
	c := newTestCluster(t, 3, storeGroup())
	c.startAll()
	c.propose("kv", "x")
	c.caughtUp("kv")
	c.stop("n1")
	c.disks["n1"] = disk.New(99)
	wiped := c.start("n1")
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	require.ErrorIs(t, wiped.WaitAdmitted(ctx), node.ErrNotAdmitted)
	_, err := wiped.Group("kv").Propose(testContext(t), []byte("y"))
	require.ErrorIs(t, err, node.ErrNotAdmitted)
	require.Equal(t, raft.None, wiped.Group("kv").Role().Leader)
	c.stop("n1")
	c.propose("kv", "y") // the two others are a quorum

	// One survivor and the wiped node are no quorum: the survivor alone can't elect, whatever the wiped one does.
	c.stop("n2")
	wiped = c.start("n1")
	survivor := c.nodes["n3"].Group("kv")
	ctx, cancel = context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s := survivor.Role()
	for {
		if s, err = survivor.AwaitRole(ctx, s.Seq); err != nil {
			break
		}
		require.False(t, s.Role == raft.Leader && s.Seq > 0 && s.Leader == "n3" && ctx.Err() == nil && s.Ready && wiped.Admitted())
	}
	require.False(t, wiped.Admitted())
	require.NotEqual(t, raft.Leader, survivor.Role().Role)
}

func TestQueueIsBounded(t *testing.T) {
	g := logGroup()
	g.QueueBytes = 1 << 10
	c := newTestCluster(t, 1, g)
	c.startAll()
	group := c.leader("log")
	body := bytes.Repeat([]byte("x"), 600)
	var waits []*node.Pending
	busy := 0
	for range 10_000 {
		p, err := group.Submit(body, node.Checksum(body))
		if errors.Is(err, node.ErrBusy) {
			busy++
			continue
		}
		require.NoError(t, err)
		waits = append(waits, p)
	}
	require.NotZero(t, busy)
	for _, p := range waits {
		_, err := p.Wait(testContext(t))
		require.NoError(t, err)
	}
}

func TestCloseAnswersWhoWaits(t *testing.T) {
	c := newTestCluster(t, 3, storeGroup())
	c.startAll()
	leader := c.leader("kv")
	id := leader.Role().Leader
	for _, p := range c.peers {
		if p.ID != id {
			c.network.Cut(id, p.ID)
			c.network.Cut(p.ID, id)
		}
	}
	p, err := leader.Submit([]byte("x"), node.Checksum([]byte("x")))
	require.NoError(t, err)
	c.stop(id)
	_, err = p.Wait(testContext(t))
	require.True(t, errors.Is(err, node.ErrUncertain) || errors.Is(err, node.ErrClosed), "%v", err)
	_, err = leader.Propose(testContext(t), []byte("y"))
	require.Error(t, err)
}

func TestFollowerReturnsThroughAnImage(t *testing.T) {
	kv := storeGroup()
	kv.ImageEveryEntries, kv.KeepBytes = 50, 1
	log := logGroup()
	log.KeepBytes = 1 << 16
	c := newTestCluster(t, 3, kv, log)
	c.startAll()
	c.propose("kv", "first")
	c.propose("log", "first")
	c.caughtUp("kv")
	c.caughtUp("log")
	away := raft.NodeID("n1")
	if c.leader("kv").Role().Leader == away {
		away = "n2"
	}
	lastKV, lastLog := c.nodes[away].Group("kv").Ledger().Last().Index, c.nodes[away].Group("log").Ledger().Last().Index
	c.stop(away)
	body := string(bytes.Repeat([]byte("x"), 3000))
	ctx := testContext(t)
	for c.leader("kv").Ledger().Base().ID.Index <= lastKV || c.leader("log").Ledger().Base().ID.Index <= lastLog {
		require.NoError(t, ctx.Err())
		c.propose("kv", body)
		c.propose("log", body)
	}
	n := c.start(away)
	c.caughtUp("kv")
	c.caughtUp("log")
	require.Greater(t, n.Group("kv").Ledger().Base().ID.Index, lastKV)
	require.Equal(t, c.leader("kv").Machine().(*tally).all(), n.Group("kv").Machine().(*tally).all())
	_, err := n.Group("log").Record(1)
	var compacted *ledger.CompactedError
	require.ErrorAs(t, err, &compacted)

	// What came as an image is there after a restart too.
	c.stop(away)
	n = c.start(away)
	c.propose("kv", "last")
	c.caughtUp("kv")
	require.Equal(t, c.leader("kv").Machine().(*tally).all(), n.Group("kv").Machine().(*tally).all())
}

// manualClock is a wall clock that a test sets; everything else keeps the system's time.
type manualClock struct {
	start time.Time
	ahead atomic.Int64
}

func (c *manualClock) Monotonic() raft.Monotonic { return raft.Monotonic(time.Since(c.start)) }
func (c *manualClock) Wall() int64               { return time.Now().UnixNano() + c.ahead.Load() }

func TestLogIsRemovedByAge(t *testing.T) {
	g := logGroup()
	g.KeepFor = time.Hour
	c := newTestCluster(t, 1, g)
	clock := &manualClock{start: time.Now()}
	o := c.options("n1")
	o.Clock = clock
	n, err := node.Open(o)
	require.NoError(t, err)
	c.nodes["n1"] = n
	_, err = n.OpenGroup(g)
	require.NoError(t, err)
	body := string(bytes.Repeat([]byte("x"), 8000))
	for range 20 { // more than two segments
		c.propose("log", body)
	}
	group := c.leader("log")
	require.Zero(t, group.Ledger().Base().ID.Index, "nothing is an hour old yet")
	clock.ahead.Store(int64(2 * time.Hour))
	for ctx := testContext(t); group.Ledger().Base().ID.Index == 0; {
		require.NoError(t, ctx.Err())
		c.propose("log", "young")
	}
	_, err = group.Record(1)
	var compacted *ledger.CompactedError
	require.ErrorAs(t, err, &compacted)
	require.Equal(t, group.Ledger().Base().ID.Index+1, compacted.FirstIndex)
}
