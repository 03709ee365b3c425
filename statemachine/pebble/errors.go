package pebble

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// Errors by what the caller may do, besides those of package statemachine; test with errors.Is.
var (
	// ErrNoSpace: the disk is full. Nothing is lost; the call may be repeated, and the store resumes by itself once
	// there is space.
	ErrNoSpace = errors.New("statemachine/pebble: no space left on device")
	// ErrFailed: the store met a fault that it can't go on from. Close it, and open it again; where that fails, too, move the directory away and open an
	// empty one: what was in it comes back from an image and the log.
	ErrFailed = errors.New("statemachine/pebble: the store has failed")
	// ErrInUse: the namespace is open. Close its engine first.
	ErrInUse = errors.New("statemachine/pebble: the namespace is in use")
	// ErrIncomplete: the namespace holds an image of which a part is missing, because the process ended during
	// Restore. Drop it and restore again.
	ErrIncomplete = errors.New("statemachine/pebble: the namespace holds a part of an image")
	// ErrNotEmpty: Restore needs an empty engine. Restore into a fresh epoch.
	ErrNotEmpty = errors.New("statemachine/pebble: the namespace is not empty")
)

// CorruptionError: a file is damaged or a record in it does not decode. It comes wrapped with ErrFailed.
type CorruptionError struct {
	// Path is the damaged file, or the store's directory when it is not known which file it is.
	Path string
	// Err says what was found.
	Err error
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("%s is damaged: %v; nothing of the logs is lost: stop the node, move the engine's directory away, and start it again, so that its stores are made anew from its images, its logs and the leaders (docs/operations.md, \"Damage\")", e.Path, e.Err)
}

// Unwrap gives Err.
func (e *CorruptionError) Unwrap() error { return e.Err }

// isNoSpace reports whether an error of the file system says that the disk is full.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// isCorruption reports whether Pebble or the decoding of a record found damage.
func isCorruption(err error) bool { return pebble.IsCorruptionError(err) || errors.Is(err, errRecord) }
