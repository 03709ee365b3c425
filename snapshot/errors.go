package snapshot

import (
	"errors"
	"fmt"
	"os"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

var (
	// ErrNoSpace: the device is full. What was being written is given up (Writer) or kept for later (Receiver); nothing
	// else is lost. Test with errors.Is.
	ErrNoSpace = fs.ErrNoSpace
	// ErrNotFound: the store has no such image, or only a bad one.
	ErrNotFound = errors.New("snapshot: no such image")
	// ErrIdentity: an image belongs to another cluster, group or incarnation.
	ErrIdentity = errors.New("snapshot: the image belongs to another group")
	// ErrOrder: a chunk was put out of turn.
	ErrOrder = errors.New("snapshot: chunk out of order")
	// ErrChecksum: a chunk's data does not fit its CRC. It was damaged on its way; ask for it again.
	ErrChecksum = errors.New("snapshot: chunk damaged on its way")
	// ErrBusy: the image is being received already, or as many transfers are under way as are allowed.
	ErrBusy = errors.New("snapshot: too many transfers under way, try again later")
	// ErrClosed: the writer, reader or receiver was committed, closed or aborted before.
	ErrClosed = os.ErrClosed
	// ErrFrame: a frame of the transfer protocol can't be understood. The sender is faulty or hostile.
	ErrFrame = errors.New("snapshot: malformed frame")
)

// CorruptionError says that an image file is not what was written, and where.
type CorruptionError struct {
	Path string
	// Offset is where in the file the bad part begins, in bytes.
	Offset int64
	// Err says what was expected and what was found.
	Err error
}

// Error names the file, the offset and what is wrong there.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("snapshot: %s is corrupt at offset %d: %v; it is passed over and left in place, make or fetch another image",
		e.Path, e.Offset, e.Err)
}

// Unwrap gives what is wrong.
func (e *CorruptionError) Unwrap() error { return e.Err }

func corrupt(path string, offset int64, format string, args ...any) error {
	return &CorruptionError{Path: path, Offset: offset, Err: fmt.Errorf(format, args...)}
}
