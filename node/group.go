package node

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Group is a group's replica on this node, as its users see it. All methods may be called from any goroutine.
type Group struct{ r *replica }

// ID and Name are the group's.
func (g *Group) ID() GroupID  { return g.r.opts.ID }
func (g *Group) Name() string { return g.r.opts.Name }

// maxEntryBytes bounds an entry whatever the size of the segments: one has to fit a frame.
const maxEntryBytes = 16 << 20

// MaxBody is the largest body that an entry of this group takes, in bytes.
func (g *Group) MaxBody() int {
	return int(min(g.r.opts.SegmentSize/4, maxEntryBytes)) - raft.RecordHeaderSize
}

// Checksum is the CRC-32C of a body, as Submit wants it.
func Checksum(body []byte) uint32 { return crc32.Checksum(body, castagnoli) }

// Propose commits an entry with this body and blocks until it is applied (in a log-only group: committed) or ctx is done. body must not be
// changed until then, and, if the error is ErrUncertain, not at all.
//
// Errors: ErrBusy, *NotLeaderError, ErrTooLarge, ErrDiskFull, ErrNotAdmitted, ErrStateLost, ErrClosed, *FailedError: nothing was done.
// ErrUncertain: unknown.
func (g *Group) Propose(ctx context.Context, body []byte) (Proposed, error) {
	p, err := g.Submit(body, Checksum(body))
	if err != nil {
		return Proposed{}, err
	}
	out, err := p.Wait(ctx)
	if p.finished {
		p.recycle()
	}
	return out, err
}

// Submit is Propose without the wait. crc is the body's Checksum, so that it is computed on the caller's goroutine.
func (g *Group) Submit(body []byte, crc uint32) (*Pending, error) {
	r := g.r
	if len(body) > g.MaxBody() {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(body), g.MaxBody())
	}
	if err := g.usable(); err != nil {
		return nil, err
	}
	if s := r.roles.load(); s.Role != raft.Leader {
		r.stray()
		return nil, &raft.NotLeaderError{Leader: s.Leader}
	}
	if err := g.Serving(); err != nil {
		return nil, err
	}
	p := newPending(raft.KindData, body, crc)
	if err := r.proposals.push(p); err != nil {
		p.recycle()
		return nil, err
	}
	r.owner.work.add(r)
	return p, nil
}

// usable says why nothing can be asked of the replica.
func (g *Group) usable() error {
	if f := g.r.failure.Load(); f != nil {
		return f
	}
	select {
	case <-g.r.node.stop:
		return ErrClosed
	default:
	}
	if !g.r.node.running.Load() {
		return ErrNotAdmitted
	}
	return nil
}

// Serving says why this replica's machine has nothing to be read, wrapped in ErrStateLost, and nil while it has: for reads that go to the Machine
// without asking anybody. It does not block.
func (g *Group) Serving() error {
	if l := g.r.images.lost.Load(); l != nil {
		return fmt.Errorf("%w: %w", ErrStateLost, l.since)
	}
	return nil
}

// WaitApplied blocks until this replica has applied an index, or ctx is done. Errors: ErrStateLost, ErrNotAdmitted, ErrClosed, *FailedError, or ctx's.
func (g *Group) WaitApplied(ctx context.Context, index Index) error {
	if err := errors.Join(g.usable(), g.Serving()); err != nil {
		return err
	}
	p := newPending(0, nil, 0)
	if !g.r.readWaiting.add(index, []*Pending{p}, &g.r.applied) {
		p.recycle()
		return nil
	}
	_, err := p.Wait(ctx)
	if p.finished {
		p.recycle()
	} else {
		g.r.readWaiting.forget(index, p)
	}
	return err
}

// Applied is the index up to which this replica has applied; Committed the one up to which it knows entries to be committed.
func (g *Group) Applied() Index   { return Index(g.r.applied.load()) }
func (g *Group) Committed() Index { return Index(g.r.commit.load()) }

// Synced is the last entry that is durable on this replica. It may go back where an uncommitted entry is replaced.
func (g *Group) Synced() Index { return Index(g.r.synced.Load()) }

// Machine is the group's machine, nil in a log-only group. It is replaced when an image is installed, so it is asked for anew for each use.
func (g *Group) Machine() statemachine.Machine {
	if m := g.r.images.current.Load(); m != nil {
		return m.machine
	}
	return nil
}

// Role is what this replica is at the moment. AwaitRole blocks until the state's Seq is above after.
func (g *Group) Role() RoleState { return g.r.roles.load() }

// AwaitRole blocks until the role state's Seq is above after, or ctx is done, or, with ErrClosed, the node is closed. A caller that passes
// the Seq it saw last misses no present state; states that were over before it looked are skipped.
func (g *Group) AwaitRole(ctx context.Context, after uint64) (RoleState, error) {
	return g.r.roles.await(ctx, g.r.node.stop, after)
}

// Ledger is the replica's log, for readers. Entries above Committed may still disappear.
func (g *Group) Ledger() *ledger.Ledger { return g.r.ledger }

// Record reads a committed entry. Errors: *ledger.CompactedError, ErrNotCommitted, *ledger.CorruptionError.
func (g *Group) Record(index Index) (ledger.Record, error) {
	if index > g.Committed() || index == 0 {
		return ledger.Record{}, fmt.Errorf("%w: index %d, the last one is %d", ErrNotCommitted, index, g.Committed())
	}
	return g.r.ledger.Record(index)
}

// ask runs f on the owner and waits for its answer.
func (g *Group) ask(ctx context.Context, f func(r *replica) error) error {
	if err := g.usable(); err != nil {
		return err
	}
	select {
	case err := <-g.r.question(f):
		return err
	case <-g.r.node.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// question has the owner run f and gives its answer, or why the replica has stopped before. Any goroutine.
func (r *replica) question(f func(r *replica) error) <-chan error {
	answer := make(chan error, 1)
	r.tell(func(r *replica) {
		if failure := r.failure.Load(); failure != nil {
			answer <- failure
			return
		}
		answer <- f(r)
	})
	return answer
}

// Transfer hands leadership to another voter and blocks until this replica sees a new leader, or ctx is done. Proposals are refused
// meanwhile. Errors: *NotLeaderError, or why that node can't take over.
func (g *Group) Transfer(ctx context.Context, to NodeID) error {
	before := g.Role()
	if before.Role == raft.Leader && to == g.r.node.opts.ID {
		return nil
	}
	if err := g.ask(ctx, func(r *replica) error { return r.core.Transfer(to) }); err != nil {
		return err
	}
	for s := before; ; {
		next, err := g.awaitTransfer(ctx, s.Seq)
		if err != nil {
			return fmt.Errorf("node: %s has not taken over: %w", to, err)
		}
		if s = next; s.Role != raft.Leader && s.Leader == to {
			return nil
		}
		if s.Role != raft.Leader && s.Leader != raft.None {
			return fmt.Errorf("%w: %s became leader instead of %s", ErrNotTransferred, s.Leader, to)
		}
		if s.Err != nil {
			return s.Err
		}
	}
}

// awaitTransfer is AwaitRole, but notices that the core has given the transfer up: then the role stays what it is.
func (g *Group) awaitTransfer(ctx context.Context, after uint64) (RoleState, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, 10*g.r.node.opts.TickInterval)
		s, err := g.AwaitRole(wait, after)
		cancel()
		if err == nil || ctx.Err() != nil {
			return s, err
		}
		given := false
		err = g.ask(ctx, func(r *replica) error {
			status := r.core.Status()
			given = status.Role == raft.Leader && status.Transfer == raft.None
			return nil
		})
		if err != nil || given && g.Role().Seq == after {
			return s, errors.Join(err, ErrNotTransferred)
		}
	}
}

// StartTransfer is Transfer without the wait; whether it comes about shows in the role.
func (g *Group) StartTransfer(to NodeID) error {
	if err := g.usable(); err != nil {
		return err
	}
	g.r.tell(func(r *replica) {
		if err := r.core.Transfer(to); err != nil {
			r.log.Warn("leadership is not transferred", "to", to, "err", err)
		}
	})
	return nil
}

// Status is a replica's state, for people and programs that look at a cluster.
type Status struct {
	Group    GroupID
	Name     string
	Role     RoleState
	Commit   Index
	Applied  Index
	Synced   Index
	First    Index
	Last     Index
	Position Position
	Checksum uint32
	DiskFull bool
	// Format is the entry format in force behind the last entry that is committed.
	Format uint32
	// StateLost is why the machine has no state until an image comes, nil while it has; see ErrStateLost.
	StateLost error
	// Damaged is how many pieces of the sealed log, of about 64 KiB, the disk has lost, as far as the scrubber knows.
	Damaged int
	Members raft.ConfigurationEntry
	// Peers is nil unless the replica leads. Now is when they were looked at, by the clock of PeerStatus.Heard.
	Peers []raft.PeerStatus
	Now   raft.Monotonic
}

// Status gives the replica's state. It blocks for the owner's next turn.
func (g *Group) Status(ctx context.Context) (Status, error) {
	var s Status
	r := g.r
	var core raft.Status
	err := g.ask(ctx, func(r *replica) error {
		core = r.core.Status()
		return nil
	})
	if err == nil { // otherwise the owner may get to it later
		s.Members, s.Peers, s.Now = core.Configuration, core.Peers, r.node.opts.Clock.Monotonic()
	}
	s.Group, s.Name, s.Role = r.opts.ID, r.opts.Name, r.roles.load()
	s.Commit, s.Applied, s.Synced = g.Committed(), g.Applied(), Index(r.synced.Load())
	s.DiskFull, s.Damaged = r.diskFull.Load(), r.node.scrubber.damagedOf(r.opts.ID)
	s.StateLost, s.Format = g.Serving(), g.Format()
	tip := r.ledger.Tip()
	s.First, s.Last, s.Position, s.Checksum = r.ledger.Base().ID.Index+1, tip.ID.Index, tip.End, tip.Checksum
	if f := r.failure.Load(); f != nil {
		return s, nil
	}
	return s, err
}
