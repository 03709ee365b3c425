package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

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

func (r groupReplica) read(ctx context.Context) error {
	for {
		_, err := r.group.Read(ctx)
		if !leaderless(err) {
			return err
		}
		if err := r.awaitLeader(ctx, err); err != nil {
			return err
		}
	}
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
