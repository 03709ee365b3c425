package server

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// RoleStopped is the role in the status of a replica that has stopped, or could not be opened.
const RoleStopped = "stopped"

// statusWait bounds the wait for a group's owner: a status is wanted most when something is stuck.
const statusWait = time.Second

// status says how the node and its groups are.
func (s *Server) status(ctx context.Context) *rpc.NodeStatus {
	self := s.opts.member(s.opts.Node.ID())
	out := &rpc.NodeStatus{ID: string(self.ID), PID: int64(os.Getpid()), Version: s.opts.Version, Client: self.Client, Peer: self.Peer,
		Admin: self.Admin, Dir: s.opts.Dir, Format: s.opts.Node.Format()}
	for i := range s.opts.Groups {
		out.Groups = append(out.Groups, s.groupStatus(ctx, &s.opts.Groups[i]))
	}
	return out
}

// groupStatus says how a replica is, as far as it can be told: a replica that is stopped or stuck has a status too.
func (s *Server) groupStatus(ctx context.Context, g *Group) rpc.GroupStatus {
	out := rpc.GroupStatus{ID: uint64(g.ID), Name: g.Name, Machine: g.Engine}
	if g.Group == nil {
		out.Role, out.Problem = RoleStopped, g.Err.Error()
		out.Members = s.membersOf(raft.Configuration{})
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	st, err := g.Group.Status(ctx)
	out.Role, out.Term, out.Leader, out.Ready = st.Role.Role.String(), uint64(st.Role.Term), string(st.Role.Leader), st.Role.Ready
	out.Commit, out.Applied, out.Synced = uint64(st.Commit), uint64(st.Applied), uint64(st.Synced)
	out.First, out.Last, out.Position, out.Checksum = uint64(st.First), uint64(st.Last), uint64(st.Position), st.Checksum
	out.DiskFull, out.Format = st.DiskFull, st.Format
	if st.Role.Err != nil {
		out.Role, out.Problem = RoleStopped, st.Role.Err.Error()
	} else if err := errors.Join(st.StateLost, err); err != nil {
		out.Problem = err.Error()
	}
	if m, ok := g.Group.Machine().(*kv.Machine); ok {
		out.Revision, out.Compacted = uint64(m.Revision()), uint64(m.Compacted())
	}
	out.Members = s.membersOf(st.Members.Configuration)
	return out
}

// Unhealthy says why the node is not healthy, a line for each replica that has stopped, could not be opened, or has lost its state; nil when all is well.
func (s *Server) Unhealthy() []string {
	var problems []string
	for i := range s.opts.Groups {
		g := &s.opts.Groups[i]
		if g.Group == nil {
			problems = append(problems, "group "+g.Name+" could not be opened: "+g.Err.Error())
		} else if err := g.Group.Role().Err; err != nil {
			problems = append(problems, "group "+g.Name+" has stopped: "+err.Error())
		} else if err := g.Group.Serving(); err != nil {
			problems = append(problems, "group "+g.Name+" serves nothing: "+err.Error())
		}
	}
	return problems
}

// reachEntries is how far applying may be behind for the node to count as ready.
const reachEntries = 10_000

// Unready says why the node should get no requests at the moment; nil when it is ready.
func (s *Server) Unready() []string {
	problems := s.Unhealthy()
	if !s.opts.Node.Admitted() {
		problems = append(problems, "the node is new, and not every initial member has recognised it yet: start the others")
	}
	for i := range s.opts.Groups {
		g := s.opts.Groups[i]
		if g.Group == nil || g.Group.Role().Err != nil {
			continue
		}
		if g.Group.Role().Leader == node.NodeID("") {
			problems = append(problems, "group "+g.Name+" knows no leader")
		}
		if g.Group.Committed() > g.Group.Applied()+reachEntries {
			problems = append(problems, "group "+g.Name+" has not applied what is committed yet")
		}
	}
	return problems
}
