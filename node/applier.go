package node

import (
	"errors"
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// applyState is what the applier works on for one group.
type applyState struct {
	// machine is nil in a log-only group. Users read it through the replica's current pointer.
	machine statemachine.Machine
	reader  *ledger.Reader
	records []ledger.Record
	entries []statemachine.Entry
	results []statemachine.Result
	done    []waiter
	// term is that of the last entry whose callers were completed.
	term raft.Term
}

// applier is the loop that carries committed and synced entries into machines and completes their callers. It never touches a core.
type applier struct {
	node *Node
	loop *Loop
	work worklist
}

func newApplier(n *Node) *applier {
	a := &applier{node: n}
	a.loop = n.newLoop("applier", a.turn)
	a.work = worklist{stage: applierStage, loop: a.loop}
	return a
}

func (a *applier) turn() (more bool) {
	for _, r := range a.work.take() {
		if r.applyTurn() {
			a.work.add(r)
			more = true
		}
	}
	return more
}

// applyBytes bounds what one step applies at a time, in bytes of records.
const applyBytes = 1 << 20

// applyTurn applies up to the owner's limit, one batch a turn.
func (r *replica) applyTurn() (more bool) {
	r.takeSwap()
	if r.failed() || r.images.lost.Load() != nil {
		return false
	}
	limit, applied := raft.Index(r.applyLimit.load()), raft.Index(r.applied.load())
	if limit <= applied {
		if r.images.wanted.Load() {
			r.considerImage()
		}
		return false
	}
	var err error
	if r.apply.machine == nil {
		err = r.completeLog(limit)
	} else {
		limit, err = r.applyBatch(limit)
	}
	var compacted *ledger.CompactedError
	if errors.As(err, &compacted) && r.images.installing.Load() {
		return false // the log has just been replaced, and the machine that goes with the new one is on its way
	}
	if err != nil {
		r.fail(err)
		return false
	}
	r.readWaiting.upTo(raft.Index(r.applied.load()))
	if s, changed := r.roles.applied(raft.Index(r.applied.load())); changed {
		r.announce(s)
	}
	r.considerImage()
	if r.throttled.Load() {
		r.owner.work.add(r)
	}
	return raft.Index(r.applyLimit.load()) > limit
}

// applyBatch applies one batch, as one step of the machine, and completes whoever waits for its entries.
func (r *replica) applyBatch(limit raft.Index) (raft.Index, error) {
	s := &r.apply
	var err error
	s.records, err = s.reader.Batch(limit, applyBytes, s.records[:0])
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if len(s.records) == 0 {
		return 0, fmt.Errorf("node: no entry at %d in the ledger, though %d is committed and synced", r.applied.load()+1, limit)
	}
	s.entries = s.entries[:0]
	for i := range s.records {
		if rec := &s.records[i]; rec.Kind == raft.KindData {
			s.entries = append(s.entries, statemachine.Entry{Index: statemachine.Index(rec.ID.Index), Term: uint64(rec.ID.Term), Time: rec.Time, Body: rec.Body})
		}
	}
	if cap(s.results) < len(s.entries) {
		s.results = make([]statemachine.Result, len(s.entries), 2*len(s.entries))
	}
	s.results = s.results[:len(s.entries)]
	clear(s.results)
	end := &s.records[len(s.records)-1]
	if err := s.machine.Apply(s.entries, statemachine.Index(end.ID.Index), s.results); err != nil {
		return 0, fmt.Errorf("node: applying entries %d to %d: %w", s.records[0].ID.Index, end.ID.Index, err)
	}
	r.applied.raise(uint64(end.ID.Index))
	r.appliedEnd.raise(uint64(end.Position) + uint64(len(end.Raw)))
	r.completeBatch(end.ID.Index)
	clear(s.records)
	return end.ID.Index, nil
}

// completeBatch completes the proposals among the records just applied. An entry of another term in a proposal's place means that
// the proposal was replaced for good.
func (r *replica) completeBatch(last raft.Index) {
	s := &r.apply
	s.done = r.waiting.upTo(last, s.done[:0])
	i, result := 0, 0
	for _, w := range s.done {
		for i < len(s.records) && s.records[i].ID.Index < w.at.Index {
			if s.records[i].Kind == raft.KindData {
				result++
			}
			i++
		}
		switch {
		case i == len(s.records) || s.records[i].ID.Index != w.at.Index:
			w.pending.complete(Proposed{}, uncertain(errReplaced))
		case s.records[i].ID.Term != w.at.Term:
			w.pending.complete(Proposed{}, r.elsewhere())
		default:
			out := Proposed{Index: w.at.Index, Term: w.at.Term, Position: w.place.position, Length: w.place.length}
			if s.records[i].Kind == raft.KindData {
				out.Result = s.results[result]
			}
			w.pending.complete(out, nil)
		}
	}
	clear(s.done)
	r.completeOvertaken(s.records[len(s.records)-1].ID.Term)
}

// elsewhere is the error of a proposal that another leader's entry has replaced. Where this node leads again by now it names nobody: its caller
// is there already, and may try again.
func (r *replica) elsewhere() error {
	leader := r.roles.load().Leader
	if leader == r.node.opts.ID {
		leader = raft.None
	}
	return &raft.NotLeaderError{Leader: leader}
}

// completeOvertaken completes the proposals behind the last applied entry, of the term given, that can't be committed any more.
func (r *replica) completeOvertaken(term raft.Term) {
	s := &r.apply
	if term == s.term {
		return
	}
	s.term = term
	s.done = r.waiting.overtaken(term, s.done[:0])
	for _, w := range s.done {
		w.pending.complete(Proposed{}, r.elsewhere())
	}
	clear(s.done)
}

// completeLog is what applying means in a group without a machine: its callers learn that their entries are committed.
func (r *replica) completeLog(limit raft.Index) error {
	r.applied.raise(uint64(limit))
	s := &r.apply
	s.done = r.waiting.upTo(limit, s.done[:0])
	for _, w := range s.done {
		term, err := r.ledger.TermAt(w.at.Index)
		var compacted *ledger.CompactedError
		switch {
		case errors.As(err, &compacted):
			w.pending.complete(Proposed{}, uncertain(errReplaced))
		case err != nil:
			return err
		case term != w.at.Term:
			w.pending.complete(Proposed{}, r.elsewhere())
		default:
			w.pending.complete(Proposed{Index: w.at.Index, Term: w.at.Term, Position: w.place.position, Length: w.place.length}, nil)
		}
	}
	clear(s.done)
	if term, err := r.ledger.TermAt(limit); err == nil { // else an image is taking the log's place
		r.completeOvertaken(term)
	}
	return nil
}
