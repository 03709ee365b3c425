package snapshot

import (
	"fmt"
	"path"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Writer makes an image. It belongs to one goroutine at a time, and ends with Commit or Abort.
type Writer struct {
	sink *sink
	meta Meta
	done bool
}

// Create begins an image of the state at base.ID. It is written aside: nobody sees it before Commit. It blocks on the disk.
func (s *Store) Create(base raft.Base) (*Writer, error) {
	m := Meta{Identity: s.identity, Base: base}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("snapshot: creating an image: %w", err)
	}
	s.mu.Lock()
	s.asides++
	name := fmt.Sprintf("%016x-%d%s", uint64(base.ID.Index), s.asides, tmpSuffix)
	s.mu.Unlock()
	f, err := s.fsys.Create(path.Join(s.dir, name))
	if err != nil {
		return nil, fmt.Errorf("snapshot: creating an image: %w", err)
	}
	k, err := s.start(f, name, s.identity, m)
	if err != nil {
		f.Close()
		(&sink{store: s, name: name}).discard()
		return nil, err
	}
	return &Writer{sink: k, meta: m}, nil
}

// Chunk writes the next chunk, 1 byte to MaxChunkBytes long, which it does not keep. After an error the image can't be
// committed any more: call Abort. A full disk is ErrNoSpace. It blocks on the disk.
func (w *Writer) Chunk(data []byte) error {
	if w.done {
		return fmt.Errorf("snapshot: writing a chunk: %w", ErrClosed)
	}
	if len(data) == 0 || len(data) > MaxChunkBytes {
		return fmt.Errorf("snapshot: a chunk takes 1 to %d bytes, found %d", MaxChunkBytes, len(data))
	}
	if err := w.sink.put(NewChunk(uint32(len(w.sink.table)), data)); err != nil {
		w.sink.failed = err
		return err
	}
	return nil
}

// Commit makes the image durable and gives it its name; when it returns nil, a power cut does not take the image away.
// Where the store has the same image already, that one stays. After an error the image is not there, or, when the directory
// could not be synced, may be there after the next Open. It blocks on the disk.
func (w *Writer) Commit() (Meta, error) {
	if w.done {
		return Meta{}, fmt.Errorf("snapshot: committing an image: %w", ErrClosed)
	}
	w.done = true
	m := w.sink.meta(w.meta)
	if err := w.sink.finish(m); err != nil {
		w.sink.discard()
		return Meta{}, err
	}
	return m, nil
}

// Abort gives the image up and removes what was written. After Commit it does nothing, so that it can be deferred.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.sink.f.Close()
	w.sink.discard()
}
