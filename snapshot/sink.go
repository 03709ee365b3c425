package snapshot

import (
	"errors"
	"fmt"
	"path"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// syncEvery is how many bytes are written between two flushes of a file that grows: a flush of gigabytes at the end would
// stall the ledger's flushes on the same device, and a power cut costs a receiver no more than this.
const syncEvery = 16 << 20

// sink is an image file being written, under a name that is not an image's.
type sink struct {
	store    *Store
	f        fs.File
	name     string
	seed     uint32
	off      int64
	bytes    uint64
	unsynced int64
	table    []span
	digest   digester
	hdr      [chunkHeaderBytes]byte
	// failed is set by a failed flush: nothing that was written may be believed (docs/format.md, assumption 4).
	failed error
}

// start begins a sink over an empty file.
func (s *Store) start(f fs.File, name string, id Identity, m Meta) (*sink, error) {
	raw := encodeHeader(id, m.Base)
	k := s.sinkAfter(f, name, raw)
	if _, err := f.WriteAt(raw, 0); err != nil {
		return nil, fmt.Errorf("snapshot: writing the header of %s: %w", name, err)
	}
	return k, nil
}

// sinkAfter gives a sink that goes on after a file's header.
func (s *Store) sinkAfter(f fs.File, name string, raw []byte) *sink {
	return &sink{store: s, f: f, name: name, seed: header{raw: raw}.seed(), off: int64(len(raw)), unsynced: int64(len(raw)),
		digest: newDigester(raw)}
}

func (k *sink) path() string { return path.Join(k.store.dir, k.name) }

// put writes the next chunk. After an error nothing has changed but what k.failed says, and the chunk may be put again.
func (k *sink) put(c Chunk) error {
	if k.failed != nil {
		return k.failed
	}
	putChunkHeader(k.hdr[:], k.seed, c)
	if _, err := k.f.WritevAt([][]byte{k.hdr[:], c.Data}, k.off); err != nil {
		return fmt.Errorf("snapshot: writing chunk %d of %s: %w", c.Number, k.path(), err)
	}
	return k.took(c)
}

// took counts a chunk that is in the file.
func (k *sink) took(c Chunk) error {
	n := chunkHeaderBytes + int64(len(c.Data))
	k.off += n
	k.unsynced += n
	k.bytes += uint64(len(c.Data))
	k.table = append(k.table, span{length: uint32(len(c.Data)), crc: c.CRC})
	k.digest.add(c)
	if k.unsynced < syncEvery {
		return nil
	}
	return k.sync()
}

func (k *sink) sync() error {
	if err := k.f.Datasync(); err != nil {
		k.failed = fmt.Errorf("snapshot: flushing %s: %w", k.path(), err)
		return k.failed
	}
	k.unsynced = 0
	return nil
}

// meta describes what was put so far.
func (k *sink) meta(of Meta) Meta {
	of.Chunks, of.Bytes, of.Digest = uint32(len(k.table)), k.bytes, k.digest.digest()
	return of
}

// finish writes the trailer, makes the file durable and gives it an image's name. The file is closed in any case.
func (k *sink) finish(m Meta) error {
	err := k.failed
	if err == nil {
		err = k.seal(m)
	}
	if cerr := k.f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("snapshot: closing %s: %w", k.path(), cerr)
	}
	if err != nil {
		return err
	}
	if err := k.store.adopt(k.name, m); err != nil {
		return fmt.Errorf("snapshot: naming the image %s: %w", k.path(), err)
	}
	return nil
}

func (k *sink) seal(m Meta) error {
	trailer := encodeTrailer(m, k.table, k.off)
	if _, err := k.f.WriteAt(trailer, k.off); err != nil {
		return fmt.Errorf("snapshot: writing the trailer of %s: %w", k.path(), err)
	}
	if err := k.f.Truncate(k.off + int64(len(trailer))); err != nil {
		return fmt.Errorf("snapshot: setting the length of %s: %w", k.path(), err)
	}
	return k.sync()
}

// discard removes the file, which is closed or about to be. What can't be removed now is removed by the next Open or Retain.
func (k *sink) discard() error {
	err := k.store.fsys.Remove(k.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
