package check

import "github.com/ledgerkv/ledgerkv/kv/model"

// Result is what a client is answered: one of the types of this file.
type Result interface {
	// answers says whether the result is one that a request can have.
	answers(Request) bool
}

// Replica is who answered a read.
type Replica struct {
	// Node is its name, "" when it is not known: then nothing is demanded from one read to the next.
	Node string
	// Run tells one life of the replica from the next: a replica that restarts may have applied less than before.
	Run uint64
}

// Revised answers a Put.
type Revised struct {
	// Revision is the put's own.
	Revision model.Revision
}

// Deleted answers a Delete.
type Deleted struct{ model.DeleteResult }

// Swapped answers a Swap.
type Swapped struct{ model.SwapResult }

// TxnDone answers a Txn.
type TxnDone struct{ model.TxnResult }

// Got answers a Get. GetResult.Revision is set whether or not the key was found; GetResult.Applied is 0 when it is not known.
type Got struct {
	model.GetResult
	Found bool
	From  Replica
}

// Ranged answers a Range. RangeResult.Applied is 0 when it is not known.
type Ranged struct {
	model.RangeResult
	From Replica
}

// RevisionRefused answers a Get, a Range or a Compact whose revision was compacted or has not been reached.
type RevisionRefused struct {
	model.RevisionError
	From Replica
}

// Done answers a Compact and a Trim.
type Done struct{}

// Appended answers an Append.
type Appended struct {
	Index uint64
	// Position is where the record is, 0 when it is not known.
	Position uint64
}

// Entry is an entry of the log as it was read.
type Entry struct {
	Index uint64
	// Term and Position are 0 when they are not known.
	Term, Position uint64
	// Data says that it is a client's, and not one of the group's own. Body is then what was appended.
	Data bool
	Body []byte
}

// Entries answers a LogGet or a Tail, in the order of the log.
type Entries struct{ Entries []Entry }

// LogCompacted answers a LogGet or a Tail that wants what was removed.
type LogCompacted struct {
	// First is the first index that is there.
	First uint64
}

// NoEntry answers a LogGet of an index that the log has not reached.
type NoEntry struct{}

func (Revised) answers(r Request) bool { _, ok := r.(Put); return ok }

func (Deleted) answers(r Request) bool { _, ok := r.(Delete); return ok }

func (Swapped) answers(r Request) bool { _, ok := r.(Swap); return ok }

func (TxnDone) answers(r Request) bool { _, ok := r.(Txn); return ok }

func (Got) answers(r Request) bool { _, ok := r.(Get); return ok }

func (Ranged) answers(r Request) bool { _, ok := r.(Range); return ok }

func (RevisionRefused) answers(r Request) bool {
	switch r.(type) {
	case Get, Range, Compact:
		return true
	}
	return false
}

func (Done) answers(r Request) bool {
	switch r.(type) {
	case Compact, Trim:
		return true
	}
	return false
}

func (Appended) answers(r Request) bool { _, ok := r.(Append); return ok }

func (Entries) answers(r Request) bool { return readsLog(r) }

func (LogCompacted) answers(r Request) bool { return readsLog(r) }

func (NoEntry) answers(r Request) bool { _, ok := r.(LogGet); return ok }

func readsLog(r Request) bool {
	switch r.(type) {
	case LogGet, Tail:
		return true
	}
	return false
}
