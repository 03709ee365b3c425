package node_test

import (
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// startTCP starts a node on a port of its own, alone or to join.
func startTCP(t *testing.T, id node.NodeID, join bool) (*node.Node, string) {
	tcp, err := transport.NewTCP(transport.TCPOptions{Address: "127.0.0.1:0"})
	require.NoError(t, err)
	n, err := node.Open(node.Options{Dir: "data", ID: id, Join: join, Peers: []node.Peer{{ID: id, Address: tcp.Addr()}}, Transport: tcp, FS: disk.New(1),
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, err)
	t.Cleanup(func() { n.Close() })
	_, err = n.OpenGroup(storeGroup())
	require.NoError(t, err)
	return n, tcp.Addr()
}

// A cluster of one grows to three over sockets, and goes on without the node with which it began.
func TestAClusterGrowsAndMovesOn(t *testing.T) {
	ctx := testContext(t)
	n1, _ := startTCP(t, "n1", false)
	g := n1.Group("kv")
	for s := g.Role(); !s.Ready; {
		var err error
		s, err = g.AwaitRole(ctx, s.Seq)
		require.NoError(t, err)
	}
	_, err := g.Propose(ctx, []byte("x"))
	require.NoError(t, err)
	_, err = g.ChangeMembers(ctx, []node.MemberChange{{Kind: raft.AddLearner, ID: "n2"}}, nil)
	require.ErrorContains(t, err, "invite it")
	var others []*node.Group
	for _, id := range []node.NodeID{"n2", "n3"} {
		n, address := startTCP(t, id, true)
		directory, err := n1.Invite(ctx, id, address)
		require.NoError(t, err)
		require.Equal(t, n.Directory(), directory)
		_, err = g.ChangeMembers(ctx, []node.MemberChange{{Kind: raft.AddLearner, ID: id, Promote: true}}, nil)
		require.NoError(t, err)
		others = append(others, n.Group("kv"))
	}
	index, err := g.Propose(ctx, []byte("y"))
	require.NoError(t, err)
	for _, o := range others {
		require.NoError(t, o.WaitApplied(ctx, index.Index))
		at, err := o.Read(ctx)
		require.NoError(t, err)
		require.GreaterOrEqual(t, at, index.Index)
	}
	for len(g.Members().Configuration.Voters()) < 3 { // each is promoted once it has caught up
		require.NoError(t, ctx.Err())
		_, err := g.Propose(ctx, []byte("z"))
		require.NoError(t, err)
	}
	for err = raft.ErrConfigurationPending; errors.Is(err, raft.ErrConfigurationPending); { // the last promotion may not be committed yet
		_, err = g.ChangeMembers(ctx, []node.MemberChange{{Kind: raft.RemoveMember, ID: "n1"}}, nil)
	}
	require.NoError(t, err)
	require.NoError(t, n1.Close())
	for s := others[0].Role(); s.Leader == raft.None || s.Leader == "n1"; {
		s, err = others[0].AwaitRole(ctx, s.Seq)
		require.NoError(t, err)
	}
	at, err := others[0].Read(ctx)
	require.NoError(t, err)
	require.GreaterOrEqual(t, at, index.Index)
}
