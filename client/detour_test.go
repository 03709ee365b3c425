package client_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// damaged is a node on which what is read is damaged. Its status names the client ports of others.
func damaged(others ...string) reply {
	return func(_ context.Context, call *rpc.Call) (any, error) {
		if call.Verb == rpc.VerbStatus {
			var members []rpc.Member
			for _, address := range others {
				members = append(members, rpc.Member{Client: address})
			}
			return &rpc.NodeStatus{Groups: []rpc.GroupStatus{{Members: members}}}, nil
		}
		return nil, &rpc.Error{Code: rpc.CodeCorrupt, Message: "scripted damage"}
	}
}

func TestAReadGoesAroundDamage(t *testing.T) {
	b := newNode(t, "b", give(&rpc.Record{Index: 7}))
	a := newNode(t, "a", damaged(b.address))
	c := newClient(t, nil, a) // It learns of b when it needs it.
	for range 2 {
		r, err := c.Log("log").Get(ctx, 7)
		require.NoError(t, err)
		require.Equal(t, client.Index(7), r.Index)
	}
}

func TestDamageEverywhereIsReportedOnce(t *testing.T) {
	b := newNode(t, "b", damaged())
	a := newNode(t, "a", damaged(b.address))
	third := newNode(t, "c", leads("a", a.address)) // does not have the entry, and knows who leads
	_, err := newClient(t, nil, a, b, third).Log("log").Get(ctx, 7)
	require.ErrorIs(t, err, client.ErrCorrupt)
	require.Equal(t, 1, strings.Count(err.Error(), "scripted damage"), "%v", err)
	require.Equal(t, 1, strings.Count(err.Error(), "damaged on the disk"), "%v", err)
}

func TestDamageIsReportedWithWhatElseWentWrong(t *testing.T) {
	a := newNode(t, "a", damaged())
	busy := newNode(t, "b", code(rpc.CodeBusy))
	c := newClient(t, func(o *client.Options) { o.RetryTimeout = 100 * time.Millisecond }, a, busy)
	_, err := c.Log("log").Get(ctx, 7)
	require.ErrorIs(t, err, client.ErrCorrupt)
	require.ErrorIs(t, err, client.ErrUnavailable)
	require.Equal(t, 1, strings.Count(err.Error(), "scripted damage"), "%v", err)
}

func TestAFollowerGoesAroundDamage(t *testing.T) {
	a, b := newNode(t, "a"), newNode(t, "b")
	// Each has damage where the other has none, and is asked for its status then.
	a.do(logUpTo(4, damaged(b.address)), damaged(), logUpTo(12, damaged()), damaged(), logUpTo(15, hang))
	b.do(logUpTo(8, damaged()), damaged(a.address), logUpTo(14, hang))
	f := newClient(t, nil, a, b).Log("log").Follow(client.FollowOptions{AllKinds: true})
	defer f.Close()
	for i := client.Index(1); i <= 14; i++ {
		r, err := f.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, i, r.Index)
	}
}

func TestAFollowerEndsWhereAllIsDamaged(t *testing.T) {
	b := newNode(t, "b", damaged())
	a := newNode(t, "a", logUpTo(3, damaged()), damaged(b.address))
	f := newClient(t, nil, a).Log("log").Follow(client.FollowOptions{AllKinds: true})
	defer f.Close()
	for range 3 {
		_, err := f.Next(ctx)
		require.NoError(t, err)
	}
	for range 2 {
		_, err := f.Next(ctx)
		require.ErrorIs(t, err, client.ErrCorrupt)
	}
}
