package image

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// ErrFormat: the stream is not an image, or one in an encoding that this release does not know.
var ErrFormat = errors.New("image: unknown encoding")

// CorruptError: an image is damaged. Another one must be fetched; whatever was restored from this one must be dropped.
type CorruptError struct {
	// Chunk counts the chunks from 0; Offset is a byte offset in it.
	Chunk, Offset int
	// Err says what was expected and what was found; io.ErrUnexpectedEOF for an image that ends too early.
	Err error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("image: corrupt at chunk %d, offset %d: %v", e.Chunk, e.Offset, e.Err)
}

// Unwrap gives Err.
func (e *CorruptError) Unwrap() error { return e.Err }

// Reader reads an image from its chunks and trusts none of it: lengths, order, counts and the hash are checked. What it gave
// is known to be right only when Next has returned io.EOF.
type Reader struct {
	src    statemachine.ChunkSource
	head   Header
	order  order
	hash   hash.Hash
	chunk  []byte
	at     int    // offset in chunk of what comes next
	number int    // of chunk; -1 before the first
	key    []byte // of the versions at hand; a copy, as a key's versions may span chunks
	keyed  bool   // key has been read
	bare   bool   // no version of key has been read yet
	err    error  // what Next says from now on
}

// NewReader reads an image's header from the first chunk. Errors are ErrFormat, *CorruptError, or the source's.
func NewReader(src statemachine.ChunkSource) (*Reader, error) {
	r := &Reader{src: src, hash: sha256.New(), number: -1}
	if err := r.load(); err != nil {
		return nil, err
	}
	if len(r.chunk) < headerBytes || string(r.chunk[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: expected it to begin with %q, found %q", ErrFormat, magic, r.chunk[:min(len(magic), len(r.chunk))])
	}
	r.head = Header{
		Applied:   statemachine.Index(binary.LittleEndian.Uint64(r.chunk[8:])),
		Revision:  statemachine.Revision(binary.LittleEndian.Uint64(r.chunk[16:])),
		Compacted: statemachine.Revision(binary.LittleEndian.Uint64(r.chunk[24:])),
	}
	if r.head.Compacted > r.head.Revision {
		return nil, r.corrupt("compacted revision %d is above revision %d", r.head.Compacted, r.head.Revision)
	}
	r.order.head = r.head
	r.at = headerBytes
	return r, nil
}

// Header gives what the image says of the state as a whole.
func (r *Reader) Header() Header { return r.head }

// Next gives the next version, in ascending order of key and then of revision, or io.EOF after the last, once the whole was
// found right. Its slices are valid until the following call. Errors are *CorruptError or the source's.
func (r *Reader) Next() (statemachine.Event, error) {
	if r.err != nil {
		return statemachine.Event{}, r.err
	}
	ev, err := r.next()
	r.err = err
	return ev, err
}

func (r *Reader) next() (statemachine.Event, error) {
	for {
		if r.at == len(r.chunk) {
			r.hash.Write(r.chunk)
			if err := r.load(); err != nil {
				return statemachine.Event{}, err
			}
		}
		switch tag := r.chunk[r.at]; tag {
		case tagKey:
			if err := r.readKey(); err != nil {
				return statemachine.Event{}, err
			}
		case tagPut, tagDelete:
			return r.readVersion(tag == tagDelete)
		case tagEnd:
			return statemachine.Event{}, r.readEnd()
		default:
			return statemachine.Event{}, r.corrupt("unknown tag %d", tag)
		}
	}
}

// load gets the next chunk.
func (r *Reader) load() error {
	chunk, err := r.src.Next()
	r.number, r.at = r.number+1, 0
	if err == io.EOF {
		r.chunk = nil
		return &CorruptError{Chunk: r.number, Err: fmt.Errorf("expected a chunk: %w", io.ErrUnexpectedEOF)}
	}
	if err != nil {
		return err
	}
	r.chunk = chunk
	if len(chunk) == 0 {
		return r.corrupt("empty chunk")
	}
	return nil
}

// take gives the next n bytes of the chunk; no item is split between chunks.
func (r *Reader) take(n int) ([]byte, error) {
	if left := len(r.chunk) - r.at; left < n {
		return nil, r.corrupt("expected %d bytes, found %d", n, left)
	}
	b := r.chunk[r.at : r.at+n : r.at+n]
	r.at += n
	return b, nil
}

// takeLong gives as many bytes as a length read from the image says.
func (r *Reader) takeLong(n uint32) ([]byte, error) {
	if left := len(r.chunk) - r.at; uint64(n) > uint64(left) {
		return nil, r.corrupt("expected %d bytes, found %d", n, left)
	}
	return r.take(int(n))
}

func (r *Reader) readKey() error {
	if r.bare {
		return r.corrupt("key %q has no version", r.key)
	}
	b, err := r.take(keyBytes)
	if err != nil {
		return err
	}
	key, err := r.takeLong(binary.LittleEndian.Uint32(b[1:]))
	if err != nil {
		return err
	}
	if r.keyed && string(key) == string(r.key) {
		return r.corrupt("key %q comes twice", key)
	}
	r.key = append(r.key[:0], key...)
	r.keyed, r.bare = true, true
	return nil
}

func (r *Reader) readVersion(deleted bool) (statemachine.Event, error) {
	if !r.keyed {
		return statemachine.Event{}, r.corrupt("a version without a key")
	}
	size := putBytes
	if deleted {
		size = deleteBytes
	}
	b, err := r.take(size)
	if err != nil {
		return statemachine.Event{}, err
	}
	ev := statemachine.Event{Sub: binary.LittleEndian.Uint32(b[9:]), Deleted: deleted}
	ev.Item.Key = r.key
	ev.Item.Mod = statemachine.Revision(binary.LittleEndian.Uint64(b[1:]))
	if !deleted {
		ev.Item.Create = statemachine.Revision(binary.LittleEndian.Uint64(b[13:]))
		ev.Item.Version = binary.LittleEndian.Uint64(b[21:])
		ev.Item.Lease = binary.LittleEndian.Uint64(b[29:])
		if ev.Item.Value, err = r.takeLong(binary.LittleEndian.Uint32(b[37:])); err != nil {
			return statemachine.Event{}, err
		}
	}
	if _, err := r.order.check(ev); err != nil {
		return statemachine.Event{}, r.corrupt("%w", err)
	}
	r.bare = false
	return ev, nil
}

// readEnd checks the trailer and that nothing follows it, and returns io.EOF if all is right.
func (r *Reader) readEnd() error {
	if r.bare {
		return r.corrupt("key %q has no version", r.key)
	}
	b, err := r.take(trailerBytes)
	if err != nil {
		return err
	}
	keys, versions := binary.LittleEndian.Uint64(b[1:]), binary.LittleEndian.Uint64(b[9:])
	if keys != r.order.keys || versions != r.order.versions {
		return r.corrupt("expected %d keys and %d versions, found %d and %d", keys, versions, r.order.keys, r.order.versions)
	}
	r.hash.Write(r.chunk[:r.at-sha256.Size])
	if sum := r.hash.Sum(nil); string(sum) != string(b[17:]) {
		return r.corrupt("expected hash %x, found %x", b[17:], sum)
	}
	if r.at != len(r.chunk) {
		return r.corrupt("%d bytes after the end", len(r.chunk)-r.at)
	}
	switch _, err := r.src.Next(); err {
	case io.EOF:
		return io.EOF
	case nil:
		return &CorruptError{Chunk: r.number + 1, Err: errors.New("a chunk after the end")}
	default:
		return err
	}
}

func (r *Reader) corrupt(format string, args ...any) error {
	return &CorruptError{Chunk: r.number, Offset: r.at, Err: fmt.Errorf(format, args...)}
}
