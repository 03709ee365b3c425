package raft

import (
	"fmt"
	"time"
)

// RecordHeaderSize is the number of bytes that precede every body in the log (docs/format.md, "Record").
const RecordHeaderSize = 64

// Index numbers the entries of a group's log. The first entry has index 1; 0 is "before the log".
type Index uint64

// Term numbers elections. Terms start at 1; 0 is "no term yet".
type Term uint64

// Position is a byte offset in a group's log, equal on every replica.
type Position uint64

// NodeID names a node within its cluster: 1 to 64 bytes of UTF-8, as the operator chose it.
type NodeID string

// None is the absence of a node.
const None NodeID = ""

// GroupID names a group within its cluster; 0 is not a group.
type GroupID uint64

// Monotonic is a reading of a clock that never goes back, in nanoseconds from an arbitrary origin. It has nothing to do with
// the time of day and means nothing on another node or after a restart.
type Monotonic int64

// Add is the reading d later.
func (t Monotonic) Add(d time.Duration) Monotonic { return t + Monotonic(d) }

// Sub is the time from u to t.
func (t Monotonic) Sub(u Monotonic) time.Duration { return time.Duration(t - u) }

// EntryID names an entry. Two entries with the same id in one group are the same entry (log matching property,
// Raft thesis §3.5).
type EntryID struct {
	Index Index
	Term  Term
}

// String gives index(tTerm), as scripts and errors print it.
func (id EntryID) String() string { return fmt.Sprintf("%d(t%d)", id.Index, id.Term) }

// Less orders ids as the election restriction does: by term, then by index (Raft thesis §3.6.1).
func (id EntryID) Less(other EntryID) bool {
	if id.Term != other.Term {
		return id.Term < other.Term
	}
	return id.Index < other.Index
}

// Kind says what an entry's body is. It is stored in the record header.
type Kind uint8

const (
	// KindEmpty is the entry with which a leader opens its term. It has no body.
	KindEmpty Kind = 1
	// KindData carries an opaque body for the machine, or a record of a log-only group.
	KindData Kind = 2
	// KindConfig carries an encoded Configuration. It takes effect when it is appended.
	KindConfig Kind = 3
	// KindTrim carries an encoded Trim: the log's head is removed below it.
	KindTrim Kind = 4
	// KindFormat carries the format in which the entries after it are encoded.
	KindFormat Kind = 5
)

// Entry is what the core is told of an entry.
type Entry struct {
	ID   EntryID
	Kind Kind
	// Size is what the record takes in the log, in bytes: RecordSize(len(body)). Filler between segments is not counted.
	Size uint32
	// Body passes through the core from Propose or Step to Output.Append and is not kept there, but for configurations,
	// which the core decodes. A caller that holds bodies elsewhere may leave it nil for every other kind.
	Body []byte
}

// RecordSize is the number of bytes a record with a body of bodyLen bytes takes in the log: header, body and padding to 8.
func RecordSize(bodyLen int) uint32 { return uint32(RecordHeaderSize+bodyLen+7) &^ 7 }

// HardState is what must be durable before a node votes or acknowledges (Raft thesis §3.8). The commit index is not part
// of it: no flush is spent on it.
type HardState struct {
	Term Term
	Vote NodeID
}

// Waypoint says where in the log an entry ends. The core estimates the bytes between two entries from waypoints.
type Waypoint struct {
	Index Index
	End   Position
}

// Base is where a ledger begins: everything up to and including ID has been removed, or came as an image.
type Base struct {
	// ID is the last entry that is not in the ledger; zero for a ledger that begins at the log's start.
	ID EntryID
	// Position is where that entry ends and the first record of the ledger begins, filler apart.
	Position Position
	// Checksum is that entry's header checksum, which the first record chains to.
	Checksum uint32
	// Format is the encoding in force after ID.
	Format uint32
	// LogTime is that entry's time, in nanoseconds since the Unix epoch by the leader's clock.
	LogTime int64
	// Configuration is the one in force after ID.
	Configuration Configuration
}

// Restart is what a core is started from: the durable state of the replica, as the ledger recovered it.
type Restart struct {
	State HardState
	Base  Base
	// Last is the last entry of the ledger; equal to Base.ID when the ledger is empty.
	Last EntryID
	// Terms holds the first entry of each run of entries with one term above the base, in ascending order.
	Terms []EntryID
	// Waypoints holds some of the ledger's entries, ascending, about one for each 64 KiB, best with one at Last; it may be
	// empty. Entries behind the last one are taken to have no body.
	Waypoints []Waypoint
	// Configurations holds the configuration entries above the base, ascending.
	Configurations []ConfigurationEntry
	// Commit is known to be committed, for instance because a machine has durably applied it; at least Base.ID.Index.
	Commit Index
}

// ConfigurationEntry is a configuration and the entry that carries it.
type ConfigurationEntry struct {
	ID            EntryID
	Configuration Configuration
}

// Role is what a replica is in its group at the moment.
type Role uint8

const (
	// Follower accepts entries from the leader of its term.
	Follower Role = iota
	// PreCandidate asks whether an election could be won, without raising its term (Raft thesis §9.6).
	PreCandidate
	// Candidate asks for votes in its term.
	Candidate
	// Leader orders the entries of its term.
	Leader
	// Learner is a follower that has no vote in the configuration in force.
	Learner
)

// String gives the role's name in lower case.
func (r Role) String() string {
	switch r {
	case Follower:
		return "follower"
	case PreCandidate:
		return "pre-candidate"
	case Candidate:
		return "candidate"
	case Leader:
		return "leader"
	case Learner:
		return "learner"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}
