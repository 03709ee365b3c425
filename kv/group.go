package kv

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// leaderRetry is how often a call that waits for a leader tries again when no change of role has woken it before.
const leaderRetry = 20 * time.Millisecond

// groupReplica is a group of package node as a replica.
type groupReplica struct{ group *node.Group }

var _ replica = groupReplica{}

func (r groupReplica) propose(ctx context.Context, body []byte) (statemachine.Result, error) {
	if err := ctx.Err(); err != nil {
		return statemachine.Result{}, err // once proposed it could not be taken back
	}
	for {
		proposed, err := r.group.Propose(ctx, body)
		if !leaderless(err) {
			return proposed.Result, err
		}
		if err := r.awaitLeader(ctx, err); err != nil {
			return statemachine.Result{}, err
		}
	}
}

func (r groupReplica) serving() error { return r.group.Serving() }

func (r groupReplica) reach(ctx context.Context, level ReadLevel) error {
	for {
		err := Reach(ctx, r.group, level)
		var elsewhere *node.NotLeaderError // where it names a leader, its round or the leader's term ended before the answer
		if !leaderless(err) && !errors.As(err, &elsewhere) {
			return err
		}
		if err := r.awaitLeader(ctx, err); err != nil {
			return err
		}
	}
}

// Reach blocks until a key-value group's machine on this node is as new as a read of a level demands, so that the read may be Local
// then. Unlike a Store's methods it does not wait for a leader to be elected: errors as those of node.Group.Read.
// REQUIRES: the level is valid, and the group was opened with a Factory.
func Reach(ctx context.Context, group *node.Group, level ReadLevel) error {
	if err := group.Serving(); err != nil {
		return err
	}
	for {
		d := DemandOf(group, level)
		if d.Round {
			_, err := group.Read(ctx)
			return err
		}
		if d.Index == 0 {
			return ctx.Err()
		}
		if err := group.WaitApplied(ctx, d.Index); err != nil || !d.Again {
			return err
		}
	}
}

// Demand is what a read waits for before it may read what the machine has. The zero value is nothing.
type Demand struct {
	// Round: a read round (node.Group.Read), and what that gives.
	Round bool
	// Index is what has to be applied (node.Group.WaitApplied), 0 for nothing. Again: then there may be another demand, so ask again.
	Index node.Index
	Again bool
}

// DemandOf says what a read of a level, which had arrived when it was called, waits for on this node. It does not block: for callers that
// wait in a way of their own, others call Reach. REQUIRES: as in Reach.
func DemandOf(group *node.Group, level ReadLevel) Demand {
	switch level.Kind {
	case model.LevelLocal:
		return Demand{}
	case model.LevelAtLeastIndex:
		return Demand{Index: node.Index(level.Bound)}
	case model.LevelAtLeastRevision:
		return demandRevision(group, Revision(level.Bound))
	case model.LevelMaxStaleness:
		if index, ok := group.FreshIndex(level.Staleness()); ok {
			return Demand{Index: index}
		}
	case model.LevelLease:
		if index, ok := group.LeaseRead(); ok {
			return Demand{Index: index}
		}
	}
	return Demand{Round: true}
}

// demandRevision is DemandOf for a revision. An entry makes one revision at most, so as many entries are needed as revisions are missing; it
// has to be looked at again when they are there.
func demandRevision(group *node.Group, revision Revision) Demand {
	applied := group.Applied() // before the revision, which may only be newer then
	at := group.Machine().(interface{ Revision() Revision }).Revision()
	if at >= revision {
		return Demand{}
	}
	missing := min(uint64(revision-at), math.MaxUint64-uint64(applied))
	return Demand{Index: applied + node.Index(missing), Again: true}
}

func (r groupReplica) machine() *Machine { return r.group.Machine().(*Machine) }

func (r groupReplica) maxBody() int { return r.group.MaxBody() }

// leaderless says that nothing was done because there is no leader yet, so that waiting may help.
func leaderless(err error) bool {
	var elsewhere *node.NotLeaderError
	if errors.As(err, &elsewhere) {
		return elsewhere.Leader == ""
	}
	return errors.Is(err, node.ErrNotAdmitted)
}

// awaitLeader blocks until it is worth trying again after cause, or fails with cause and ctx's error.
func (r groupReplica) awaitLeader(ctx context.Context, cause error) error {
	wait, cancel := context.WithTimeout(ctx, leaderRetry)
	defer cancel()
	// Its answer doesn't matter: the next try finds out who leads.
	_, _ = r.group.AwaitRole(wait, r.group.Role().Seq)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w (gave up waiting: %w)", cause, err)
	}
	return nil
}
