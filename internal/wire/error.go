package wire

import "fmt"

// Part names the part of a frame that a FrameError is about.
type Part string

// The parts of a frame.
const (
	PartMagic        Part = "magic"
	PartVersion      Part = "version"
	PartKind         Part = "kind"
	PartFlags        Part = "flags"
	PartReserved     Part = "reserved bytes"
	PartHeadLength   Part = "head length"
	PartBodyLength   Part = "body length"
	PartHeadChecksum Part = "checksum of header and head"
	PartBodyChecksum Part = "checksum of the body"
)

// FrameError says that what stands in a stream (or was to be written to it) is not a frame that may stand there. After
// reading one the stream can't be used any more: where the next frame begins is not known.
type FrameError struct {
	Part Part
	// Offset is where the frame begins in the stream, in bytes from where reading began; -1 for a frame to be written.
	Offset int64
	// Expected is what should have been found; for the two lengths, the most that is allowed.
	Expected uint64
	Found    uint64
}

// Error says what was expected, what was found, and what to do.
func (e *FrameError) Error() string {
	where := "to be written"
	if e.Offset >= 0 {
		where = fmt.Sprintf("at byte %d of the stream", e.Offset)
	}
	return fmt.Sprintf("wire: frame %s: %s", where, e.reason())
}

func (e *FrameError) reason() string {
	switch e.Part {
	case PartMagic:
		return fmt.Sprintf("expected magic %#04x, found %#04x: this is no frame; does the address belong to this port?", e.Expected, e.Found)
	case PartVersion:
		return fmt.Sprintf("expected frame version %d, found %d: upgrade the older side", e.Expected, e.Found)
	case PartKind:
		return fmt.Sprintf("expected kind %d, found %d: the other side speaks another protocol", e.Expected, e.Found)
	case PartHeadLength, PartBodyLength:
		return fmt.Sprintf("expected a %s of at most %d bytes, found %d: raise the limit on both sides or send less at once", e.Part, e.Expected, e.Found)
	}
	return fmt.Sprintf("expected %s %#x, found %#x: the bytes were damaged on the way or by the sender; connect again", e.Part, e.Expected, e.Found)
}
