package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
)

// follower is a node that doesn't lead the store.
func follower(ctx context.Context, t *testing.T, c *process.Cluster) *process.Node {
	leader, err := c.Leader(ctx, storeGroup)
	require.NoError(t, err)
	for _, n := range c.Nodes {
		if n != leader {
			return n
		}
	}
	panic("no follower")
}

// fill puts something into the store.
func fill(ctx context.Context, t *testing.T, c *process.Cluster) {
	for i := range 50 {
		_, err := c.Client.Put(ctx, fmt.Appendf(nil, "key %d", i), make([]byte, 4000))
		require.NoError(t, err)
	}
}

// TestDamagedNodeIsReplaced goes through what docs/operations.md says of a replica with a fault: it does not start, verify names the fault, and one command
// puts a new node in its place.
func TestDamagedNodeIsReplaced(t *testing.T) {
	c, ctx := start(t, "btree", process.Limits{})
	fill(ctx, t, c)
	require.NoError(t, c.Converged(ctx))
	victim := follower(ctx, t, c)
	require.NoError(t, victim.Stop())
	inspections, err := victim.Inspect()
	require.NoError(t, err)
	segment := inspections[0].Segments[0].Path
	content, err := os.ReadFile(segment)
	require.NoError(t, err)
	content[100_000] ^= 1
	require.NoError(t, os.WriteFile(segment, content, 0o600))

	said, err := c.Run(ctx, "ledger", "verify", victim.Dir)
	require.Error(t, err)
	require.Contains(t, said, filepath.Base(segment))
	require.NoError(t, victim.Start())
	require.NoError(t, c.Await(ctx, "the damaged node to say so", func(nodes []client.NodeStatus) bool {
		for _, n := range nodes {
			for _, g := range n.Groups {
				if n.ID == victim.ID && g.Name == storeGroup && g.Problem != "" {
					return true
				}
			}
		}
		return false
	}))

	fresh, err := c.Joiner("n4")
	require.NoError(t, err)
	t.Cleanup(func() { fresh.Kill() })
	require.NoError(t, fresh.Start())
	said, err = c.Run(ctx, "member", "replace", victim.ID, "n4="+fresh.Peer, "--timeout", "60s")
	require.NoError(t, err, said)
	require.NoError(t, victim.Stop())
	said, err = c.Run(ctx, "member", "list")
	require.NoError(t, err, said)
	require.NotContains(t, said, victim.ID+" ")
	_, err = c.Client.Put(ctx, []byte("after"), nil)
	require.NoError(t, err)
	leader, err := c.Leader(ctx, storeGroup)
	require.NoError(t, err)
	for {
		want, err := c.Client.HashAt(ctx, leader.Client, client.Latest)
		require.NoError(t, err)
		got, err := c.Client.HashAt(ctx, fresh.Client, client.Latest)
		require.NoError(t, err)
		if got.Applied == want.Applied {
			require.Equal(t, want, got)
			return
		}
	}
}

// TestFailedFlush: a leader whose flushes fail acknowledges nothing more and stops; the others go on, and nothing that was acknowledged is missing when it is
// started again. Where system calls can't be made to fail there is nothing to see.
func TestFailedFlush(t *testing.T) {
	c, ctx := start(t, "btree", process.Limits{})
	fill(ctx, t, c)
	victim, err := c.Leader(ctx, storeGroup)
	require.NoError(t, err)
	end, err := victim.Inject("fdatasync,fsync:error=EIO")
	if errors.Is(err, process.ErrNoInjection) {
		t.Log(err)
		return
	}
	require.NoError(t, err)
	put := func(key string) {
		for {
			_, err := c.Client.Put(ctx, []byte(key), nil)
			if err == nil {
				return
			}
			require.ErrorIs(t, err, client.ErrUncertain)
		}
	}
	put("meanwhile")
	require.NoError(t, c.Await(ctx, "the replica to stop", func(nodes []client.NodeStatus) bool {
		for _, n := range nodes {
			for _, g := range n.Groups {
				if n.ID == victim.ID && g.Name == storeGroup && g.Role == "stopped" {
					return true
				}
			}
		}
		return false
	}))
	put("after")
	require.NoError(t, end())
	require.NoError(t, victim.Kill())
	require.NoError(t, victim.Start())
	require.NoError(t, c.Converged(ctx))
	require.NoError(t, c.SameState(ctx))
	for _, key := range []string{"meanwhile", "after"} {
		_, err := c.Client.Get(ctx, []byte(key))
		require.NoError(t, err)
	}
}

// TestEngineMovedAway: a store whose engine's directory is gone comes back from what else is there, on the same node.
func TestEngineMovedAway(t *testing.T) {
	c, ctx := start(t, "pebble", process.Limits{SegmentSize: 64 << 10, KeepBytes: 64 << 10, ImageEveryBytes: 128 << 10})
	fill(ctx, t, c)
	fill(ctx, t, c)
	require.NoError(t, c.Converged(ctx))
	for _, imagesToo := range []bool{false, true} {
		victim := follower(ctx, t, c)
		require.NoError(t, victim.Stop())
		inspections, err := victim.Inspect()
		require.NoError(t, err)
		require.NotZero(t, inspections[0].Base.ID.Index, "the log alone would not do")
		require.NoError(t, os.RemoveAll(filepath.Join(victim.Dir, "engines")))
		if imagesToo {
			require.NoError(t, os.RemoveAll(filepath.Join(victim.Dir, "groups", fmt.Sprintf("%016x", 1), "images")))
		}
		require.NoError(t, victim.Start())
		require.NoError(t, c.Converged(ctx))
		require.NoError(t, c.SameState(ctx))
		lost, err := victim.Logged("the state of the machine is lost")
		require.NoError(t, err)
		require.Equal(t, imagesToo, lost > 0)
	}
}
