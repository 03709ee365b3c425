package node

import (
	"context"
	"errors"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Members is the configuration in force at this replica, committed or not, with the entry that carries it. Nobody may change its members.
func (g *Group) Members() raft.ConfigurationEntry { return *g.r.configuration.Load() }

// ChangeMembers makes all the changes in one step, and blocks until a configuration that has them and isn't joint is committed, which it
// returns, or ctx is done. A wish that is fulfilled already is no change: the configuration in force is returned. That a learner is to be promoted
// is done when it is a learner; its vote comes when it has caught up.
//
// seen, unless nil, is the entry of a configuration that Members or Status gave: nothing is done unless that one is still in force.
//
// A node that is added must have been met: by Invite on this node, or because its Directory is named in the change. An id belongs to one
// directory for ever; a node that lost its own comes back under another id (docs/adr/0005).
//
// Errors: *NotLeaderError, raft.ErrConfigurationPending, ErrBusy, ErrNotAdmitted, ErrClosed, *FailedError: nothing was done, try again, here or there.
// *raft.ChangeError, *raft.ConfigurationChangedError, raft.ErrNoVoterLeft: nothing was done, and the wish has to be another. ErrUncertain: unknown;
// the same wish may be repeated, here or at another leader.
func (g *Group) ChangeMembers(ctx context.Context, changes []MemberChange, seen *raft.EntryID) (raft.ConfigurationEntry, error) {
	p, err := g.SubmitChange(changes, seen)
	if err != nil {
		return raft.ConfigurationEntry{}, err
	}
	return p.Wait(ctx)
}

// PendingChange is a membership change that is under way. One goroutine waits for it.
type PendingChange struct {
	done chan changeOutcome
	stop <-chan struct{}
}

// SubmitChange is ChangeMembers without the wait. changes must not be changed any more.
func (g *Group) SubmitChange(changes []MemberChange, seen *raft.EntryID) (*PendingChange, error) {
	if err := g.usable(); err != nil {
		return nil, err
	}
	p := &PendingChange{done: make(chan changeOutcome, 1), stop: g.r.node.stop}
	g.r.tell(func(r *replica) {
		if err := r.changeMembers(changes, seen, p.done); err != nil {
			p.done <- changeOutcome{err: err}
		}
	})
	return p, nil
}

// Wait blocks until the outcome is known or ctx is done; then the error is ErrUncertain.
func (p *PendingChange) Wait(ctx context.Context) (raft.ConfigurationEntry, error) {
	select {
	case out := <-p.done:
		return out.entry, out.err
	case <-ctx.Done():
		return raft.ConfigurationEntry{}, uncertain(ctx.Err())
	case <-p.stop:
		return raft.ConfigurationEntry{}, uncertain(ErrClosed)
	}
}

// Poll gives the outcome, once, if it is known. It never blocks.
func (p *PendingChange) Poll() (entry raft.ConfigurationEntry, known bool, err error) {
	select {
	case out := <-p.done:
		return out.entry, true, out.err
	default:
		return raft.ConfigurationEntry{}, false, nil
	}
}

// changeOutcome is what became of a membership change.
type changeOutcome struct {
	entry raft.ConfigurationEntry
	err   error
}

// changeWait is a membership change that was appended at an entry and waits for its fate.
type changeWait struct {
	at   raft.EntryID
	done chan<- changeOutcome
}

// changeMembers appends what was asked for, and notes who waits. Owner.
func (r *replica) changeMembers(changes []MemberChange, seen *raft.EntryID, done chan<- changeOutcome) error {
	if failure := r.failure.Load(); failure != nil {
		return failure
	}
	if !r.leading {
		r.stray()
		return &raft.NotLeaderError{Leader: r.roles.load().Leader}
	}
	named, err := r.withDirectories(changes)
	if err != nil {
		return err
	}
	at, err := r.core.ChangeMembers(named, seen)
	var refused *raft.ChangeError
	if errors.As(err, &refused) { // of what the caller asked for
		refused.Position = max(0, refused.Position-(len(named)-len(changes)))
	}
	if errors.Is(err, raft.ErrUnchanged) {
		done <- changeOutcome{entry: r.core.Configuration()}
		return nil
	}
	if err != nil {
		return err
	}
	r.changes = append(r.changes, changeWait{at, done})
	r.takeOutput(nil, nil) // from here on the configuration counts for whatever else this turn brings
	return nil
}

// endChanges tells those who wait for a membership change what is certain by now. Owner.
func (r *replica) endChanges(out *raft.Output) {
	kept := r.changes[:0]
	for _, w := range r.changes {
		if o, known := r.fate(w.at, out); known {
			w.done <- o
		} else {
			kept = append(kept, w)
		}
	}
	clear(r.changes[len(kept):])
	r.changes = kept
}

// fate says what became of a configuration that was appended at an entry. It is lost for certain once another entry is committed in its place.
func (r *replica) fate(at raft.EntryID, out *raft.Output) (changeOutcome, bool) {
	if out.Commit < at.Index {
		return changeOutcome{}, false
	}
	now, err := r.ledger.BaseAt(at.Index)
	inForce := out.Configuration
	switch {
	case err != nil: // an image took the place of the log
		return changeOutcome{err: uncertain(errReplaced)}, true
	case now.ID != at:
		return changeOutcome{err: &raft.NotLeaderError{Leader: out.Leader}}, true
	case inForce.Configuration.Joint || inForce.ID.Index > out.Commit:
		return changeOutcome{}, false
	}
	return changeOutcome{entry: inForce}, true
}

// abandonChanges ends the wait for every membership change: the replica has stopped, or was removed. Owner.
func (r *replica) abandonChanges(why error) {
	for _, w := range r.changes {
		w.done <- changeOutcome{err: uncertain(why)}
	}
	r.changes = nil
}
