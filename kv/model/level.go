package model

import (
	"fmt"
	"math"
	"time"
)

// LevelKind is what a ReadLevel asks for. Its numbers are those of the client port.
type LevelKind uint8

// The kinds of levels; Linearizable, Local and so on make the levels.
const (
	LevelLinearizable    LevelKind = 0
	LevelLocal           LevelKind = 1
	LevelLease           LevelKind = 2
	LevelAtLeastIndex    LevelKind = 3
	LevelAtLeastRevision LevelKind = 4
	LevelMaxStaleness    LevelKind = 5
)

// ReadLevel says how new a read's answer has to be: Linearizable, Lease, Local, or what AtLeastIndex, AtLeastRevision or MaxStaleness gives.
// It is the same for a key, a range, a count and a transaction that only reads. The zero value is Linearizable; levels may be compared.
type ReadLevel struct {
	Kind LevelKind
	// Bound is the index or revision that the answer has to hold, or its greatest age in nanoseconds; 0 with the other kinds.
	Bound uint64
}

// The levels that have no bound. Nobody may assign to them.
var (
	// Linearizable, the default: the answer holds every write that completed before the read began. It takes a round of
	// messages to a quorum, which concurrent reads share, and from another replica than the leader a message there and back. It fails
	// where no leader can be found.
	Linearizable = ReadLevel{Kind: LevelLinearizable}
	// Local: the answer is what the asked replica has applied, however old that is. The result says its index. It takes no
	// message and works on a replica that is cut off.
	Local = ReadLevel{Kind: LevelLocal}
	// Lease: as Linearizable, but the leader answers without a round while a quorum has promised to elect nobody else. That
	// holds as long as no monotonic clock runs a tenth faster than another. Without a lease, as in a group that has not turned leases
	// on (node.GroupOptions.Lease), and on another replica than the leader, it is Linearizable.
	Lease = ReadLevel{Kind: LevelLease}
)

// AtLeastIndex is the level of an answer that holds all entries up to an index, as an earlier result named it (Applied): the read waits
// until the asked replica has applied it. It takes no message; on a replica that is cut off it may wait for ever.
func AtLeastIndex(index Index) ReadLevel {
	return ReadLevel{Kind: LevelAtLeastIndex, Bound: uint64(index)}
}

// AtLeastRevision is AtLeastIndex with a revision, such as a write's: who has written reads what was written, on any replica.
func AtLeastRevision(revision Revision) ReadLevel {
	return ReadLevel{Kind: LevelAtLeastRevision, Bound: uint64(revision)}
}

// MaxStaleness is the level of an answer that holds every write that had completed d before the read began, or earlier; d is at least 0.
// It is served without a message while the asked replica has confirmed its state within d, and as Linearizable otherwise.
func MaxStaleness(d time.Duration) ReadLevel {
	return ReadLevel{Kind: LevelMaxStaleness, Bound: uint64(d)}
}

// String gives the level in words.
func (l ReadLevel) String() string {
	switch l.Kind {
	case LevelLinearizable:
		return "linearizable"
	case LevelLocal:
		return "local"
	case LevelLease:
		return "lease"
	case LevelAtLeastIndex:
		return fmt.Sprintf("at least index %d", l.Bound)
	case LevelAtLeastRevision:
		return fmt.Sprintf("at least revision %d", l.Bound)
	case LevelMaxStaleness:
		return fmt.Sprintf("at most %v old", l.Staleness())
	}
	return fmt.Sprintf("level(%d)", uint8(l.Kind))
}

// Staleness is the bound of MaxStaleness as a time.
func (l ReadLevel) Staleness() time.Duration { return time.Duration(l.Bound) }

// OfReplica says that such a read is mostly served by any replica without a message, so that there is no point in asking the leader.
func (l ReadLevel) OfReplica() bool { return l.Kind != LevelLinearizable && l.Kind != LevelLease }

// Validate says whether there is such a level, with an *InvalidError.
func (l ReadLevel) Validate() error {
	switch {
	case l.Kind > LevelMaxStaleness:
		return &InvalidError{Field: "level", Problem: fmt.Sprintf("expected one of those known here, 0 to %d, found %v", LevelMaxStaleness, l)}
	case l.Kind <= LevelLease && l.Bound != 0:
		return &InvalidError{Field: "level", Problem: fmt.Sprintf("expected no bound with %v, found %d", l, l.Bound)}
	case l.Kind == LevelMaxStaleness && l.Bound > math.MaxInt64:
		return &InvalidError{Field: "level", Problem: fmt.Sprintf("expected a staleness of 0 or more, found %v", l.Staleness())}
	}
	return nil
}
