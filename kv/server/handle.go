package server

import (
	"context"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/node"
)

// handler is the Server as package rpc calls it.
type handler struct{ *Server }

// Handle serves one request: it finds the group, carries the verb out, and puts the outcome into the protocol's words.
func (h handler) Handle(ctx context.Context, call *rpc.Call) (any, error) {
	ctx, cancel := earlier(ctx)
	defer cancel()
	start := time.Now()
	result, err := h.carryOut(ctx, call)
	if err != nil {
		result, err = nil, h.translate(err)
	}
	h.opts.Metrics.served(call.Verb, codeOf(err), time.Since(start))
	return result, err
}

// answerMargin is the part of a request's time that is kept for its answer.
const answerMargin = 100 * time.Millisecond

// earlier ends a little before ctx does, so that an answer that says that nothing was done still reaches the client in time.
func earlier(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(answerMargin, time.Until(deadline)/10)))
}

func (h handler) carryOut(ctx context.Context, call *rpc.Call) (any, error) {
	switch {
	case call.Verb == rpc.VerbStatus:
		return h.status(ctx), nil
	case call.Verb == rpc.VerbMembers && call.Group == "":
		return h.nodes(), nil
	}
	g := h.groups[call.Group]
	if g == nil {
		return nil, h.noGroup(call.Group)
	}
	if g.Err != nil {
		return nil, &rpc.Error{Code: rpc.CodeUnavailable, Message: "group " + g.Name + " could not be opened on this node: " + g.Err.Error()}
	}
	switch call.Verb {
	case rpc.VerbAppend, rpc.VerbLogGet, rpc.VerbLogFollow:
		return h.logVerb(ctx, g, call)
	case rpc.VerbTransfer:
		return h.transfer(ctx, g, call)
	case rpc.VerbMembers:
		return h.members(ctx, g, call)
	case rpc.VerbChange:
		return h.change(ctx, g, call)
	case rpc.VerbFormat:
		return h.raiseFormat(ctx, g, call)
	}
	if g.Store == nil {
		return nil, rpc.BadRequest("group", "expected a key-value group for %v, found %q, which is a log", call.Verb, g.Name)
	}
	return h.storeVerb(ctx, g, call)
}

// awaitLeader blocks while no leader is known, for a moment. It fails with *node.NotLeaderError when another replica leads, or
// none.
func (h handler) awaitLeader(ctx context.Context, g *served) error {
	leader, err := h.leaderOf(ctx, g)
	if err == nil && leader != h.opts.Node.ID() {
		err = &node.NotLeaderError{Leader: leader}
	}
	return err
}

// leaderOf gives the leader, and blocks while none is known, for a moment. It fails with *node.NotLeaderError when there is none.
func (h handler) leaderOf(ctx context.Context, g *served) (node.NodeID, error) {
	wait, cancel := context.WithTimeout(ctx, h.opts.LeaderWait)
	defer cancel()
	for {
		role := g.Group.Group.Role()
		if role.Err != nil || role.Leader != "" {
			return role.Leader, role.Err
		}
		if in := g.Group.Group.Members().Configuration; h.opts.Node.Admitted() {
			if _, member := in.Member(h.opts.Node.ID()); !member { // removed, or not added yet: others know better
				return "", &node.NotLeaderError{}
			}
		}
		if _, err := g.Group.Group.AwaitRole(wait, role.Seq); err != nil {
			if !h.opts.Node.Admitted() {
				return "", kv.ErrNotAdmitted
			}
			return "", &node.NotLeaderError{}
		}
	}
}
