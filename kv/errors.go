package kv

import (
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/node"
)

// What a request can be refused for; described in package kv/model.
var (
	ErrNotFound       = model.ErrNotFound
	ErrCompacted      = model.ErrCompacted
	ErrFutureRevision = model.ErrFutureRevision
	ErrTooLarge       = model.ErrTooLarge
	ErrDuplicateWrite = model.ErrDuplicateWrite
	ErrUnsupported    = model.ErrUnsupported
)

// What can go wrong on the way; described in package node.
var (
	ErrBusy        = node.ErrBusy
	ErrUncertain   = node.ErrUncertain
	ErrClosed      = node.ErrClosed
	ErrDiskFull    = node.ErrDiskFull
	ErrNotAdmitted = node.ErrNotAdmitted
	ErrStateLost   = node.ErrStateLost
)

// The errors with fields, described in packages kv/model and node.
type (
	InvalidError   = model.InvalidError
	RevisionError  = model.RevisionError
	NotLeaderError = node.NotLeaderError
	FailedError    = node.FailedError
)
