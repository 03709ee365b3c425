package node

import (
	"slices"

	"github.com/ledgerkv/ledgerkv/raft"
)

// A replica has things to do unasked: what its core does in time, the mark of a ledger that is idle, the head of a log that may go. It says when the first of
// them is due; until then the ticker leaves its owner alone.

const (
	// retentionTicks is how often a log-only group looks whether its head may go, and any group tries again to remove it.
	retentionTicks = 16
	// quietTicks without an append are when a ledger counts as idle and its mark is brought up to date.
	quietTicks = 100
	// sleepersTicks is how often sleeping replicas are looked at, as the head of their logs may be old enough to go.
	sleepersTicks = 1024
)

// after is a number of ticks later.
func (r *replica) after(since raft.Monotonic, ticks int) raft.Monotonic {
	return since + raft.Monotonic(ticks)*raft.Monotonic(r.node.opts.TickInterval)
}

// keepTime does what is due. The core is told the time when it wants to know, and otherwise once in a tick: what happens to it counts from then. now was
// read after the last call of the core.
func (r *replica) keepTime(now raft.Monotonic) {
	if now >= r.core.Deadline() || now >= r.after(r.told, 1) {
		r.core.Tick(now)
		r.told = now
	}
	if !r.settled && now >= r.after(r.appendedAt, quietTicks) {
		r.settled = true
		r.units.push(unit{job: r.settle})
		r.node.syncer.work.add(r)
	}
	if r.retains() && now >= r.after(r.retainedAt, retentionTicks) {
		r.retainedAt = now
		r.retain()
	}
}

// nextDue is when keepTime has something to do again.
func (r *replica) nextDue(now raft.Monotonic) raft.Monotonic {
	at := r.core.Deadline()
	if !r.settled {
		at = min(at, r.after(r.appendedAt, quietTicks))
	}
	if r.retains() {
		at = min(at, r.after(r.retainedAt, retentionTicks))
	}
	return max(at, now)
}

// retains says that the head of the log is to be looked at: the log's leader decides what goes, and who found no space tries again.
func (r *replica) retains() bool {
	return r.opts.Factory == nil && r.leading && !r.silent.Load() || r.trim.again
}

// retain removes the head of the log as far as the rules have it. Owner.
func (r *replica) retain() {
	if r.opts.Factory == nil {
		r.proposeTrim()
	}
	if r.trim.again {
		r.removeHead()
	}
}

// serveDue turns every replica that is due, puts to sleep those that may rest, and looks when it is to be called again. Owner.
func (o *owner) serveDue() {
	now := o.node.opts.Clock.Monotonic()
	for _, r := range o.awake {
		if r.due <= now {
			r.turn()
		}
	}
	o.awake = slices.DeleteFunc(o.awake, func(r *replica) bool {
		r.awake = !r.mayRest()
		return !r.awake
	})
	period := sleepersTicks * raft.Monotonic(o.node.opts.TickInterval)
	if now >= o.lookedAt+period {
		o.lookedAt = now
		o.lookAtSleepers()
	}
	due := o.lookedAt + period
	for _, r := range o.awake {
		due = min(due, r.due)
	}
	o.due.Store(int64(due))
}

// lookAtSleepers wakes the leaders of logs whose head goes with age.
func (o *owner) lookAtSleepers() {
	for _, r := range o.node.ownedBy(o) {
		if !r.awake && r.leading && r.opts.KeepFor > 0 && !r.failed() {
			r.tell((*replica).retain)
		}
	}
}

// mayRest says that the replica has nothing left to do until something happens: its group is silent, and its mark up to date.
func (r *replica) mayRest() bool {
	return r.failed() || r.silent.Load() && r.settled && len(r.unsynced) == 0 && !r.trim.again
}

// wake puts a replica among those that may be due. Owner.
func (o *owner) wake(r *replica) {
	if !r.awake && !r.failed() {
		r.awake = true
		o.awake = append(o.awake, r)
	}
}

// tick has the owner turn if something is due. Ticker.
func (o *owner) tick(now raft.Monotonic, anyway bool) {
	if anyway || int64(now) >= o.due.Load() {
		o.ticked.Store(true)
		o.loop.notify()
	}
}
