package node_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// TestPeersDoNotChangeMembers: a node that was alone, with what it has committed by itself, does not become one of three by its options: its group would go on by
// itself, and the two others elect a leader of theirs.
func TestPeersDoNotChangeMembers(t *testing.T) {
	t.Parallel()
	c := newTestCluster(t, 3, storeGroup())
	all := c.peers
	c.peers = all[:1]
	c.start("n1")
	c.propose("kv", "alone")
	c.stop("n1")

	c.peers = all
	n, err := node.Open(c.options("n1"))
	require.NoError(t, err)
	_, err = n.OpenGroup(storeGroup())
	var mismatch *node.MembersMismatchError
	require.ErrorAs(t, err, &mismatch)
	require.Equal(t, []raft.NodeID{"n1"}, mismatch.Made)
	require.NoError(t, n.Close())

	c.peers = all[:1]
	c.start("n1")
	c.propose("kv", "nothing was changed")
}
