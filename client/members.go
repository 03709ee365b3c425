package client

import (
	"context"
	"errors"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// ErrConfigurationChanged: a membership change was asked for on the condition that the configuration is still one that was seen, and it
// isn't. Look at the members, and decide again.
var ErrConfigurationChanged = errors.New("client: the members of the group have changed; nothing was done, look at them and decide again")

// ChangeKind says what a MemberChange does. Its numbers are those of the client port.
type ChangeKind uint8

// The kinds of changes.
const (
	// AddLearner adds a node without a vote; with Promote it gets one when it has caught up.
	AddLearner ChangeKind = 1
	// AddVoter adds a node with a vote at once, caught up or not: prefer AddLearner with Promote.
	AddVoter ChangeKind = 2
	// RemoveMember takes a node out of the group.
	RemoveMember ChangeKind = 3
	// PromoteMember gives a learner its vote now, DemoteMember makes a voter a learner.
	PromoteMember ChangeKind = 4
	DemoteMember  ChangeKind = 5
	// SetAddress changes where the other nodes reach a node.
	SetAddress ChangeKind = 6
	// SetPriority changes how much a node is preferred as leader.
	SetPriority ChangeKind = 7
)

// MemberChange is a wish for a group's members. What is so already is no change.
type MemberChange struct {
	Kind ChangeKind
	// ID is the node in question.
	ID string
	// Address is its peer port, host:port: for AddLearner, AddVoter and SetAddress.
	Address string
	// Priority, 0 to 255, is for AddLearner, AddVoter and SetPriority.
	Priority uint16
	// Promote is for AddLearner. Replaces, with Promote, is the member that leaves when the new one gets its vote, in the same step.
	Promote  bool
	Replaces string
}

// Members says who is in a group as far as the node that answers knows, or, with an empty name, which nodes the cluster has. The client then knows
// their endpoints.
func (c *Client) Members(ctx context.Context, group string) (Members, error) {
	return c.members(ctx, group, false)
}

// LeaderMembers says who is in a group as its leader knows, and how far each is.
func (c *Client) LeaderMembers(ctx context.Context, group string) (Members, error) {
	return c.members(ctx, group, true)
}

func (c *Client) members(ctx context.Context, group string, leader bool) (Members, error) {
	var result rpc.MembersResult
	r := newRequest(group, rpc.VerbMembers, &rpc.MembersArgs{Leader: leader}, &result)
	r.Anywhere = !leader
	if err := c.do(ctx, r); err != nil {
		return Members{}, err
	}
	m := Members{Cluster: result.Cluster, Leader: result.Leader, Term: result.Term, Members: membersFrom(result.Members),
		Configuration: ConfigurationID{Index(result.SeenIndex), result.SeenTerm}, Joint: result.Joint, Committed: result.Committed, Last: Index(result.Last)}
	for _, member := range m.Members {
		c.endpointAt(member.Client)
	}
	return m, nil
}

func membersFrom(members []rpc.Member) []Member {
	var out []Member
	for _, m := range members {
		out = append(out, Member{ID: m.ID, Peer: m.Peer, Client: m.Client, Voter: m.Voter, Priority: m.Priority, WasVoter: m.WasVoter, Leaves: m.Leaves,
			Promote: m.Promote, Replaces: m.Replaces, Directory: m.Directory, Known: m.Known, Match: Index(m.Match), Heard: time.Duration(m.Heard) * time.Millisecond})
	}
	return out
}

// ChangeMembers makes all the changes to a group's members in one step and returns when they are in force; a learner that is to be promoted
// is one then. A node that is added has to run, in a directory made to join. While another change is under way it waits.
//
// seen, unless it is nil, is a configuration that LeaderMembers gave: nothing is done unless it is still in force. So it does no harm to
// ask twice, and the client does where no answer comes. Errors: ErrConfigurationChanged; *InvalidError for what can't be done, such as to remove the last voter; ErrUncertain: look at
// the members. Where an earlier attempt was not answered ErrUncertain comes with ErrConfigurationChanged, and mostly means that it is done.
func (c *Client) ChangeMembers(ctx context.Context, group string, changes []MemberChange, seen *ConfigurationID) error {
	var args rpc.ChangeArgs
	if seen != nil {
		args.Seen, args.SeenIndex, args.SeenTerm = true, uint64(seen.Index), seen.Term
	}
	for _, x := range changes {
		args.Changes = append(args.Changes, rpc.MemberChange{Kind: uint8(x.Kind), ID: x.ID, Address: x.Address, Priority: x.Priority,
			Promote: x.Promote, Replaces: x.Replaces})
	}
	r := newRequest(group, rpc.VerbChange, &args, &rpc.Empty{})
	r.Repeatable = seen != nil
	return c.do(ctx, r)
}
