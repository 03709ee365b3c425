package snapshot

import (
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// Reader reads an image and keeps it from being removed until it is closed. It belongs to one goroutine at a time. It
// satisfies statemachine.ChunkSource.
type Reader struct {
	store  *Store
	image  *image
	f      fs.File
	path   string
	layout *layout
	next   uint32
	buf    []byte
	digest digester
	closed bool
}

// Open opens an image for reading. It fails with ErrNotFound when the store has no such image or only a bad one. It blocks
// on the disk.
func (s *Store) Open(m Meta) (*Reader, error) {
	s.mu.Lock()
	img := s.find(m)
	if img != nil {
		img.pins++
	}
	s.mu.Unlock()
	if img == nil {
		return nil, fmt.Errorf("%w: %v", ErrNotFound, m)
	}
	r := &Reader{store: s, image: img, path: path.Join(s.dir, img.name)}
	if err := r.open(); err != nil {
		r.Close()
		// A shortage of file descriptors, say, passes; a bad or missing file does not.
		if errors.As(err, new(*CorruptionError)) || errors.Is(err, ErrIdentity) || errors.Is(err, fs.ErrNotExist) {
			s.condemn(img, err)
			return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return nil, err
	}
	return r, nil
}

func (r *Reader) open() (err error) {
	if r.f, err = r.store.fsys.Open(r.path); err != nil {
		return fmt.Errorf("snapshot: opening an image: %w", err)
	}
	if r.layout, err = r.store.checkedLayout(r.f, r.image.name); err != nil {
		return err
	}
	r.digest = newDigester(r.layout.header.raw)
	return nil
}

// Meta describes the image.
func (r *Reader) Meta() Meta { return r.layout.meta }

// Chunk reads one chunk and checks it. The caller owns the data. After an error other than a number out of range the image
// is out of use (Store.Problems). It blocks on the disk.
func (r *Reader) Chunk(number uint32) (Chunk, error) {
	c, _, err := r.read(number, nil)
	return c, err
}

func (r *Reader) read(number uint32, buf []byte) (Chunk, []byte, error) {
	if r.closed {
		return Chunk{}, buf, fmt.Errorf("snapshot: reading %s: %w", r.path, ErrClosed)
	}
	if number >= r.layout.meta.Chunks {
		return Chunk{}, buf, fmt.Errorf("snapshot: %s has chunks 0 to %d, not %d", r.path, int64(r.layout.meta.Chunks)-1, number)
	}
	at, want := r.layout.offsets[number], r.layout.table[number]
	c, buf, err := readChunk(r.f, r.path, r.layout.size, at, r.layout.header.seed(), number, buf)
	if err == nil && (c.CRC != want.crc || len(c.Data) != int(want.length)) {
		err = corrupt(r.path, at, "expected chunk %d of %d bytes with CRC %08x as the trailer has it, found %d bytes with %08x",
			number, want.length, want.crc, len(c.Data), c.CRC)
	}
	if err != nil {
		r.store.condemn(r.image, err)
		return Chunk{}, buf, err
	}
	return c, buf, nil
}

// Next gives the chunks in order, then io.EOF. The chunk is valid until the following call. Before io.EOF the digest of the
// whole image is checked. It blocks on the disk.
func (r *Reader) Next() ([]byte, error) {
	if !r.closed && r.next == r.layout.meta.Chunks {
		if got := r.digest.digest(); got != r.layout.meta.Digest {
			err := corrupt(r.path, 0, "expected digest %v, found %v", r.layout.meta.Digest, got)
			r.store.condemn(r.image, err)
			return nil, err
		}
		return nil, io.EOF
	}
	c, buf, err := r.read(r.next, r.buf)
	r.buf = buf
	if err != nil {
		return nil, err
	}
	r.next++
	r.digest.add(c)
	return c.Data, nil
}

// drain reads to the end.
func (r *Reader) drain() error {
	for {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Close releases the image. Calling it again does nothing.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.store.mu.Lock()
	r.image.pins--
	r.store.mu.Unlock()
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}
