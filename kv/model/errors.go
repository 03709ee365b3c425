package model

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound: the key does not exist at the revision that was read.
	ErrNotFound = errors.New("kv: the key does not exist")
	// ErrCompacted: the revision asked for is below the compacted one. See RevisionError.
	ErrCompacted = errors.New("the revision has been compacted")
	// ErrFutureRevision: the revision asked for has not been reached yet. See RevisionError.
	ErrFutureRevision = errors.New("the revision has not been reached yet")
	// ErrTooLarge: a key, a value, a transaction or what it would read is over its limit. See InvalidError.
	ErrTooLarge = errors.New("over the limit")
	// ErrDuplicateWrite: a branch of a transaction would write one key twice. See InvalidError.
	ErrDuplicateWrite = errors.New("written twice in one transaction")
	// ErrUnsupported: the request uses something that the store's format has room for but that is not in force. See
	// InvalidError.
	ErrUnsupported = errors.New("not supported in this format")
	// ErrMalformed: a log entry is no command that this format knows. See InvalidError.
	ErrMalformed = errors.New("malformed")
)

// InvalidError says that a request can't be carried out as it stands: nothing was done, and the same request will be refused
// again. errors.Is finds the reason where it has a name: ErrTooLarge, ErrDuplicateWrite, ErrUnsupported, ErrMalformed.
type InvalidError struct {
	// Field is the part of the request that is wrong, for instance "key" or "then operation 3: key".
	Field string
	// Problem says what was expected and what was found.
	Problem string
	// Err is the named reason, or nil.
	Err error
}

// Error gives the field and the problem.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("kv: invalid request: %s: %s; nothing was done", e.Field, e.Problem)
}

// Unwrap gives the named reason.
func (e *InvalidError) Unwrap() error { return e.Err }

// within puts the place where an error was found before its field. A nil error stays nil.
func within(place string, err error) error {
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	return &InvalidError{Field: place + ": " + invalid.Field, Problem: invalid.Problem, Err: invalid.Err}
}

// RevisionError says that a revision can't be read or compacted. errors.Is finds ErrCompacted or ErrFutureRevision.
type RevisionError struct {
	// Asked is the revision in the request.
	Asked Revision
	// Bound is the lowest readable revision with ErrCompacted, the newest one with ErrFutureRevision.
	Bound Revision
	// Err is ErrCompacted or ErrFutureRevision.
	Err error
}

// Error gives both revisions.
func (e *RevisionError) Error() string {
	if errors.Is(e.Err, ErrCompacted) {
		return fmt.Sprintf("kv: revision %d: %v; the oldest one that can be read is %d", e.Asked, e.Err, e.Bound)
	}
	return fmt.Sprintf("kv: revision %d: %v; the newest one is %d", e.Asked, e.Err, e.Bound)
}

// Unwrap gives ErrCompacted or ErrFutureRevision.
func (e *RevisionError) Unwrap() error { return e.Err }
