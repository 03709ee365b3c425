package wire

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	// readBufferBytes is what a Reader asks of its stream at once.
	readBufferBytes = 64 << 10
	// stepBytes is what a head or a body is given before its bytes arrive: a length that is a lie costs no more than this.
	stepBytes = 1 << 20
)

// Reader takes frames from a stream. It reads ahead, so nobody else may read the stream. One goroutine at a time.
type Reader struct {
	buffered *bufio.Reader
	limits   Limits
	// offset is where the next byte stands in the stream, start where the frame read last does.
	offset int64
	start  int64
	header [HeaderSize]byte
	// rest is the header of the frame whose body Body or Skip has still to take.
	rest header
}

// NewReader reads frames from r.
func NewReader(r io.Reader, limits Limits) *Reader {
	return &Reader{buffered: bufio.NewReaderSize(r, readBufferBytes), limits: limits.withDefaults()}
}

// SetLimits changes the limits from the next frame on, as after a handshake.
func (r *Reader) SetLimits(limits Limits) { r.limits = limits.withDefaults() }

// Buffered is the number of bytes that were read ahead: while it is 0 the next call of Next is sure to ask the stream.
func (r *Reader) Buffered() int { return r.buffered.Buffered() }

// Offset is where the frame that Next returned last begins in the stream, in bytes from where reading began.
func (r *Reader) Offset() int64 { return r.start }

// Next reads the next frame, blocking on the stream. The frame's slices are the caller's. It returns io.EOF when the stream
// ends between two frames, a *FrameError when what it holds is no frame or one over the limits, and otherwise the stream's
// error, wrapped (io.ErrUnexpectedEOF when the stream ends within a frame). After an error the reader is of no more use.
func (r *Reader) Next() (Frame, error) {
	f, _, err := r.Head()
	if err != nil {
		return Frame{}, err
	}
	if err := r.Body(&f); err != nil {
		return Frame{}, err
	}
	return f, nil
}

// Head reads the next frame up to its body, which takes bodyBytes: so that room can be found for it. Body or Skip has to be called next.
// Otherwise it is as Next.
func (r *Reader) Head() (f Frame, bodyBytes int, err error) {
	r.start = r.offset
	if err := r.fill(r.header[:], "header"); err != nil {
		return Frame{}, 0, err
	}
	h, err := parseHeader(r.header[:], r.limits, r.start)
	if err != nil {
		return Frame{}, 0, err
	}
	f = Frame{Kind: h.kind, BodyChecked: h.flags&flagBodyChecked != 0}
	if f.Head, err = r.grow(int(h.headLen), "head"); err != nil {
		return Frame{}, 0, err
	}
	if sum := headerChecksum(r.header[:], f.Head); sum != h.checksum {
		return Frame{}, 0, &FrameError{Part: PartHeadChecksum, Offset: r.start, Expected: uint64(sum), Found: uint64(h.checksum)}
	}
	r.rest = h
	return f, int(h.bodyLen), nil
}

// Body reads the body of the frame that Head gave into f, blocking on the stream. It fails as Next does.
func (r *Reader) Body(f *Frame) (err error) {
	if f.Body, err = r.grow(int(r.rest.bodyLen), "body"); err != nil {
		return err
	}
	if f.BodyChecked {
		if sum := crc32.Checksum(f.Body, castagnoli); sum != r.rest.bodyCRC {
			return &FrameError{Part: PartBodyChecksum, Offset: r.start, Expected: uint64(sum), Found: uint64(r.rest.bodyCRC)}
		}
	}
	return nil
}

// Skip passes over the body of the frame that Head gave, unchecked, blocking on the stream.
func (r *Reader) Skip() error {
	n, err := r.buffered.Discard(int(r.rest.bodyLen))
	r.offset += int64(n)
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("wire: passing over the body of a frame at byte %d of the stream: %w", r.offset, err)
}

// grow reads n bytes of the named part, allocating no more than a step, or as much again, ahead of what has arrived.
func (r *Reader) grow(n int, part string) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	buf := make([]byte, min(n, stepBytes))
	have := 0
	for {
		if err := r.fill(buf[have:], part); err != nil {
			return nil, err
		}
		if have = len(buf); have == n {
			return buf, nil
		}
		grown := make([]byte, min(n, 2*have))
		copy(grown, buf)
		buf = grown
	}
}

// fill reads exactly len(b) bytes of the named part.
func (r *Reader) fill(b []byte, part string) error {
	n, err := io.ReadFull(r.buffered, b)
	r.offset += int64(n)
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		if n == 0 && part == "header" {
			return io.EOF
		}
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("wire: reading the %s of a frame at byte %d of the stream: %w", part, r.offset, err)
}
