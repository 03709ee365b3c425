package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Error is a request's outcome other than success, as it travels.
type Error struct {
	Code Code
	// Message is for people.
	Message string
	// Leader and Address: CodeNotLeader. Either may be empty.
	Leader  string
	Address string
	// First and Position: CodeCompacted.
	First    uint64
	Position uint64
	// Asked and Bound: CodeRevisionCompacted, CodeFutureRevision.
	Asked uint64
	Bound uint64
	// Field and Problem: CodeBadRequest, CodeTooLarge, CodeNotFound, CodeDuplicateWrite, CodeUnsupported.
	Field   string
	Problem string
}

// Error gives the code and the message.
func (e *Error) Error() string {
	text := e.Message
	if text == "" && e.Field != "" {
		text = e.Field + ": " + e.Problem
	}
	if text == "" {
		return "the node answered: " + e.Code.String()
	}
	return fmt.Sprintf("the node answered: %v: %s", e.Code, text)
}

// BadRequest is an Error that says what is wrong with a request.
func BadRequest(field, format string, args ...any) *Error {
	return &Error{Code: CodeBadRequest, Field: field, Problem: fmt.Sprintf(format, args...)}
}

// asError gives any error as one that can travel.
func asError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return &Error{Code: CodeTimeout, Message: err.Error()}
	}
	return &Error{Code: CodeFailed, Message: err.Error()}
}

var (
	// ErrClosed: the connection was closed by this side.
	ErrClosed = errors.New("rpc: the connection is closed")
	// ErrGoingAway: the node is about to close the connection and takes no more requests on it; connect to another one.
	ErrGoingAway = errors.New("rpc: the node is closing")
	// ErrMalformed: what came is not the msgpack that was expected. The other side is faulty or hostile.
	ErrMalformed = errors.New("rpc: malformed message")
	// ErrSlowReader: the other side does not read what it asked for.
	ErrSlowReader = errors.New("rpc: the other side does not read its answers")
)

// RefusedError says that the other side did not accept the connection.
type RefusedError struct {
	Address string
	// Cluster is the name of the cluster that the node belongs to.
	Cluster string
	Reason  string
}

// Error gives the reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("rpc: %s refused the connection: %s", e.Address, e.Reason)
}

// CallError says that no answer to a request came.
type CallError struct {
	// Sent: the request may have reached the node, so that a write may have been done. Unset, it did not leave.
	Sent bool
	// Err is why: the connection's error, or that of the caller's context.
	Err error
}

// Error says whether the request left, and why there is no answer.
func (e *CallError) Error() string {
	if e.Sent {
		return "rpc: the request was sent, but no answer came: " + bare(e.Err)
	}
	return "rpc: the request was not sent: " + bare(e.Err)
}

// Unwrap gives the reason.
func (e *CallError) Unwrap() error { return e.Err }

// meetingError says with which node a connection could not be made.
type meetingError struct {
	doing   string
	address string
	err     error
}

// Error says what was done.
func (e *meetingError) Error() string {
	return fmt.Sprintf("rpc: %s %s: %s", e.doing, e.address, bare(e.err))
}

// Unwrap gives the reason.
func (e *meetingError) Unwrap() error { return e.err }

// bare is an error's text without the name of this package, for errors that begin with it themselves.
func bare(err error) string { return strings.TrimPrefix(err.Error(), "rpc: ") }
