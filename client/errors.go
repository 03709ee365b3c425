package client

import (
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// The errors of package kv/model, where they are described.
var (
	ErrNotFound       = model.ErrNotFound
	ErrCompacted      = model.ErrCompacted
	ErrFutureRevision = model.ErrFutureRevision
	ErrTooLarge       = model.ErrTooLarge
	ErrDuplicateWrite = model.ErrDuplicateWrite
	ErrUnsupported    = model.ErrUnsupported
)

// Errors by what the caller may do. With all but ErrUncertain nothing was done.
var (
	// ErrUncertain: the write may have been carried out or may yet be. Read before you repeat it.
	ErrUncertain = errors.New("client: the outcome of the write is unknown; read before you repeat it")
	// ErrUnavailable: no node could serve the request in time. The last reason is wrapped with it.
	ErrUnavailable = errors.New("client: no node could serve the request; nothing was done")
	// ErrDiskFull: the leader's disk is full. Reads go on, and writes do again when space returns.
	ErrDiskFull = errors.New("client: the disk of the node is full; nothing was written")
	// ErrCorrupt: what was asked for is damaged on a node's disk, and no other node could serve it. A read asks them all before
	// that.
	ErrCorrupt = errors.New("client: what was asked for is damaged on the disk of a node")
	// ErrNoGroup: the node that was asked has no group of this name.
	ErrNoGroup = errors.New("client: there is no such group")
	// ErrNoEntry: the log does not reach to the index asked for yet.
	ErrNoEntry = errors.New("client: the log has no such entry yet")
	// ErrWrongCluster: an endpoint belongs to another cluster than Options.Cluster. Correct the endpoints, or the name.
	ErrWrongCluster = errors.New("client: an endpoint belongs to another cluster")
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("client: closed")
	// ErrFailed: the node could not do it, for a reason that has no name here; the message says which.
	ErrFailed = errors.New("client: the node failed to do it")
)

// CompactedError says that the log asked for begins later: what was before is removed.
type CompactedError struct {
	// FirstIndex is the first entry that is there, FirstPosition where the log begins.
	FirstIndex    Index
	FirstPosition uint64
}

// Error says where the log begins.
func (e *CompactedError) Error() string {
	return fmt.Sprintf("client: removed; the log begins at index %d, position %d", e.FirstIndex, e.FirstPosition)
}

// The Field of an rpc.Error with CodeNotFound.
const (
	fieldGroup = "group"
	fieldIndex = "index"
)

// reason gives a node's answer as the error that callers know. REQUIRES: the answer is final.
func reason(e *rpc.Error) error {
	switch e.Code {
	case rpc.CodeUncertain:
		return fmt.Errorf("%w: %w", ErrUncertain, e)
	case rpc.CodeCompacted:
		return &CompactedError{FirstIndex: Index(e.First), FirstPosition: e.Position}
	case rpc.CodeRevisionCompacted:
		return &RevisionError{Asked: Revision(e.Asked), Bound: Revision(e.Bound), Err: ErrCompacted}
	case rpc.CodeFutureRevision:
		return &RevisionError{Asked: Revision(e.Asked), Bound: Revision(e.Bound), Err: ErrFutureRevision}
	case rpc.CodeNotFound:
		switch e.Field {
		case fieldGroup:
			return fmt.Errorf("%w: %w", ErrNoGroup, e)
		case fieldIndex:
			return fmt.Errorf("%w: %w", ErrNoEntry, e)
		}
		return fmt.Errorf("%w: %w", ErrNotFound, e)
	case rpc.CodeTooLarge:
		return &InvalidError{Field: e.Field, Problem: e.Problem, Err: ErrTooLarge}
	case rpc.CodeDuplicateWrite:
		return &InvalidError{Field: e.Field, Problem: e.Problem, Err: ErrDuplicateWrite}
	case rpc.CodeUnsupported:
		return &InvalidError{Field: e.Field, Problem: e.Problem, Err: ErrUnsupported}
	case rpc.CodeBadRequest:
		return &InvalidError{Field: e.Field, Problem: e.Problem}
	case rpc.CodeConfigurationChanged:
		return fmt.Errorf("%w: %w", ErrConfigurationChanged, e)
	case rpc.CodeDiskFull:
		return fmt.Errorf("%w: %w", ErrDiskFull, e)
	case rpc.CodeCorrupt:
		return fmt.Errorf("%w: %w", ErrCorrupt, e)
	}
	return fmt.Errorf("%w: %w", ErrFailed, e)
}
