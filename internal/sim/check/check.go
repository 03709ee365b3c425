package check

// Report is what a check looked at.
type Report struct {
	// Operations is the number of operations in the history, Uncertain that of writes and appends without an answer.
	Operations, Uncertain int
	// Revision is the newest revision of the store that somebody was told of.
	Revision uint64
	// Unclaimed is the number of revisions that no acknowledged write has, so that an uncertain one must have it; for Guessed of them no
	// value that was read says which.
	Unclaimed, Guessed int
	// Undecided: it could not be decided within the bound on work which uncertain writes have the Guessed revisions, so that all keys fit at
	// once. Everything else was checked: each key by itself, and all together below UndecidedFrom.
	Undecided bool
	// UndecidedFrom is the lowest revision at which no guess fits all keys so far, if Undecided.
	UndecidedFrom uint64
	// Entries is the number of log entries that somebody was told of.
	Entries int
}

// Check decides whether the history can have happened. The error is a *Violation; the report is filled in as far as the check came.
//
// The store: the check is exact for strict serializability of all keys together, given the revisions in the answers. Which revisions
// the acknowledged writes have is known, so the order of writes is, and a history is good exactly if
//
//   - each revision up to the newest that somebody was told of is one write's. What no acknowledged write has, an uncertain one must
//     have, a different one each, and not one that was invoked too late for it;
//   - every write, and every read that is Linearizable, comes after what ended before it began: a lower revision, or the same one for what
//     writes nothing;
//   - carrying the writes out in the order of revisions gives every answer, down to create revision, mod revision and version.
//
// That is more than linearizability of each key by itself, which it implies: it demands one order for all keys, and revisions that count
// without gaps. It is less in one respect: compactions are checked against each other and the revisions they name, but not put into one
// order with the writes beyond that.
//
// Reads of other levels have to be the state at one revision as well, one whose writes had been invoked when the read ended, and no replica's
// may go back in real time, reads of every level counted. What any read has seen, later Linearizable reads and writes come after: a committed
// write stays, acknowledged or not. AtLeast and MaxStaleness demand what their names say.
//
// The log: an acknowledged append's entry is at its index with its bytes in every read; appends that do not overlap are in the order of time;
// every reader sees the same entries, without gap; an uncertain append is there once at most, and one that failed is not; only what was
// trimmed is gone.
//
// The work is n·log n in the number of operations and linear in what they read, unless there are revisions of which it must be guessed
// which uncertain write has them.
func (h *History) Check() (Report, error) {
	report := Report{Operations: len(h.ops)}
	for i := range h.ops {
		if h.ops[i].Outcome == Uncertain && writes(h.ops[i].Request) {
			report.Uncertain++
		}
	}
	if v := h.checkStore(&report); v != nil {
		return report, v
	}
	if v := h.checkLog(&report); v != nil {
		return report, v
	}
	return report, nil
}

// writes says whether a request may change something.
func writes(r Request) bool {
	switch r.(type) {
	case Append:
		return true
	}
	return writesStore(r)
}

func writesStore(r Request) bool {
	switch r.(type) {
	case Put, Delete, Swap, Txn:
		return true
	}
	return false
}
