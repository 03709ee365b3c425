package ledger

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

var (
	// ErrNoSpace: the device is full. Nothing that was there is lost, and the call may be repeated when space has returned.
	ErrNoSpace = fs.ErrNoSpace
	// ErrMismatch: an entry id does not fit the log as it is now (any more).
	ErrMismatch = errors.New("ledger: the entry does not fit the log")
	// ErrTooLarge: a record would take more than a quarter of a segment.
	ErrTooLarge = errors.New("ledger: the record is larger than a quarter of a segment")
	// ErrExists: a directory already holds a replica of a group.
	ErrExists = errors.New("ledger: the directory already holds a group file")
	// ErrClosed: the ledger has been closed.
	ErrClosed = errors.New("ledger: closed")
)

// CorruptionError says that the disk does not hold what was written to it. The replica must stop: it may neither vote nor
// lead. Nothing has been removed or truncated.
type CorruptionError struct {
	// Path is the file, Offset the byte in it at which what is wrong begins.
	Path   string
	Offset int64
	// Index is the entry concerned, 0 if it isn't known.
	Index raft.Index
	// Err says what was expected and what was found.
	Err error
}

// Error names the file, the offset and the entry.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("ledger: corruption in %s at offset %d, entry %d: %v; nothing was removed: keep the directory as it is, 'ledgerkv ledger verify' shows the extent, and docs/operations.md, \"Damage\", what to do",
		e.Path, e.Offset, e.Index, e.Err)
}

// Unwrap gives the cause.
func (e *CorruptionError) Unwrap() error { return e.Err }

// CompactedError says that what was asked for lies below the first entry that the ledger still holds.
type CompactedError struct {
	// FirstIndex is the first index that is, or will be, in the ledger; FirstPosition is where the ledger begins.
	FirstIndex    raft.Index
	FirstPosition raft.Position
}

// Error says where the ledger begins now.
func (e *CompactedError) Error() string {
	return fmt.Sprintf("ledger: removed; the log begins at index %d, position %d", e.FirstIndex, e.FirstPosition)
}

// IdentityError says that a directory belongs to another node, group or cluster than the one it was opened for. Nothing
// was written.
type IdentityError struct {
	Path string
	// Field is what differs: "cluster", "group", "incarnation", "node", "directory" or "segment size".
	Field string
	// Want is what the caller expects, Found what the directory says.
	Want, Found string
}

// Error names the field and both values.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("ledger: %s belongs to another %s: expected %s, found %s; check the directory and the configuration",
		e.Path, e.Field, e.Want, e.Found)
}

// FormatError says that a file or record was written in a format that this version doesn't know. Nothing was written.
type FormatError struct {
	Path   string
	Offset int64
	// What is the thing in question, with the value found.
	What string
}

// Error says what was found and what to do.
func (e *FormatError) Error() string {
	return fmt.Sprintf("ledger: %s at offset %d has an unknown format: %s; use the version of LedgerKV that wrote it",
		e.Path, e.Offset, e.What)
}

// FailedError says that a write or flush failed and that the ledger is latched: nothing more is written, and every later call
// that would write gives this error.
type FailedError struct {
	// Op is what was done: "write", "datasync" …
	Op   string
	Path string
	Err  error
}

// Error names the operation, the file and the cause.
func (e *FailedError) Error() string {
	return fmt.Sprintf("ledger: %s of %s failed, the replica must stop: %v", e.Op, e.Path, e.Err)
}

// Unwrap gives the cause.
func (e *FailedError) Unwrap() error { return e.Err }

// NoSpaceError says that an entry was refused, or a write is to be repeated, because the device is full. It wraps ErrNoSpace.
type NoSpaceError struct {
	// Need and Room are bytes of log: what was asked for and what could still be written.
	Need, Room uint64
	Err        error
}

// Error says how much was asked for and how much room there is.
func (e *NoSpaceError) Error() string {
	return fmt.Sprintf("ledger: no space: %d bytes needed, room for %d; free some space on the device, writes resume by themselves: %v",
		e.Need, e.Room, e.Err)
}

// Unwrap gives the system's error, which wraps ErrNoSpace.
func (e *NoSpaceError) Unwrap() error { return e.Err }

// mismatch is ErrMismatch with what was expected and found.
func mismatch(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMismatch, fmt.Sprintf(format, args...))
}
