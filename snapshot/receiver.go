package snapshot

import (
	"errors"
	"fmt"
	"path"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// Receiver takes in an image from elsewhere, chunk by chunk, in a file that survives restarts. It belongs to one goroutine
// at a time, and ends with Commit, Close (to go on later) or Abort.
type Receiver struct {
	sink *sink
	meta Meta
	done bool
}

// Receive begins to take in an image, or goes on with it: what an earlier receiver of the same image had is read, checked
// and written again, because after a crash the page cache can show what no disk has. It fails with ErrBusy while another
// receiver has the same image, and with ErrIdentity for another group's. It blocks on the disk, as long as it takes to read
// what is there.
func (s *Store) Receive(m Meta) (*Receiver, error) {
	if m.Identity != s.identity {
		return nil, fmt.Errorf("%w: expected %v, found %v", ErrIdentity, s.identity, m.Identity)
	}
	if err := m.check(); err != nil || !m.HasImage() {
		return nil, fmt.Errorf("snapshot: %v can't be received: %w", m, errors.Join(ErrFrame, err))
	}
	name := fileName(m.Base.ID.Index, m.Digest, partSuffix)
	if err := s.reserve(name); err != nil {
		return nil, fmt.Errorf("snapshot: receiving %v: %w", m, err)
	}
	k, err := s.resume(name, m)
	if err != nil {
		s.release(name)
		return nil, fmt.Errorf("snapshot: receiving %v: %w", m, err)
	}
	return &Receiver{sink: k, meta: m}, nil
}

// reserve keeps a part file to one receiver, and from Retain, which holds names while it removes. Parts of older images that
// nobody receives any more go, so that a receiver which is offered one image after the other keeps one part.
func (s *Store) reserve(name string) error {
	s.names.Lock()
	defer s.names.Unlock()
	if !s.mark(name) {
		return ErrBusy
	}
	stale, err := s.staleParts(indexInName(name) - 1)
	if err == nil {
		err = s.remove(stale)
	}
	if err != nil {
		s.release(name)
	}
	return err
}

func (s *Store) mark(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.receiving[name] {
		return false
	}
	s.receiving[name] = true
	return true
}

func (s *Store) release(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.receiving, name)
}

// resume opens the part file of an image, or makes it.
func (s *Store) resume(name string, m Meta) (*sink, error) {
	full := path.Join(s.dir, name)
	f, err := s.fsys.Open(full)
	if err == nil {
		k, rerr := s.reread(f, name, m)
		if rerr == nil {
			return k, nil
		}
		f.Close()
		if errors.Is(rerr, ErrNoSpace) {
			return nil, rerr
		}
		if err := s.fsys.Remove(full); err != nil {
			return nil, errors.Join(rerr, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if f, err = s.fsys.Create(full); err != nil {
		return nil, err
	}
	k, err := s.start(f, name, m.Identity, m)
	if err == nil {
		err = s.fsys.SyncDir(s.dir)
	}
	if err != nil {
		f.Close()
		s.fsys.Remove(full)
		return nil, err
	}
	return k, nil
}

// reread gives a sink that stands behind the last good chunk of a part file. It fails when the file has no use.
func (s *Store) reread(f fs.File, name string, m Meta) (*sink, error) {
	full := path.Join(s.dir, name)
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	h, err := readHeader(f, full, size)
	if err != nil {
		return nil, err
	}
	want := encodeHeader(m.Identity, m.Base)
	if string(h.raw) != string(want) {
		return nil, corrupt(full, 0, "expected the header of %v", m)
	}
	if _, err := f.WriteAt(want, 0); err != nil {
		return nil, err
	}
	k := s.sinkAfter(f, name, want)
	var buf []byte
	for number := uint32(0); number < m.Chunks; number++ {
		var c Chunk
		if c, buf, err = readChunk(f, full, size, k.off, k.seed, number, buf); err != nil {
			break // The rest did not get here, or not in one piece: it is fetched.
		}
		if err := k.put(c); err != nil {
			return nil, err
		}
	}
	// What follows is of no use, and growing the file again makes its length part of the next flush.
	if err := f.Truncate(k.off); err != nil {
		return nil, err
	}
	return k, nil
}

// Meta describes the image.
func (r *Receiver) Meta() Meta { return r.meta }

// Have is the number of chunks that are here, and so the number of the next one wanted.
func (r *Receiver) Have() uint32 { return uint32(len(r.sink.table)) }

// Put takes in the next chunk, whose data it does not keep. ErrOrder: another one is wanted. ErrChecksum: it was damaged on
// its way. ErrNoSpace: it may be put again later, what is here stays. After any other error Close, and Receive again. It
// blocks on the disk.
func (r *Receiver) Put(c Chunk) error {
	switch {
	case r.done:
		return fmt.Errorf("snapshot: putting chunk %d: %w", c.Number, ErrClosed)
	case c.Number != r.Have() || c.Number >= r.meta.Chunks:
		return fmt.Errorf("%w: expected chunk %d of %d, found %d", ErrOrder, r.Have(), r.meta.Chunks, c.Number)
	case len(c.Data) == 0 || len(c.Data) > MaxChunkBytes || r.sink.bytes+uint64(len(c.Data)) > r.meta.Bytes:
		return fmt.Errorf("%w: chunk %d has %d bytes, %d were left of the image", ErrFrame, c.Number, len(c.Data),
			r.meta.Bytes-r.sink.bytes)
	case crcOf(c.Data) != c.CRC:
		return fmt.Errorf("%w: chunk %d: expected CRC %08x, found %08x", ErrChecksum, c.Number, c.CRC, crcOf(c.Data))
	}
	return r.sink.put(c)
}

// Commit checks that what is here is the image that was announced, makes it durable and gives it its name; when it returns
// nil, a power cut does not take it away. With chunks missing it fails with ErrOrder and nothing has changed. Bytes that do
// not give the digest are removed, with a *CorruptionError. After any other error what is here stays for another Receive,
// unless a flush failed. It blocks on the disk.
func (r *Receiver) Commit() error {
	switch {
	case r.done:
		return fmt.Errorf("snapshot: committing %v: %w", r.meta, ErrClosed)
	case r.Have() < r.meta.Chunks:
		return fmt.Errorf("%w: committing %v: only %d chunks are here", ErrOrder, r.meta, r.Have())
	}
	if got := r.sink.meta(r.meta); !got.same(r.meta) {
		r.Abort()
		return corrupt(r.sink.path(), 0, "expected %v, found %v", r.meta, got)
	}
	r.done = true
	defer r.store().release(r.sink.name)
	if err := r.sink.finish(r.meta); err != nil {
		return r.dropUnbelievable(err)
	}
	return nil
}

// dropUnbelievable removes the file after a failed flush: the kernel may show what it did not write.
func (r *Receiver) dropUnbelievable(err error) error {
	if r.sink.failed == nil {
		return err
	}
	return errors.Join(err, r.sink.discard())
}

func (r *Receiver) store() *Store { return r.sink.store }

// Close stops receiving and keeps what is here for another Receive, in this process or a later one. After Commit or Abort
// it does nothing.
func (r *Receiver) Close() error {
	if r.done {
		return nil
	}
	r.done = true
	defer r.store().release(r.sink.name)
	return r.dropUnbelievable(r.sink.f.Close())
}

// Abort stops receiving and removes what is here. After Commit or Close it does nothing.
func (r *Receiver) Abort() {
	if r.done {
		return
	}
	r.done = true
	defer r.store().release(r.sink.name)
	r.sink.f.Close()
	r.sink.discard()
}
