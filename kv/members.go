package kv

import (
	"context"

	"github.com/ledgerkv/ledgerkv/node"
)

// The types of a group's membership; see package raft.
type (
	Configuration      = node.Configuration
	ConfigurationEntry = node.ConfigurationEntry
	Member             = node.Member
	MemberChange       = node.MemberChange
	EntryID            = node.EntryID
)

// The kinds of changes; see raft.ChangeKind.
const (
	AddLearner    = node.AddLearner
	AddVoter      = node.AddVoter
	RemoveMember  = node.RemoveMember
	PromoteMember = node.PromoteMember
	DemoteMember  = node.DemoteMember
	SetAddress    = node.SetAddress
	SetPriority   = node.SetPriority
)

// Members is who is in the store's group as far as this replica knows, with the entry that says so. Nobody may change it.
func (s *Store) Members() ConfigurationEntry { return s.group.Members() }

// ChangeMembers makes all the changes in one step and blocks until they are committed and in force, or ctx is done. What is so already is no
// change, so that a wish may be repeated. With seen, the entry of a configuration that Members gave, nothing is done unless that
// one is still in force: of two who change what they saw one is told to look again. A node that is added has to run, opened with
// Options.Join; it is asked who it is first.
//
// Only the leader does it. Errors: as a write's, and those of node.Group.ChangeMembers and node.Node.Invite.
func (s *Store) ChangeMembers(ctx context.Context, changes []MemberChange, seen *EntryID) (ConfigurationEntry, error) {
	if s.node != nil {
		if err := Invite(ctx, s.node, s.group, changes); err != nil {
			return ConfigurationEntry{}, err
		}
	}
	return s.group.ChangeMembers(ctx, changes, seen)
}

// Invite asks the nodes that changes of a group would add who they are, so that ChangeMembers on this node can add them. It blocks until all
// have answered, or ctx is done. Errors: those of node.Node.Invite; *NotLeaderError when this replica doesn't lead the group.
func Invite(ctx context.Context, n *node.Node, group *node.Group, changes []MemberChange) error {
	if role := group.Role(); role.Leader != n.ID() {
		return &NotLeaderError{Leader: role.Leader}
	}
	members := group.Members().Configuration
	for _, c := range changes {
		if c.Kind != AddLearner && c.Kind != AddVoter {
			continue
		}
		if _, member := members.Member(c.ID); member {
			continue
		}
		if _, err := n.Invite(ctx, c.ID, c.Address); err != nil {
			return err
		}
	}
	return nil
}
