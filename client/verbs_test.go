package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// seen decodes a request into args and answers it.
func seen(args, result any, groups *[]string) reply {
	return func(_ context.Context, call *rpc.Call) (any, error) {
		*groups = append(*groups, call.Group)
		return result, call.Decode(args)
	}
}

// exchange runs a call against a node and gives the group that was asked.
func exchange(t *testing.T, args, result any, f func(c *client.Client)) string {
	t.Helper()
	var groups []string
	n := newNode(t, "a", seen(args, result, &groups))
	c := newClient(t, nil, n)
	f(c)
	n.stop()
	require.Len(t, groups, 1)
	return groups[0]
}

func TestPutTravels(t *testing.T) {
	var args rpc.PutArgs
	group := exchange(t, &args, &rpc.PutResult{Revision: 9}, func(c *client.Client) {
		revision, err := c.Put(ctx, key, value)
		require.NoError(t, err)
		require.Equal(t, client.Revision(9), revision)
	})
	require.Equal(t, rpc.PutArgs{Key: key, Value: value}, args)
	require.Equal(t, "kv", group)
}

func TestGetTravels(t *testing.T) {
	var args rpc.GetArgs
	item := rpc.Item{Key: key, Value: value, Create: 1, Mod: 2, Version: 3, Lease: 4}
	exchange(t, &args, &rpc.GetResult{Found: true, Item: item, Revision: 5, Applied: 6}, func(c *client.Client) {
		got, err := c.GetWith(ctx, key, client.GetOptions{Level: client.Local, Revision: 5})
		require.NoError(t, err)
		require.Equal(t, client.GetResult{Revision: 5, Applied: 6,
			Item: client.Item{Key: key, Value: value, CreateRevision: 1, ModRevision: 2, Version: 3, Lease: 4}}, got)
	})
	require.Equal(t, rpc.GetArgs{Key: key, Revision: 5, Level: uint8(model.LevelLocal)}, args)
	exchange(t, &args, &rpc.GetResult{Revision: 9}, func(c *client.Client) {
		_, err := c.GetWith(ctx, key, client.GetOptions{Level: client.AtLeastRevision(9)})
		require.ErrorIs(t, err, client.ErrNotFound)
	})
	require.Equal(t, rpc.GetArgs{Key: key, Level: uint8(model.LevelAtLeastRevision), Bound: 9}, args)
	exchange(t, &args, &rpc.GetResult{Revision: 5, Applied: 6}, func(c *client.Client) {
		got, err := c.GetWith(ctx, key, client.GetOptions{})
		require.ErrorIs(t, err, client.ErrNotFound)
		require.Equal(t, client.GetResult{Revision: 5, Applied: 6}, got)
	})
}

func TestDeleteTravels(t *testing.T) {
	result := &rpc.DeleteResult{Revision: 5, Deleted: 2}
	want := client.DeleteResult{Revision: 5, Deleted: 2}
	for _, test := range []struct {
		call func(c *client.Client) (client.DeleteResult, error)
		args rpc.DeleteArgs
	}{
		{func(c *client.Client) (client.DeleteResult, error) { return c.Delete(ctx, key) }, rpc.DeleteArgs{Key: key}},
		{func(c *client.Client) (client.DeleteResult, error) { return c.DeleteRange(ctx, key, value) },
			rpc.DeleteArgs{Range: &rpc.RangeArgs{From: key, To: value}}},
		{func(c *client.Client) (client.DeleteResult, error) { return c.DeletePrefix(ctx, key) },
			rpc.DeleteArgs{Range: &rpc.RangeArgs{Prefix: key}}},
	} {
		var args rpc.DeleteArgs
		exchange(t, &args, result, func(c *client.Client) {
			got, err := test.call(c)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
		require.Equal(t, test.args, args)
	}
}

func TestRangeTravels(t *testing.T) {
	var args rpc.RangeArgs
	opts := client.RangeOptions{From: key, To: value, Limit: 1, MaxBytes: 2, Reverse: true, KeysOnly: true, CountOnly: true, Revision: 3,
		Level: client.Local}
	result := &rpc.RangeResult{Items: []rpc.Item{{Key: key, Mod: 1}, {Key: value, Mod: 2}}, Count: 2, More: true, Revision: 3, Applied: 4}
	exchange(t, &args, result, func(c *client.Client) {
		got, err := c.Range(ctx, opts)
		require.NoError(t, err)
		require.Equal(t, client.RangeResult{Items: []client.Item{{Key: key, ModRevision: 1}, {Key: value, ModRevision: 2}}, Count: 2,
			More: true, Revision: 3, Applied: 4}, got)
	})
	require.Equal(t, rpc.RangeArgs{From: key, To: value, Limit: 1, MaxBytes: 2, Reverse: true, KeysOnly: true, CountOnly: true,
		Revision: 3, Level: uint8(model.LevelLocal)}, args)
}

func TestTxnTravels(t *testing.T) {
	txn := client.If(client.ModRevision(key).Equals(7), client.Value(key).NotEquals(value)).
		Then(client.Put(key, value), client.DeletePrefix([]byte("p"))).
		Else(client.Get(key), client.Range(client.RangeOptions{Prefix: key, Limit: 3}), client.Delete(key))
	var args rpc.TxnArgs
	result := &rpc.TxnResult{Revision: 8, Succeeded: true, Results: []rpc.OpResult{
		{Kind: uint8(model.OpPut)},
		{Kind: uint8(model.OpGet), Found: true, Item: &rpc.Item{Key: key, Mod: 1}},
		{Kind: uint8(model.OpDelete), Deleted: 2},
		{Kind: uint8(model.OpRange), Range: &rpc.RangeResult{Items: []rpc.Item{{Key: key}}, Count: 1}},
	}}
	exchange(t, &args, result, func(c *client.Client) {
		got, err := c.Txn(ctx, txn)
		require.NoError(t, err)
		require.Equal(t, client.TxnResult{Revision: 8, Succeeded: true, Results: []client.OpResult{
			{Kind: model.OpPut},
			{Kind: model.OpGet, Found: true, Item: client.Item{Key: key, ModRevision: 1}},
			{Kind: model.OpDelete, Deleted: 2},
			{Kind: model.OpRange, Range: &client.RangeResult{Items: []client.Item{{Key: key}}, Count: 1}},
		}}, got)
	})
	require.Equal(t, rpc.TxnArgs{
		Compares: []rpc.Compare{{Target: uint8(model.TargetMod), Operator: uint8(model.Equal), Key: key, Number: 7},
			{Target: uint8(model.TargetValue), Operator: uint8(model.NotEqual), Key: key, Value: value}},
		Success: []rpc.Op{{Kind: uint8(model.OpPut), Key: key, Value: value},
			{Kind: uint8(model.OpDeleteRange), Range: &rpc.RangeArgs{Prefix: []byte("p")}}},
		Failure: []rpc.Op{{Kind: uint8(model.OpGet), Key: key},
			{Kind: uint8(model.OpRange), Range: &rpc.RangeArgs{Prefix: key, Limit: 3}}, {Kind: uint8(model.OpDelete), Key: key}},
	}, args)
}

func TestSwapTravels(t *testing.T) {
	var args rpc.SwapArgs
	exchange(t, &args, &rpc.SwapResult{Swapped: true, Revision: 9}, func(c *client.Client) {
		got, err := c.CompareAndSwap(ctx, key, 4, value)
		require.NoError(t, err)
		require.Equal(t, client.SwapResult{Swapped: true, Revision: 9}, got)
	})
	require.Equal(t, rpc.SwapArgs{Key: key, Expected: 4, Value: value}, args)
	exchange(t, &args, &rpc.SwapResult{Revision: 9, Found: true, Current: &rpc.Item{Key: key, Mod: 5}}, func(c *client.Client) {
		got, err := c.CompareAndSwap(ctx, key, 4, value)
		require.NoError(t, err, "that a comparison failed is no error")
		require.Equal(t, client.SwapResult{Revision: 9, Found: true, Current: client.Item{Key: key, ModRevision: 5}}, got)
	})
}

func TestCompactAndHashTravel(t *testing.T) {
	var compact rpc.CompactArgs
	exchange(t, &compact, &rpc.Empty{}, func(c *client.Client) { require.NoError(t, c.Compact(ctx, 6)) })
	require.Equal(t, rpc.CompactArgs{Revision: 6}, compact)

	n := newNode(t, "a", give(&rpc.HashResult{Hash: []byte{1}, Revision: 2, Applied: 3}), leads("b", ""))
	c := newClient(t, nil, n)
	got, err := c.HashAt(ctx, n.address, 2)
	require.NoError(t, err)
	require.Equal(t, client.StateHash{Hash: []byte{1}, Revision: 2, Applied: 3}, got)
	_, err = c.HashAt(ctx, n.address, 2)
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.Equal(t, 2, n.count(), "this node was meant, and no other")
}

func TestWhatCannotBeDoneIsNotSent(t *testing.T) {
	n := newNode(t, "a", done)
	c := newClient(t, nil, n)
	var invalid *client.InvalidError
	for i, call := range []func() error{
		func() error { _, err := c.Put(ctx, nil, value); return err },
		func() error { _, err := c.Get(ctx, nil); return err },
		func() error {
			_, err := c.GetWith(ctx, key, client.GetOptions{Level: client.ReadLevel{Kind: 9}})
			return err
		},
		func() error { _, err := c.Delete(ctx, nil); return err },
		func() error { _, err := c.Range(ctx, client.RangeOptions{Limit: -1}); return err },
		func() error { _, err := c.Txn(ctx, client.Do(client.Put(nil, nil))); return err },
		func() error { _, err := c.CompareAndSwap(ctx, nil, 0, nil); return err },
		func() error { return c.Compact(ctx, 0) },
		func() error { _, err := c.Log("log").Get(ctx, 0); return err },
		func() error { _, err := c.Put(ctx, key, make([]byte, 17<<20)); return err },
	} {
		require.ErrorAs(t, call(), &invalid, "call %d", i)
	}
	require.Zero(t, n.count())
}

func TestTheLogTravels(t *testing.T) {
	var appended rpc.AppendArgs
	group := exchange(t, &appended, &rpc.AppendResult{Index: 1, Term: 2, Position: 3, Length: 4}, func(c *client.Client) {
		got, err := c.Log("log").Append(ctx, value)
		require.NoError(t, err)
		require.Equal(t, client.Appended{Index: 1, Term: 2, Position: 3, Length: 4}, got)
	})
	require.Equal(t, rpc.AppendArgs{Body: value}, appended)
	require.Equal(t, "log", group)

	var asked rpc.LogGetArgs
	exchange(t, &asked, &rpc.Record{Index: 1, Term: 2, Kind: 2, Position: 3, Time: 4, Body: value}, func(c *client.Client) {
		got, err := c.Log("log").Get(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, client.Record{Index: 1, Term: 2, Kind: client.KindData, Position: 3, Time: time.Unix(0, 4), Body: value}, got)
	})
	require.Equal(t, rpc.LogGetArgs{Index: 1}, asked)

	n := newNode(t, "a", fail(rpc.Error{Code: rpc.CodeCompacted, First: 8, Position: 512}))
	_, err := newClient(t, nil, n).Log("log").Get(ctx, 1)
	var compacted *client.CompactedError
	require.ErrorAs(t, err, &compacted)
	require.Equal(t, client.CompactedError{FirstIndex: 8, FirstPosition: 512}, *compacted)
	require.ErrorContains(t, err, "index 8")
}

func TestStatusAsksEveryNode(t *testing.T) {
	b := newNode(t, "b", give(&rpc.NodeStatus{ID: "b", PID: 2}))
	dead := deadPort(t)
	a := newNode(t, "a", give(&rpc.NodeStatus{ID: "a", PID: 1, Version: "v", Client: "c", Peer: "p", Admin: "m", Dir: "d",
		Groups: []rpc.GroupStatus{{ID: 1, Name: "kv", Role: "leader", Term: 2, Leader: "a", Commit: 3, Applied: 4, Synced: 5, First: 6,
			Last: 7, Position: 8, Checksum: 9, Ready: true, DiskFull: true, Problem: "x", Machine: "btree", Revision: 10, Compacted: 11,
			Members: []rpc.Member{{ID: "b", Peer: "pb", Client: b.address, Voter: true, Priority: 3}, {ID: "c", Client: dead}, {ID: "d"}}}}}))
	nodes, err := newClient(t, nil, a).Status(ctx)
	require.NoError(t, err)
	require.Len(t, nodes, 3)
	require.False(t, nodes[0].Reachable)
	require.Equal(t, dead, nodes[0].Endpoint)
	require.Error(t, nodes[0].Err)
	require.Equal(t, client.NodeStatus{Endpoint: a.address, Reachable: true, ID: "a", PID: 1, Version: "v", Client: "c", Peer: "p",
		Admin: "m", Dir: "d", Groups: []client.GroupStatus{{ID: 1, Name: "kv", Role: "leader", Term: 2, Leader: "a", Commit: 3, Applied: 4,
			Synced: 5, First: 6, Last: 7, Position: 8, Checksum: 9, Ready: true, DiskFull: true, Problem: "x", Machine: "btree",
			Revision: 10, Compacted: 11, Members: []client.Member{{ID: "b", Peer: "pb", Client: b.address, Voter: true, Priority: 3},
				{ID: "c", Client: dead}, {ID: "d"}}}}}, nodes[1])
	require.Equal(t, "b", nodes[2].ID)
	require.Equal(t, b.address, nodes[2].Endpoint)
}

func TestStatusOfNobodyFails(t *testing.T) {
	c := newClient(t, func(o *client.Options) { o.Endpoints = []string{deadPort(t), deadPort(t)} })
	nodes, err := c.Status(ctx)
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.Len(t, nodes, 2)
}

func TestANodeWithTwoEndpointsIsListedOnce(t *testing.T) {
	n := newNode(t, "a", give(&rpc.NodeStatus{ID: "a"}))
	c := newClient(t, func(o *client.Options) {
		_, port, ok := cutPort(n.address)
		require.True(t, ok)
		o.Endpoints = []string{n.address, "localhost:" + port}
	})
	nodes, err := c.Status(ctx)
	require.NoError(t, err)
	require.Len(t, nodes, 1)
}

func TestMembersAreLearned(t *testing.T) {
	b := newNode(t, "b", done)
	a := newNode(t, "a", give(&rpc.MembersResult{Cluster: "c", Leader: "b", Term: 3, Members: []rpc.Member{{ID: "b", Client: b.address}}}),
		leads("b", ""), code(rpc.CodeUnavailable))
	c := newClient(t, nil, a)
	m, err := c.Members(ctx, "kv")
	require.NoError(t, err)
	require.Equal(t, client.Members{Cluster: "c", Leader: "b", Term: 3, Members: []client.Member{{ID: "b", Client: b.address}}}, m)
	_, err = c.Put(ctx, key, value)
	require.NoError(t, err)
	require.Equal(t, 1, b.count())
	n := newNode(t, "a", code(rpc.CodeFailed))
	_, err = newClient(t, nil, n).Members(ctx, "kv")
	require.ErrorIs(t, err, client.ErrFailed)
}

func TestTransferTravels(t *testing.T) {
	var args rpc.TransferArgs
	group := exchange(t, &args, &rpc.Empty{}, func(c *client.Client) { require.NoError(t, c.Transfer(ctx, "kv", "b")) })
	require.Equal(t, rpc.TransferArgs{To: "b"}, args)
	require.Equal(t, "kv", group)
}
