package client_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// readAnywhere answers reads as a replica does that serves those of any replica only.
func readAnywhere(_ context.Context, call *rpc.Call) (any, error) {
	wanted, level := false, uint8(0)
	switch call.Verb {
	case rpc.VerbGet:
		var args rpc.GetArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		wanted, level = args.AnyReplica, args.Level
	case rpc.VerbRange:
		var args rpc.RangeArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		wanted, level = args.AnyReplica, args.Level
	case rpc.VerbTxn:
		var args rpc.TxnArgs
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		wanted, level = args.AnyReplica, args.Level
	}
	if level != 0 || wanted {
		return &rpc.Empty{}, nil
	}
	return nil, &rpc.Error{Code: rpc.CodeNotLeader}
}

func readAll(t *testing.T, c *client.Client, level client.ReadLevel) {
	t.Helper()
	_, err := c.GetWith(ctx, key, client.GetOptions{Level: level})
	require.ErrorIs(t, err, client.ErrNotFound)
	_, err = c.Range(ctx, client.RangeOptions{Level: level})
	require.NoError(t, err)
	_, err = c.Txn(ctx, client.Do(client.Get(key)).At(level))
	require.NoError(t, err)
}

func TestReadsGoToTheNearestReplica(t *testing.T) {
	near, leader := newNode(t, "near", readAnywhere), newNode(t, "leader", done)
	c := newClient(t, func(o *client.Options) { o.ReadFrom = client.Any }, near, leader)
	near.do(leads("leader", leader.address), readAnywhere)
	_, err := c.Put(ctx, key, value)
	require.NoError(t, err)
	require.Equal(t, 1, leader.count())
	readAll(t, c, client.Linearizable)
	require.Equal(t, 1, leader.count(), "the near one serves linearizable reads, though the leader is known")
	require.Equal(t, 4, near.count())
	_, err = c.Put(ctx, key, value)
	require.NoError(t, err)
	require.Equal(t, 2, leader.count(), "writes go on to the leader")

	near.do(code(rpc.CodeUnavailable))
	leader.do(readAnywhere)
	readAll(t, c, client.Linearizable)
	require.Equal(t, 5, near.count(), "a replica that failed is left alone for a while")
	require.Equal(t, 5, leader.count())
}

// TestReadsWithoutALeaderToAsk: levels that any replica can serve don't take who serves them for the leader.
func TestReadsWithoutALeaderToAsk(t *testing.T) {
	replica, leader := newNode(t, "replica", readAnywhere), newNode(t, "leader", done)
	c := newClient(t, nil, replica, leader)
	for _, level := range []client.ReadLevel{client.Local, client.AtLeastIndex(3), client.AtLeastRevision(3), client.MaxStaleness(3)} {
		readAll(t, c, level)
	}
	require.Equal(t, 12, replica.count())
	require.Zero(t, leader.count())
	replica.do(code(rpc.CodeTimeout), readAnywhere)
	leader.do(readAnywhere)
	readAll(t, c, client.AtLeastRevision(3))
	require.Equal(t, 3, leader.count(), "one that is behind is left for another")
}

// TestATransactionThatReadsIsRepeated: unlike one that writes.
func TestATransactionThatReadsIsRepeated(t *testing.T) {
	n := newNode(t, "a")
	n.do(n.cutting, give(&rpc.TxnResult{Revision: 4, Applied: 7}))
	got, err := newClient(t, nil, n).Txn(ctx, client.Do(client.Get(key)))
	require.NoError(t, err)
	require.Equal(t, client.TxnResult{Revision: 4, Applied: 7}, got)
}
