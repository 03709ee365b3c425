package node

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Errors of a group, by what the caller may do.
var (
	// ErrBusy: a queue is full; nothing was done, try again later.
	ErrBusy = raft.ErrBusy
	// ErrUncertain: the entry may have been committed or may yet be; retry only what may be done twice.
	ErrUncertain = errors.New("node: the outcome is unknown; the entry may have been committed or may yet be")
	// ErrClosed: the node or group is closed; nothing was done.
	ErrClosed = errors.New("node: closed")
	// ErrTooLarge: the body does not fit into an entry of this group; nothing was done.
	ErrTooLarge = errors.New("node: the body is larger than an entry of this group may be")
	// ErrDiskFull: the device is full; nothing was done. Reads go on, and writes do again when space returns.
	ErrDiskFull = errors.New("node: the disk is full; nothing was written, free some space and try again")
	// ErrAlone: the node has no peers and no address, and opens no port; give it an address.
	ErrAlone = errors.New("node: alone, without a port for peers; give it a Listen address")
	// ErrStateLost: the state of this replica's machine could not be read when it was opened, and the leader has not sent another image yet; nothing
	// was done, ask another replica.
	ErrStateLost = errors.New("node: this replica has lost the state of its machine and waits for an image from the leader; ask another one")
	// ErrNotAdmitted: this directory is new and not every initial member has recognised it yet; try again later.
	ErrNotAdmitted = errors.New("node: waiting for every initial member to recognise this new directory")
)

// NotLeaderError names the leader, if one is known; nothing was done, ask there.
type NotLeaderError = raft.NotLeaderError

// FailedError says that a replica has stopped because of Err: a failed flush, corruption, a broken machine. Nothing that was waiting was
// acknowledged.
type FailedError struct {
	Group string
	Err   error
}

// Error names the group and the cause.
func (e *FailedError) Error() string {
	return fmt.Sprintf("node: the replica of group %q has stopped: %v", e.Group, e.Err)
}

// Unwrap gives the cause.
func (e *FailedError) Unwrap() error { return e.Err }

// uncertain is ErrUncertain with its reason.
func uncertain(reason error) error { return fmt.Errorf("%w: %w", ErrUncertain, reason) }

// ErrNotCommitted: the entry is not committed yet, as far as this replica knows.
var ErrNotCommitted = errors.New("node: the entry is not committed yet")

// ErrNotTransferred: leadership stayed where it was, or went elsewhere.
var ErrNotTransferred = errors.New("node: leadership was not transferred")
