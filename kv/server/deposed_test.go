package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// TestADeposedLeaderSendsItsReadsElsewhere: a leader that is cut off answers reads under way when it steps down, not when their
// time has passed (here they have no end).
func TestADeposedLeaderSendsItsReadsElsewhere(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	old, _ := c.leader("kv")
	for _, n := range c.nodes {
		if n != old {
			c.network.Cut(old.id, n.id)
			c.network.Cut(n.id, old.id)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answers := make(chan error, 2)
	go func() { answers <- old.conn.Call(ctx, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a")}, &rpc.GetResult{}) }()
	go func() { answers <- old.conn.Call(ctx, "kv", rpc.VerbRange, &rpc.RangeArgs{}, &rpc.RangeResult{}) }()
	for range 2 {
		select {
		case err := <-answers:
			var answer *rpc.Error
			require.ErrorAs(t, err, &answer)
			require.Equal(t, rpc.CodeNotLeader, answer.Code)
		case <-time.After(patience / 3):
			require.Fail(t, "the read is not answered")
		}
	}
	c.network.HealAll()
}
