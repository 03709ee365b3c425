package kv_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
)

// freeAddress gives an address of this machine at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// TestAStoreGrows: a node that joins is invited, catches up, reads, and gets its vote.
func TestAStoreGrows(t *testing.T) {
	ctx := testContext(t)
	one, two := freeAddress(t), freeAddress(t)
	first, err := kv.Open(kv.Options{Dir: t.TempDir(), Peers: []kv.Peer{{ID: "n1", Address: one}}, Listen: one, Logger: quiet})
	require.NoError(t, err)
	defer func() { require.NoError(t, first.Close()) }()
	for i := range 10 {
		_, err = first.Put(ctx, fmt.Append(nil, i), b("v"))
		require.NoError(t, err)
	}
	add := []kv.MemberChange{{Kind: kv.AddLearner, ID: "n2", Address: two, Promote: true}}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = first.ChangeMembers(gone, add, nil)
	require.ErrorIs(t, err, context.Canceled, "n2 does not run")
	require.Len(t, first.Members().Configuration.Members, 1)

	second, err := kv.Open(kv.Options{Dir: t.TempDir(), Node: "n2", Join: true, Peers: []kv.Peer{{ID: "n2", Address: two}}, Listen: two, Logger: quiet})
	require.NoError(t, err)
	defer func() { require.NoError(t, second.Close()) }()
	seen := first.Members().ID
	grown, err := first.ChangeMembers(ctx, add, &seen)
	require.NoError(t, err)
	require.Len(t, grown.Configuration.Members, 2)
	_, err = first.ChangeMembers(ctx, []kv.MemberChange{{Kind: kv.SetPriority, ID: "n1", Priority: 3}}, &seen)
	require.ErrorContains(t, err, "look at it and decide again")
	got, err := second.Range(ctx, kv.RangeOptions{CountOnly: true})
	require.NoError(t, err)
	require.Equal(t, 10, got.Count)
	for !second.Members().Configuration.IsVoter("n2") { // its vote comes in an entry
		require.NoError(t, second.Group().WaitApplied(ctx, second.Group().Applied()+1))
	}
}
