package node

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// owner is the loop that owns some groups' cores and the ends of their logs. It never flushes, never touches a socket and never
// applies.
type owner struct {
	node *Node
	loop *Loop
	work worklist
	// ticked: something is due, or the disk has stalled or does so no more.
	ticked atomic.Bool
	// due is when the first replica that is awake has something to do unasked: a raft.Monotonic. Owner to ticker.
	due atomic.Int64

	// Owner only from here on. stalled is what the cores were told last.
	stalled bool
	// awake are the replicas that may be due: all but those of groups that have fallen silent. lookedAt is when the others were looked at.
	awake    []*replica
	lookedAt raft.Monotonic
}

func newOwner(n *Node, number int) *owner {
	o := &owner{node: n}
	o.loop = n.newLoop(fmt.Sprintf("owner-%d", number), o.turn)
	o.work = worklist{stage: ownerStage, loop: o.loop}
	return o
}

// turnBytes bounds what one turn takes in for one group, so that a busy group can't starve the others.
const turnBytes = 4 << 20

func (o *owner) turn() (more bool) {
	if o.ticked.Swap(false) {
		o.watchDisk()
		o.serveDue()
	}
	for _, r := range o.work.take() {
		o.wake(r)
		if r.turn() {
			o.work.add(r)
			more = true
		}
		o.due.Store(min(o.due.Load(), int64(r.due)))
	}
	return more
}

// settle brings the mark of an idle ledger up to date. That it lags costs a longer recovery and nothing else, so a full disk may wait. Syncer, Close.
func (r *replica) settle() error {
	if err := r.ledger.Idle(); !errors.Is(err, ledger.ErrNoSpace) {
		return err
	}
	return nil
}

// turn takes in what is there for one group (progress of the other loops, events, messages, reads, proposals) and hands out what
// the core makes of it: appends to the tail, then sends at once, then one unit to the syncer.
func (r *replica) turn() (more bool) {
	if r.failed() {
		r.due = raft.Forever
		r.abandonReads()
		r.abandonChanges(r.failure.Load())
		r.bowOut()
		r.takeEvents() // somebody may wait for an answer
		return false
	}
	now := r.node.opts.Clock.Monotonic()
	r.keepTime(now)
	r.takeProgress()
	r.takeEvents()
	r.takeMessages()
	r.takeReads(now)
	more = r.takeProposals()
	r.takeOutput(nil, nil)
	r.publishLease()
	r.handOver(now)
	r.due = r.nextDue(now)
	return more
}

// takeProgress tells the core what has become durable and applied since the last turn.
func (r *replica) takeProgress() {
	if seq := r.syncedSeq.load(); len(r.unsynced) > 0 && r.unsynced[0].seq <= seq {
		n := 0
		for n < len(r.unsynced) && r.unsynced[n].seq <= seq {
			n++
		}
		r.synced.Store(uint64(r.unsynced[n-1].last))
		r.unsynced = append(r.unsynced[:0], r.unsynced[n:]...)
		r.core.Synced(seq)
	}
	// An image that is being installed raises applied before the core knows of it. To the core what is below the base is applied, even where the
	// machine has lost it.
	if r.images.lost.Load() == nil {
		r.core.Applied(raft.Index(min(r.applied.load(), r.commit.load())))
	}
}

// takeEvents runs what the other loops and callers have asked for.
func (r *replica) takeEvents() {
	for _, f := range r.control.take() {
		f(r)
	}
}

// takeMessages steps the core through what peers said.
func (r *replica) takeMessages() {
	for _, in := range r.inbox.take() {
		if r.failed() {
			return
		}
		if !r.believable(&in.message) {
			continue
		}
		if in.message.Type != raft.MsgAppend || len(in.records) == 0 {
			r.step(in.message, nil)
			continue
		}
		if r.overloaded() || !r.roomFor(in.records, in.bytes) {
			continue // not acknowledged: the leader sends it again later
		}
		if sum, ok := r.ledger.ChecksumAt(in.message.Prev); ok && sum != in.records[0].PrevChecksum {
			r.log.Error("refusing the leader's entries", "err", errDiverged, "from", in.message.From, "prev", in.message.Prev)
			continue
		}
		if err := r.knows(in.records); err != nil {
			r.log.Error("refusing the leader's entries", "err", err, "from", in.message.From)
			continue
		}
		r.step(in.message, in.records)
	}
}

func (r *replica) step(m raft.Message, records []ledger.Record) {
	if len(records) > 0 {
		r.takeOutput(nil, nil) // an entry of the core's own, from before, is not among the records
	}
	r.entries = r.entries[:0]
	for i := range records {
		rec := &records[i]
		r.entries = append(r.entries, raft.Entry{ID: rec.ID, Kind: rec.Kind, Size: raft.RecordSize(len(rec.Body)), Body: rec.Body})
	}
	if err := r.core.Step(m, r.entries); err != nil {
		r.log.Debug("message refused", "err", err, "type", m.Type, "from", m.From)
		return
	}
	if len(records) > 0 {
		r.takeOutput(records, nil)
	}
}

// overloaded reports whether the syncer or the applier is too far behind to take more in. An applier that has nothing to do holds nobody
// up: what it waits for is a commit, and that may take the very entry that is to come (after a restart, say, a long log and no leader yet).
func (r *replica) overloaded() bool {
	if !r.behind() {
		r.throttled.Store(false)
		return false
	}
	r.throttled.Store(true)
	return r.behind() // whoever has caught up before that was stored wakes nobody
}

func (r *replica) behind() bool {
	if r.ledger.UnsyncedBytes() > r.opts.UnsyncedBytes {
		return true
	}
	return r.opts.Factory != nil && r.images.lost.Load() == nil && r.applied.load() < r.applyLimit.load() &&
		uint64(r.ledger.End())-r.appliedEnd.load() > r.opts.UnappliedBytes
}

// roomFor reports whether records fit on the device. While it is full, what was prepared on it is all there is, and some of that is kept for
// what is no data: without the entry that opens a term there is no leader, and a trim makes space.
func (r *replica) roomFor(records []ledger.Record, bytes int) bool {
	largest, data := 0, false
	for i := range records {
		largest, data = max(largest, len(records[i].Raw)), data || records[i].Kind == raft.KindData
	}
	return !data || r.ledger.Room(uint32(largest)) >= uint64(bytes)
}

// takeProposals proposes what is queued. While the other loops are behind it stays queued (the queue is bounded, and their progress wakes
// the owner); on a full disk it is refused.
func (r *replica) takeProposals() (more bool) {
	if r.proposals.empty() {
		return false
	}
	if !r.leading {
		err := &raft.NotLeaderError{Leader: r.roles.load().Leader}
		for _, p := range r.proposals.take(math.MaxUint64) {
			p.complete(Proposed{}, err)
		}
		return false
	}
	if r.overloaded() {
		return false
	}
	room := max(turnBytes, uint64(r.proposals.first()))
	if r.ledger.Room(0) < room {
		room = min(room, r.ledger.Room(r.proposals.largest()))
	}
	batch := r.proposals.take(room)
	if len(batch) > 0 {
		r.propose(batch)
		return !r.proposals.empty()
	}
	r.diskFull.Store(true) // the provisioner looks again from time to time
	for _, p := range r.proposals.take(math.MaxUint64) {
		p.complete(Proposed{}, ErrDiskFull)
	}
	return false
}

// propose hands one batch to the core and appends it to the tail.
func (r *replica) propose(batch []*Pending) {
	r.takeOutput(nil, nil) // what the core has to say from before stays apart from the batch
	r.entries = r.entries[:0]
	for _, p := range batch {
		r.entries = append(r.entries, raft.Entry{Kind: p.kind, Size: raft.RecordSize(len(p.body)), Body: p.body})
	}
	if err := r.core.Propose(r.entries); err != nil {
		for _, p := range batch {
			p.complete(Proposed{}, err)
		}
		return
	}
	if !r.takeOutput(nil, batch) { // the replica has stopped, and nothing of the batch has left it
		for _, p := range batch {
			p.complete(Proposed{}, r.failure.Load())
		}
	}
}

// takeOutput carries out what the core wants: cut, append, send, and tell the other loops. records are those that a peer sent, batch
// the proposals that were just accepted; entries in the output come from one of them or from the core itself. It reports false, and nothing
// has been sent, when the replica has stopped.
func (r *replica) takeOutput(records []ledger.Record, batch []*Pending) bool {
	if r.failed() {
		return false
	}
	if !r.core.HasOutput() {
		return true
	}
	out := r.core.Output()
	r.seq = out.Seq
	if out.State != nil {
		r.hardState = out.State
	}
	if out.Truncate != 0 {
		r.truncate(out.Truncate)
		if r.failed() {
			return false
		}
	}
	if err := r.append(out.Append, records, batch); err != nil {
		r.fail(err)
		return false
	}
	r.sendSynced = append(r.sendSynced, r.withheld(out.SendSynced)...)
	r.publish(&out)
	r.publishLease() // behind the commit index with which it serves, ahead of what may ask another to lead
	r.node.send(r, out.Send)
	r.endReads(&out)
	if out.Install != nil {
		r.node.images.install(r, out.Install.Base)
	}
	return true
}

func (r *replica) truncate(from raft.Index) {
	if err := r.ledger.Truncate(from); err != nil {
		r.fail(err)
		return
	}
	for i := range r.unsynced {
		r.unsynced[i].last = min(r.unsynced[i].last, from-1)
	}
	if r.synced.Load() >= uint64(from) {
		r.synced.Store(uint64(from - 1))
	}
	for len(r.trims) > 0 && r.trims[len(r.trims)-1].at >= from {
		r.trims = r.trims[:len(r.trims)-1]
	}
}

// append puts entries into the tail and keeps the proposals that wait for them.
func (r *replica) append(entries []raft.Entry, records []ledger.Record, batch []*Pending) error {
	if len(entries) == 0 {
		return nil
	}
	now := r.node.opts.Clock.Wall()
	r.batch = r.batch[:0]
	for i := range entries {
		e := &entries[i]
		if e.Kind == raft.KindTrim {
			if keep, err := raft.DecodeTrim(e.Body); err == nil {
				r.noteTrim(e.ID.Index, keep)
			}
		}
		if records != nil {
			if err := r.ledger.AppendRecord(records[e.ID.Index-records[0].ID.Index]); err != nil {
				return err
			}
			continue
		}
		crc := uint32(0)
		if i < len(batch) {
			crc = batch[i].crc
		} else {
			crc = crc32.Checksum(e.Body, castagnoli)
		}
		placed, err := r.ledger.Append(*e, crc, now)
		if err != nil {
			return err
		}
		if i < len(batch) {
			r.batch = append(r.batch, waiter{at: e.ID, place: place{placed.Position, placed.Length}, pending: batch[i]})
		}
	}
	if len(r.batch) > 0 {
		r.waiting.add(r.batch)
	}
	return nil
}

// publish tells the other loops and the users how far the group is and who leads it.
func (r *replica) publish(out *raft.Output) {
	if !r.leading && out.Role == raft.Leader {
		r.trim.proposed = r.inherited()
	}
	if r.leading && out.Role != raft.Leader {
		r.node.images.giveUp(r)
	}
	r.leading = out.Role == raft.Leader
	if s, changed := r.roles.publish(out.Role, out.Term, out.Leader, out.TermStart, raft.Index(r.applied.load())); changed {
		r.announce(s)
	}
	r.fallSilent(out)
	if out.ConfigurationChanged {
		entry := out.Configuration
		r.configuration.Store(&entry)
		r.distrust()
	}
	at := uint64(out.Configuration.ID.Index)
	settled := r.commit.load() < at && uint64(out.Commit) >= at
	was := r.removed.Swap(out.Removed)
	if was != out.Removed || settled || out.ConfigurationChanged {
		r.node.peers.loop.notify()
	}
	if r.commit.raise(uint64(out.Commit)) {
		r.takeTrims(out.Commit)
	}
	r.endChanges(out)
	if out.Removed && !was {
		r.abandonWaiters(out.Commit)
		r.abandonChanges(errRemoved)
	}
}

// abandonWaiters ends the wait for entries above those that this node will ever know to be committed: it was removed. Owner.
func (r *replica) abandonWaiters(commit raft.Index) {
	for _, w := range r.waiting.beyond(commit) {
		w.pending.complete(Proposed{}, uncertain(errRemoved))
	}
}

// handOver gives the syncer one unit with everything that this turn has appended, and the applier its new limit.
func (r *replica) handOver(now raft.Monotonic) {
	if r.failed() {
		return
	}
	write, any := r.ledger.Cut(r.hardState)
	r.hardState = nil
	if any {
		r.appendedAt, r.settled = now, false
	}
	if any || len(r.sendSynced) > 0 {
		r.unsynced = append(r.unsynced, unsyncedOutput{r.seq, r.ledger.Last().Index})
		r.units.push(unit{seq: r.seq, write: write, dirty: any, messages: r.sendSynced})
		r.sendSynced = nil
		r.node.syncer.work.add(r)
	}
	if r.applyLimit.raise(min(r.commit.load(), r.synced.Load())) {
		r.node.applier.work.add(r)
	}
}
