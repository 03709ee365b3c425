package node

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Read blocks until this replica, be it leader, follower or learner, has applied every entry that was committed when Read was called, and
// returns an index at or above all of them. A view of the machine opened afterwards is linearizable. It costs one round of heartbeats,
// shared by all reads that arrive meanwhile; on another replica than the leader a message to the leader and back as well. Errors:
// *NotLeaderError when no leader is known or it changed meanwhile, ErrBusy, ErrNotAdmitted, ErrStateLost, ErrClosed, *FailedError, or
// ctx's.
func (g *Group) Read(ctx context.Context) (Index, error) {
	p, err := g.SubmitRead()
	if err != nil {
		return 0, err
	}
	out, err := p.Wait(ctx)
	if p.finished {
		p.recycle()
	}
	return out.Index, err
}

// SubmitRead is Read without the wait: the outcome's Index is the read's.
func (g *Group) SubmitRead() (*Pending, error) {
	r := g.r
	if err := errors.Join(g.usable(), g.Serving()); err != nil {
		return nil, err
	}
	if s := r.roles.load(); s.Role != raft.Leader && s.Leader == raft.None {
		return nil, &raft.NotLeaderError{}
	}
	p := newPending(0, nil, 0)
	if err := r.reads.push(p); err != nil {
		p.recycle()
		return nil, err
	}
	r.owner.work.add(r)
	return p, nil
}

// LeaseRead gives, without asking anybody, an index at which a linearizable read may be served here once it is applied (WaitApplied), for a
// read that had arrived when LeaseRead was called: this replica leads, and a quorum has promised to vote for nobody else
// (GroupOptions.Lease). It is false on any other replica, without a lease, and during a transfer: use Read then. It costs no round trip to
// the owner, and does not block.
func (g *Group) LeaseRead() (Index, bool) {
	r := g.r
	until := raft.Monotonic(r.lease.Load())
	index := g.Committed()
	// The clock is read last: whoever was stopped above finds the lease gone.
	if until == noLease || r.node.opts.Clock.Monotonic() >= until || g.usable() != nil {
		return 0, false
	}
	return index, true
}

// Fresh blocks until this replica has applied every entry that was committed d ago or earlier, and returns an index at or above all of them: a
// view opened afterwards is at most d old. It costs nothing while a lease holds or a read of this replica has begun its round within
// d, and otherwise what Read costs. d is at least 0; errors as in Read.
func (g *Group) Fresh(ctx context.Context, d time.Duration) (Index, error) {
	index, ok := g.FreshIndex(d)
	if !ok {
		return g.Read(ctx)
	}
	return index, g.WaitApplied(ctx, index)
}

// FreshIndex gives what Fresh waits for, without asking anybody: an index at or above every entry that was committed d ago or earlier, for a
// read that had arrived when FreshIndex was called. It is false where that takes a round: use Read then. It does not block.
func (g *Group) FreshIndex(d time.Duration) (Index, bool) {
	if index, ok := g.LeaseRead(); ok {
		return index, true
	}
	now := g.r.node.opts.Clock.Monotonic()
	if last := g.r.lastRound.Load(); last != nil && now.Sub(last.began) <= d {
		return last.index, true
	}
	return 0, false
}

// confirmedRound is a read round that is over: index is at or above everything that was committed before it began.
type confirmedRound struct {
	began raft.Monotonic
	index raft.Index
}

// noLease is the published end of a lease that there isn't.
const noLease = raft.Monotonic(math.MinInt64)

// publishLease tells readers until when they may read without a round. It comes before anything leaves that could make another
// leader before then. Owner.
//
// Why LeaseRead is right, whatever runs at the same time:
//   - It reads the lease's end, then the commit watermark, then the clock, all after the read has arrived.
//   - While the clock is below that end, no other leader has committed anything, unless this one asked for its election; it
//     took the end back before it did. So if the read found that end, such an election was asked for after the read had arrived.
//   - So what was acknowledged before the read arrived was acknowledged here, or by a leader whose entries lie below this one's term,
//     which has been committed. The core gives a lease only then, and the watermark was raised before the end was stored: it was at or above
//     that entry.
//   - Nothing that tells of a commit index leaves before the watermark is raised, so no read at a follower was ahead of it either.
func (r *replica) publishLease() {
	if r.opts.Lease == 0 {
		return
	}
	until := noLease
	if !r.failed() {
		until = r.core.LeaseUntil()
	}
	if raft.Monotonic(r.lease.Load()) != until {
		r.lease.Store(int64(until))
	}
}

// maxReads bounds the reads that wait for their round or for the applier: whoever asked for one may have given it up long ago.
const maxReads = 1 << 16

// takeReads starts one read round for all reads that have arrived.
func (r *replica) takeReads(now raft.Monotonic) {
	reads := r.reads.take(math.MaxUint64)
	if len(reads) == 0 {
		return
	}
	if r.reading+r.readWaiting.count()+len(reads) > maxReads {
		for _, p := range reads {
			p.complete(Proposed{}, ErrBusy)
		}
		return
	}
	batch := readBatch{counter: r.nextRead, began: now, reads: append([]*Pending(nil), reads...)}
	r.nextRead++
	if err := r.core.ForwardRead(raft.ReadID{Boot: r.node.boot, Counter: batch.counter}); err != nil {
		for _, p := range batch.reads {
			p.complete(Proposed{}, err)
		}
		return
	}
	r.readBatches = append(r.readBatches, batch)
	r.reading += len(batch.reads)
}

// endReads serves the reads that are confirmed, or has them wait for the applier, and ends those that failed. Owner.
func (r *replica) endReads(out *raft.Output) {
	for _, read := range out.Reads {
		batch, ok := r.takeBatch(read.ID)
		if !ok {
			continue
		}
		if last := r.lastRound.Load(); last == nil || last.began < batch.began {
			r.lastRound.Store(&confirmedRound{batch.began, read.Index})
		}
		if r.readWaiting.add(read.Index, batch.reads, &r.applied) {
			continue
		}
		for _, p := range batch.reads {
			p.complete(Proposed{Index: read.Index}, nil)
		}
	}
	for _, id := range out.ReadsFailed {
		batch, _ := r.takeBatch(id)
		for _, p := range batch.reads {
			p.complete(Proposed{}, &raft.NotLeaderError{Leader: out.Leader})
		}
	}
}

// takeBatch removes the batch of a read id.
func (r *replica) takeBatch(id raft.ReadID) (readBatch, bool) {
	for i, b := range r.readBatches {
		if b.counter == id.Counter && id.Boot == r.node.boot {
			r.readBatches = append(r.readBatches[:i], r.readBatches[i+1:]...)
			r.reading -= len(b.reads)
			return b, true
		}
	}
	return readBatch{}, false
}

// abandonReads fails the reads that wait for a round that will not be confirmed any more.
func (r *replica) abandonReads() {
	err := error(ErrClosed)
	if f := r.failure.Load(); f != nil {
		err = f
	}
	for _, b := range r.readBatches {
		for _, p := range b.reads {
			p.complete(Proposed{}, err)
		}
	}
	r.readBatches, r.reading = nil, 0
}
