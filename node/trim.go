package node

import (
	"errors"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
)

// committedTrim is a trim entry in the log: once it is committed, what is below keepFrom may go.
type committedTrim struct {
	at       raft.Index
	keepFrom raft.Index
}

// trimState is where a replica stands with removing its log's head. Owner.
type trimState struct {
	// target is the highest keepFrom that is committed.
	target raft.Index
	// proposed is the highest keepFrom that this replica has proposed as leader.
	proposed raft.Index
	running  bool
	// again: the last attempt found no space for the new base.
	again bool
}

// noteTrim takes note of a trim entry in the log. Whatever it says, nothing that might not be committed with it goes.
func (r *replica) noteTrim(at, keep raft.Index) {
	r.trims = append(r.trims, committedTrim{at: at, keepFrom: min(keep, at)})
}

// takeTrims notes the trims that are committed now, also those that were in the log when this process started.
func (r *replica) takeTrims(commit raft.Index) {
	n := 0
	for n < len(r.trims) && r.trims[n].at <= commit {
		r.trim.target = max(r.trim.target, r.trims[n].keepFrom)
		n++
	}
	if n > 0 {
		r.trims = append(r.trims[:0], r.trims[n:]...)
		r.removeHead()
	}
}

// inherited is what a new leader need not propose: the trims that are committed, and those in its log, which will be. What another leader has proposed
// besides is lost.
func (r *replica) inherited() raft.Index {
	keep := r.trim.target
	for _, t := range r.trims {
		keep = max(keep, t.keepFrom)
	}
	return keep
}

// removeHead has the syncer drop what is committed to go, as far as this replica can do without it.
func (r *replica) removeHead() {
	keep := r.trim.target
	if r.opts.Factory != nil {
		keep = min(keep, r.images.newest().index+1)
	}
	if r.trim.running || keep <= r.ledger.Base().ID.Index+1 {
		return
	}
	r.trim.running = true
	r.units.push(unit{job: func() error {
		base, moved, err := r.ledger.Trim(keep)
		if err != nil && !errors.Is(err, ledger.ErrNoSpace) {
			return err
		}
		r.tell(func(r *replica) {
			r.trim.running, r.trim.again = false, err != nil
			if moved && !r.failed() {
				r.core.Compacted(base)
			}
		})
		return nil
	}})
	r.node.syncer.work.add(r)
}

// proposeTrim asks the group to drop its head, as far as the retention rules and the images on their way allow. Only a leader's
// proposals count, so that the log begins at the same place everywhere.
func (r *replica) proposeTrim() {
	if !r.leading || r.failed() {
		return
	}
	keep := r.retained()
	if sending := raft.Index(r.images.sending.Load()); sending != 0 {
		keep = min(keep, sending+1)
	}
	keep = min(keep, raft.Index(r.commit.load()))
	if keep <= r.trim.proposed || keep <= r.ledger.Base().ID.Index+1 {
		return
	}
	body := raft.AppendTrim(nil, keep)
	if r.core.Propose([]raft.Entry{{Kind: raft.KindTrim, Size: raft.RecordSize(len(body)), Body: body}}) == nil {
		r.trim.proposed = keep
		r.takeOutput(nil, nil)
	}
}

// retained is the first entry that the retention rules keep; 0 when they keep everything. It begins a segment, as nothing less than a
// segment goes.
func (r *replica) retained() raft.Index {
	end := uint64(r.ledger.End())
	if r.opts.Factory != nil {
		end = r.images.newest().end
	}
	if r.opts.KeepBytes == 0 && r.opts.KeepFor == 0 || end <= r.opts.KeepBytes {
		return 0
	}
	keep := r.ledger.IndexAt(raft.Position((end - r.opts.KeepBytes) &^ (r.opts.SegmentSize - 1)))
	if r.opts.KeepFor > 0 {
		keep = min(keep, r.ledger.IndexSince(r.node.opts.Clock.Wall()-int64(r.opts.KeepFor)))
	}
	return keep
}
