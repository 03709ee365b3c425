package node

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// replica is a group on this node: what its owner, and only its owner, works on, and the queues and watermarks through which the
// other loops meet it.
type replica struct {
	node   *Node
	opts   GroupOptions
	log    *slog.Logger
	owner  *owner
	ledger *ledger.Ledger
	roles  *roles

	// listed says on which worklists the replica stands.
	listed [stages]atomic.Bool
	// failure is why the replica has stopped; nil while it works.
	failure atomic.Pointer[FailedError]

	// Queues to the owner, bounded in bytes.
	proposals pendingQueue
	reads     pendingQueue
	inbox     inbox
	control   controlQueue
	// units go to the syncer.
	units unitQueue

	// Watermarks. syncedSeq: syncer to owner, the last durable Output. applyLimit: owner to applier, min(commit, synced).
	// commit: owner to anyone. applied and appliedEnd: applier to anyone. synced is the last durable entry, which an uncommitted
	// tail may take back: owner to anyone.
	syncedSeq  watermark
	applyLimit watermark
	commit     watermark
	synced     atomic.Uint64
	applied    watermark
	appliedEnd watermark
	// throttled: the owner waits for the applier or the syncer to catch up and wants to be woken by their progress.
	throttled atomic.Bool
	// configuration is the one in force; nobody changes it. lease is until when LeaseRead serves, a raft.Monotonic. lastRound is the
	// confirmed read round that began last. Owner to anyone.
	configuration atomic.Pointer[raft.ConfigurationEntry]
	lease         atomic.Int64
	lastRound     atomic.Pointer[confirmedRound]
	// removed: the leader has said that a committed configuration leaves this node out. Owner to anyone.
	removed atomic.Bool
	// diskFull: the last attempt to write or to prepare space met a full device. The ledger logs that.
	diskFull atomic.Bool
	// silent: the core has fallen silent. Owner writes, any goroutine reads.
	silent atomic.Bool

	waiting     waiters
	readWaiting readWaiters

	// Owner only from here on.
	core        *raft.Core
	seq         uint64
	unsynced    []unsyncedOutput
	hardState   *raft.HardState
	sendSynced  []raft.Message
	nextRead    uint64
	readBatches []readBatch
	reading     int          // reads in readBatches
	changes     []changeWait // membership changes whose fate is open
	// named: a configuration in the log has named this node's directory. distrusted are the members that are known here by another than it names.
	named      bool
	distrusted map[raft.NodeID]bool
	trims      []committedTrim
	trim       trimState
	leading    bool
	// told is when the core was told the time, appendedAt when something was appended, retainedAt when the head was looked at, each time last; due is
	// when something is to be done unasked. settled: the mark of the ledger has been brought up to date since the last append.
	told, appendedAt, retainedAt, due raft.Monotonic
	settled                           bool
	unreadable                        raft.Index // the damaged entry that a peer needed last
	// awake: the replica is on its owner's list of those that may be due.
	awake   bool
	entries []raft.Entry // scratch
	batch   []waiter     // scratch

	apply    applyState
	images   imageState
	machines openMachines
}

// unsyncedOutput says what the log's end was when the output seq was handed to the syncer.
type unsyncedOutput struct {
	seq  uint64
	last raft.Index
}

type readBatch struct {
	counter uint64
	// began is a time before the round did.
	began raft.Monotonic
	reads []*Pending
}

// inbound is a peer's message as the receiver checked it.
type inbound struct {
	message raft.Message
	// records are those of an append, each verified, chained to each other.
	records []ledger.Record
	bytes   int
}

// inbox takes peers' messages to the owner, bounded in bytes; past the limit they are dropped, as a network would.
type inbox struct {
	limit int // bytes

	mu      sync.Mutex
	items   []inbound
	spare   []inbound
	bytes   int
	dropped uint64
}

const inboundCost = 256

func (q *inbox) push(m inbound) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes+inboundCost+m.bytes > q.limit && len(q.items) > 0 {
		q.dropped++
		return false
	}
	q.items = append(q.items, m)
	q.bytes += inboundCost + m.bytes
	return true
}

// take empties the inbox. The result is valid until the next take.
func (q *inbox) take() []inbound {
	q.mu.Lock()
	defer q.mu.Unlock()
	clear(q.spare)
	taken := q.items
	q.items = q.spare[:0]
	q.spare = taken
	q.bytes = 0
	return taken
}

// controlQueue takes rare events to the owner (transfers, broken links, images): each is a function that runs there. Its length is
// bounded by what can be under way at a time: a few for each peer and each waiting caller.
type controlQueue struct {
	mu    sync.Mutex
	items []func(*replica)
}

func (q *controlQueue) take() []func(*replica) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.items
	q.items = nil
	return taken
}

// tell runs f on the owner, some time later. Any goroutine.
func (r *replica) tell(f func(*replica)) {
	r.control.mu.Lock()
	r.control.items = append(r.control.items, f)
	r.control.mu.Unlock()
	r.owner.work.add(r)
}

// failed reports whether the replica has stopped.
func (r *replica) failed() bool { return r.failure.Load() != nil }

// fail stops the replica: nothing more is acknowledged, voted or sent, and whoever waits is told. Any goroutine.
func (r *replica) fail(err error) {
	f := &FailedError{Group: r.opts.Name, Err: err}
	if !r.failure.CompareAndSwap(nil, f) {
		return
	}
	r.log.Error("the replica has stopped; restart the node once the cause is mended", "err", err)
	r.release(f)
	r.announce(r.roles.fail(f))
	if h := r.node.opts.Hooks.Failed; h != nil {
		h(r.opts.ID, r.opts.Name, err)
	}
}

// release ends all waits. What has an index may have been committed; what has none has not.
func (r *replica) release(reason error) {
	for _, p := range r.proposals.close(reason) {
		p.complete(Proposed{}, reason)
	}
	for _, p := range r.reads.close(reason) {
		p.complete(Proposed{}, reason)
	}
	r.waiting.fail(uncertain(reason))
	r.readWaiting.fail(reason)
	r.owner.work.add(r) // its owner fails the reads that wait for a round
}

// announce tells the hook of a role change.
func (r *replica) announce(s RoleState) {
	if h := r.node.opts.Hooks.RoleChanged; h != nil {
		h(r.opts.ID, r.opts.Name, s)
	}
}

// errDiverged: the leader's records chain to something else than this replica has under the same id.
var errDiverged = errors.New("the leader's log and this replica's differ under the same entry id")
