package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
)

var (
	kills   = flag.Int("chaos.kills", 2, "how many times TestKillLeader kills the leader")
	maxGap  = flag.Duration("chaos.gap", 10*time.Second, "longest time without an acknowledgement that TestKillLeader accepts; 2s is what is promised on a machine with nothing else to do")
	writers = flag.Int("chaos.writers", 8, "how many writers each group has")
	program string
)

func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "ledgerkv-chaos-")
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if program, err = process.Build(ctx, dir); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func start(t *testing.T, engine string, limits process.Limits) (*process.Cluster, context.Context) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute+time.Duration(*kills)*30*time.Second)
	t.Cleanup(cancel)
	c, err := process.New(process.Settings{Program: program, Dir: t.TempDir(), Engines: []string{engine}, Limits: limits})
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Close() // what still runs is killed
		for _, p := range c.Nodes {
			if t.Failed() {
				t.Logf("%s wrote:\n%s", p.ID, p.Tail(8192))
			}
		}
	})
	require.NoError(t, c.StartAll())
	require.NoError(t, awaitLeaders(ctx, c))
	return c, ctx
}

// TestKillLeader kills the leader, of the store and of the log in turn, again and again under load, and in the end all nodes at once. Nothing
// that was acknowledged may be missing anywhere.
func TestKillLeader(t *testing.T) {
	for _, engine := range []string{"btree", "pebble"} {
		t.Run(engine, func(t *testing.T) {
			c, ctx := start(t, engine, process.Limits{})
			w := StartWriter(c.Client, *writers, 0)
			require.NoError(t, w.Await(ctx, 50))
			for i := range *kills {
				leader, err := c.Leader(ctx, []string{storeGroup, logGroup}[i%2])
				require.NoError(t, err)
				require.NoError(t, leader.Kill())
				require.NoError(t, w.Await(ctx, 50))
				require.NoError(t, leader.Start())
				require.NoError(t, w.Await(ctx, 50))
			}
			acked, longest, errs := w.Summary()
			t.Logf("%d kills of a leader: %v acknowledged, longest time without an acknowledgement %v, errors %v", *kills, acked, longest, errs)
			for _, group := range []string{storeGroup, logGroup} {
				require.Less(t, longest[group], *maxGap, "the longest time without an acknowledgement from %s", group)
			}

			w.Pause()
			for _, p := range c.Nodes {
				require.NoError(t, p.Signal(syscall.SIGKILL))
			}
			for _, p := range c.Nodes {
				p.Kill() // it is dead; this reaps it
			}
			require.NoError(t, c.StartAll())
			require.NoError(t, w.Await(ctx, 50))
			w.Stop()
			require.NoError(t, c.Converged(ctx))
			require.NoError(t, w.Check(ctx, c, 1))
			require.NoError(t, c.StopAll())
			_, err := c.SameLedgers()
			require.NoError(t, err)
		})
	}
}

// TestStopLeader stops the leader for 5 s with SIGSTOP and lets it go on. The cluster moves on meanwhile, and a reader that asks the
// stopped node first never sees less than what was acknowledged before it asked.
func TestStopLeader(t *testing.T) {
	c, ctx := start(t, "btree", process.Limits{})
	leader, err := c.Leader(ctx, storeGroup)
	require.NoError(t, err)
	key := []byte("counter")
	_, err = c.Client.Put(ctx, key, []byte("0"))
	require.NoError(t, err)

	stale, err := client.Open(client.Options{Endpoints: []string{leader.Client}})
	require.NoError(t, err)
	defer stale.Close()
	_, err = stale.Get(ctx, key)
	require.NoError(t, err)

	require.NoError(t, leader.Signal(syscall.SIGSTOP))
	stopped := time.Now()
	// A write that reaches the stopped leader's socket: its fate is unknown, and the client must say so or have it done elsewhere.
	hung := make(chan error, 1)
	hungCtx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	go func() {
		_, err := stale.Put(hungCtx, []byte("hung"), []byte("x"))
		hung <- err
	}()
	acked := 0
	for time.Since(stopped) < 5*time.Second {
		attemptCtx, cancel := context.WithTimeout(ctx, time.Second)
		_, err := c.Client.Put(attemptCtx, key, []byte(strconv.Itoa(acked+1)))
		cancel()
		if err == nil {
			acked++
		}
	}
	require.Positive(t, acked, "nothing was acknowledged while the leader was stopped")
	if err := <-hung; err != nil {
		require.ErrorIs(t, err, client.ErrUncertain)
	}
	now, err := c.Leader(ctx, storeGroup)
	require.NoError(t, err)
	require.NotEqual(t, leader.ID, now.ID)

	require.NoError(t, leader.Signal(syscall.SIGCONT))
	for i := range 200 {
		item, err := stale.Get(ctx, key)
		require.NoError(t, err)
		got, err := strconv.Atoi(string(item.Value))
		require.NoError(t, err)
		require.GreaterOrEqual(t, got, acked, "read %d after the old leader went on is stale", i)
	}
	t.Logf("%d writes acknowledged while the leader was stopped", acked)
	require.NoError(t, c.Converged(ctx))
}

// TestWipedNode takes a node's directory away. It must not take part under its old name.
func TestWipedNode(t *testing.T) {
	c, ctx := start(t, "btree", process.Limits{})
	_, err := c.Client.Put(ctx, []byte("a"), []byte("1"))
	require.NoError(t, err)
	require.NoError(t, c.Converged(ctx))
	leader, err := c.Leader(ctx, storeGroup)
	require.NoError(t, err)
	victim := c.Nodes[0]
	if victim == leader {
		victim = c.Nodes[1]
	}
	require.NoError(t, victim.Kill())
	groups := filepath.Join(victim.Dir, "groups")
	require.NoError(t, os.RemoveAll(groups))
	require.NoError(t, os.RemoveAll(filepath.Join(victim.Dir, "engines")))
	require.NoError(t, os.Remove(filepath.Join(victim.Dir, "NODE")))
	require.NoError(t, victim.Start())
	require.NoError(t, c.Await(ctx, "the wiped node to answer", func(nodes []client.NodeStatus) bool {
		for _, n := range nodes {
			if n.ID == victim.ID && n.Reachable {
				return true
			}
		}
		return false
	}))
	_, err = c.Client.Put(ctx, []byte("a"), []byte("2")) // the two others go on
	require.NoError(t, err)
	// Without the leader only the wiped node and one other are left: no quorum, so nothing may be elected.
	require.NoError(t, leader.Kill())
	none, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, err = c.Leader(none, storeGroup)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
