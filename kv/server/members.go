package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// membersOf gives a configuration's members with their ports; without a configuration, the nodes that this one was told of.
func (s *Server) membersOf(c raft.Configuration) []rpc.Member {
	var out []rpc.Member
	if len(c.Members) == 0 {
		for _, m := range s.opts.Members {
			out = append(out, rpc.Member{ID: string(m.ID), Peer: m.Peer, Client: m.Client, Voter: true})
		}
		return out
	}
	for _, m := range c.Members {
		known := s.member(m)
		member := rpc.Member{ID: string(m.ID), Peer: known.Peer, Client: known.Client, Voter: m.Voter, Priority: m.Priority,
			WasVoter: m.WasVoter, Leaves: m.Leaves, Promote: m.Promote, Replaces: string(m.Replaces)}
		if m.Directory != [16]byte{} {
			member.Directory = append(member.Directory, m.Directory[:]...)
		}
		out = append(out, member)
	}
	return out
}

// member gives a member's ports: those that this node was told of, otherwise what follows from its address in the configuration. That is newer
// than what was said of the peer port when the cluster began, once the configuration was changed and so names directories.
func (s *Server) member(m raft.Member) Member {
	out := s.opts.member(m.ID)
	if m.Address != "" && (out.Peer == "" || m.Directory != [16]byte{}) {
		out.Peer = m.Address
	}
	if out.Client == "" && out.Peer != "" && s.opts.ClientOf != nil {
		out.Client = s.opts.ClientOf(out.Peer)
	}
	return out
}

// clientOf gives the client port of a node, empty when it is not known.
func (s *Server) clientOf(id node.NodeID) string {
	for i := range s.opts.Groups {
		if g := s.opts.Groups[i].Group; g != nil {
			if m, ok := g.Members().Configuration.Member(id); ok {
				return s.member(m).Client
			}
		}
	}
	return s.opts.member(id).Client
}

// members says who is in a group, and, where the leader was asked for, how far each is.
func (h handler) members(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.MembersArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	if args.Leader {
		if err := h.awaitLeader(ctx, g); err != nil {
			return nil, err
		}
	}
	st, err := g.Group.Group.Status(ctx)
	if err != nil {
		return nil, err
	}
	in := st.Members
	out := &rpc.MembersResult{Cluster: h.opts.Cluster, Leader: string(st.Role.Leader), Term: uint64(st.Role.Term), Members: h.membersOf(in.Configuration),
		SeenIndex: uint64(in.ID.Index), SeenTerm: uint64(in.ID.Term), Joint: in.Configuration.Joint, Committed: st.Commit >= in.ID.Index, Last: uint64(st.Last)}
	if !args.Leader {
		return out, nil
	}
	for i := range out.Members {
		m := &out.Members[i]
		if m.ID == string(h.opts.Node.ID()) {
			m.Known, m.Match = true, uint64(st.Synced)
		}
		for _, p := range st.Peers {
			if string(p.ID) == m.ID {
				m.Known, m.Match, m.Heard = true, uint64(p.Match), uint64(max(0, st.Now.Sub(p.Heard)/time.Millisecond))
			}
		}
	}
	return out, nil
}

// nodes says which nodes the cluster has: the members of all groups.
func (s *Server) nodes() *rpc.MembersResult {
	var all raft.Configuration
	for i := range s.opts.Groups {
		if g := s.opts.Groups[i].Group; g != nil {
			all.Members = append(all.Members, g.Members().Configuration.Members...)
		}
	}
	slices.SortStableFunc(all.Members, func(a, b raft.Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	all.Members = slices.CompactFunc(all.Members, func(a, b raft.Member) bool { return a.ID == b.ID })
	return &rpc.MembersResult{Cluster: s.opts.Cluster, Members: s.membersOf(all)}
}

// inviteWait is how long a node that is to be added may take to say who it is: it runs, or it is to be started first.
const inviteWait = 3 * time.Second

// change changes who is in a group, and answers when that is in force.
func (h handler) change(ctx context.Context, g *served, call *rpc.Call) (any, error) {
	var args rpc.ChangeArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	if err := h.awaitLeader(ctx, g); err != nil {
		return nil, err
	}
	var changes []kv.MemberChange
	for _, c := range args.Changes {
		changes = append(changes, kv.MemberChange{Kind: raft.ChangeKind(c.Kind), ID: node.NodeID(c.ID), Address: c.Address, Priority: c.Priority,
			Promote: c.Promote, Replaces: node.NodeID(c.Replaces)})
	}
	inviting, cancel := context.WithTimeout(ctx, inviteWait)
	err := kv.Invite(inviting, h.opts.Node, g.Group.Group, changes)
	late := inviting.Err() != nil
	cancel()
	if err != nil && late {
		return nil, rpc.BadRequest(fieldMembers, "%v; is it started, with ledgerkv server --join?", err)
	}
	if err != nil {
		return nil, err
	}
	var seen *kv.EntryID
	if args.Seen {
		seen = &kv.EntryID{Index: node.Index(args.SeenIndex), Term: node.Term(args.SeenTerm)}
	}
	_, err = g.Group.Group.ChangeMembers(ctx, changes, seen)
	return &rpc.Empty{}, err
}
