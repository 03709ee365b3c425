package check

import "github.com/ledgerkv/ledgerkv/kv/model"

// Request is what a client asks: one of the types of this file.
type Request interface{ request() }

// Put sets a key; answered by Revised.
type Put struct{ Key, Value []byte }

// Delete removes a key or the keys of an interval: Op is made with model.Delete, model.DeleteRange or model.DeletePrefix. Answered
// by Deleted.
type Delete struct{ Op model.Op }

// Swap sets Key to Value if the revision of its last change is Expected, 0 for a key that must not exist; answered by Swapped.
type Swap struct {
	Key      []byte
	Expected model.Revision
	Value    []byte
}

// Txn is a transaction; answered by TxnDone. What it reads has to be less than model.MaxTxnReadBytes together: that bound is not checked.
type Txn struct{ Txn model.Txn }

// Compact makes what is below Revision unreadable; answered by Done, or RevisionRefused.
type Compact struct{ Revision model.Revision }

// Get reads a key; answered by Got, or RevisionRefused.
type Get struct {
	Key []byte
	// At is the revision to read at, model.Latest for the newest.
	At   model.Revision
	Read Read
}

// Range reads the keys of an interval; answered by Ranged, or RevisionRefused. Opts.Revision is the revision to read at; Opts.Level is
// passed over in favour of Read.
type Range struct {
	Opts model.RangeOptions
	Read Read
}

// Append appends an entry to the log; answered by Appended.
type Append struct{ Body []byte }

// LogGet reads an entry; answered by Entries with that one, LogCompacted, or NoEntry.
type LogGet struct {
	Index uint64
	// Level is Linearizable where NoEntry means that no append at that index had been acknowledged before the read began, Local
	// where it means that the replica asked does not have it yet.
	Level Level
}

// Tail reads the entries from From on that are there; answered by Entries, or LogCompacted. A reader that follows a log makes one Tail of each part
// that it is given, From being the index after the last entry of the part before.
type Tail struct {
	From uint64
	// DataOnly: what is not data was left out, so that indexes may be missing in the answer.
	DataOnly bool
	// Level is Linearizable where the answer has to hold every append that was acknowledged before the read began, unless Limited. Any
	// other level demands a prefix alone.
	Level Level
	// Limited: the answer may stop early.
	Limited bool
}

// Trim removes the log's entries below First; answered by Done. What the log removes by itself is recorded like one that was asked for: invoked
// when the removal was proposed at the earliest.
type Trim struct{ First uint64 }

func (Put) request()     {}
func (Delete) request()  {}
func (Swap) request()    {}
func (Txn) request()     {}
func (Compact) request() {}
func (Get) request()     {}
func (Range) request()   {}
func (Append) request()  {}
func (LogGet) request()  {}
func (Tail) request()    {}
func (Trim) request()    {}

// Level says how new a read's answer has to be. Whatever the level, an answer is the state at one revision, one that had been
// reached when the read returned, and is not older than what the same replica answered before the read began.
type Level uint8

const (
	// Linearizable: the answer holds everything that was completed before the read began.
	Linearizable Level = iota
	// Local: whatever the replica has applied.
	Local
	// AtLeast: the replica has applied Read.Index and Read.Revision, whichever is given.
	AtLeast
	// MaxStaleness: the answer holds everything that was completed Read.Staleness before the read began.
	MaxStaleness
)

// Read says what a read of the store has to give. The zero value is a linearizable read.
type Read struct {
	Level Level
	// Index and Revision are those of AtLeast, 0 for none.
	Index    model.Index
	Revision model.Revision
	// Staleness is that of MaxStaleness, in nanoseconds. Whoever lets clocks drift adds what they may be off by.
	Staleness int64
}
