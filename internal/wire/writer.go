package wire

import (
	"fmt"
	"hash/crc32"
	"io"
	"net"
)

const (
	// copyBytes is up to which length a slice is copied next to the header before it instead of being a buffer of its own:
	// a copy of this size costs less than one more entry for the kernel to follow.
	copyBytes = 1 << 10
	// keptBytes is the most staging space that a Writer keeps between flushes.
	keptBytes = 1 << 20
	// keptBuffers is the most entries of the list of buffers that it keeps.
	keptBuffers = 16 << 10
)

// Writer puts frames on a stream, many with one system call. Append stages, Flush writes. One goroutine at a time.
//
// On a TCP connection a flush is one writev (one for each 1,024 buffers); on any other stream one Write for each buffer.
type Writer struct {
	stream io.Writer
	limits Limits
	// staged holds headers and short slices; staged[cut:] is not yet in buffers.
	staged  []byte
	cut     int
	buffers [][]byte
	// flushing is a field so that passing it to the stream allocates nothing.
	flushing net.Buffers
	bytes    int
}

// NewWriter writes frames to w. limits are those of the reader at the other end.
func NewWriter(w io.Writer, limits Limits) *Writer {
	return &Writer{stream: w, limits: limits.withDefaults()}
}

// Append stages a frame with a head and a body that is the pieces of body one after the other. checked puts a checksum of the
// body into the header; without it the body has to check itself. Longer slices are not copied: none may change before Flush
// or Discard has returned. It fails with *FrameError, and stages nothing, when the frame is over the limits.
func (w *Writer) Append(kind uint8, checked bool, head []byte, body ...[]byte) error {
	h := header{kind: kind}
	var bodyLen uint64
	for _, piece := range body {
		bodyLen += uint64(len(piece))
	}
	if err := w.limits.Check(uint64(len(head)), bodyLen); err != nil {
		return err
	}
	if checked {
		h.flags |= flagBodyChecked
		for _, piece := range body {
			h.bodyCRC = crc32.Update(h.bodyCRC, castagnoli, piece)
		}
	}
	h.headLen, h.bodyLen = uint32(len(head)), uint32(bodyLen)
	w.staged = h.appendTo(w.staged, head)
	w.stage(head)
	for _, piece := range body {
		w.stage(piece)
	}
	w.bytes += HeaderSize + len(head) + int(bodyLen)
	return nil
}

// stage adds a slice, by copy when it is short. A growing staged may move, which leaves the parts that were cut off before
// where they were, unchanged.
func (w *Writer) stage(b []byte) {
	if len(b) <= copyBytes {
		w.staged = append(w.staged, b...)
		return
	}
	w.cutStaged()
	w.buffers = append(w.buffers, b)
}

func (w *Writer) cutStaged() {
	if w.cut < len(w.staged) {
		w.buffers = append(w.buffers, w.staged[w.cut:len(w.staged):len(w.staged)])
		w.cut = len(w.staged)
	}
}

// Staged is the number of bytes that the next Flush writes.
func (w *Writer) Staged() int { return w.bytes }

// Flush writes what is staged, blocking on the stream, and forgets the slices it was given. After an error, which is the
// stream's, wrapped, part of it may have been written: the stream is of no more use.
func (w *Writer) Flush() error {
	if w.bytes == 0 {
		return nil
	}
	w.cutStaged()
	want := int64(w.bytes)
	w.flushing = w.buffers
	n, err := w.flushing.WriteTo(w.stream)
	w.Discard()
	if err != nil {
		return fmt.Errorf("wire: writing frames: %d of %d bytes written: %w", n, want, err)
	}
	return nil
}

// Discard forgets what is staged.
func (w *Writer) Discard() {
	clear(w.buffers)
	w.buffers, w.staged, w.flushing = w.buffers[:0], w.staged[:0], nil
	if cap(w.staged) > keptBytes {
		w.staged = nil
	}
	if cap(w.buffers) > keptBuffers {
		w.buffers = nil
	}
	w.cut, w.bytes = 0, 0
}
