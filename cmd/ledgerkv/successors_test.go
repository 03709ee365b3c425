package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// A leader that goes leaves its groups to voters, the most advanced first; one that has only just become leader knows nothing of them yet.
func TestSuccessors(t *testing.T) {
	t.Parallel()
	members := raft.Configuration{Members: []raft.Member{{ID: "a", Voter: true}, {ID: "b", Voter: true}, {ID: "c"}, {ID: "d", Voter: true}, {ID: "e", Voter: true}}}
	status := node.Status{Members: raft.ConfigurationEntry{Configuration: members}, Peers: []raft.PeerStatus{
		{ID: "b", Heard: 5}, {ID: "c", Match: 90, Heard: 9}, {ID: "d", Heard: 7}, {ID: "e", Match: 80, Heard: 1}}}
	require.Equal(t, []node.NodeID{"e", "d", "b"}, successors(status))
	require.Empty(t, successors(node.Status{Members: status.Members}), "a follower has none")
}
