package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

const (
	headerMagic  = "LKVIMF\x00\x01"
	chunkMagic   = "LKIC"
	trailerMagic = "LKVIMT\x00\x01"
	endMagic     = "LKVIME\x00\x01"

	headerFixedBytes  = 8 + identityBytes + 4 // magic, identity, base length; the base and a CRC follow
	chunkHeaderBytes  = 20
	trailerFixedBytes = 8 + 4 + 8 + 32 // magic, chunks, bytes, digest; the table and a CRC follow
	tableEntryBytes   = 8
	endBytes          = 8 + 8 + 8 + 4 // magic, trailer offset, trailer length, CRC
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Chunk is a piece of an image.
type Chunk struct {
	Number uint32
	// CRC is the CRC-32C of Data.
	CRC  uint32
	Data []byte
}

// NewChunk makes a chunk of data, which it keeps.
func NewChunk(number uint32, data []byte) Chunk {
	return Chunk{Number: number, CRC: crcOf(data), Data: data}
}

// encodeHeader gives the bytes before the first chunk. They depend on identity and base alone.
func encodeHeader(id Identity, base raft.Base) []byte {
	buf := append(make([]byte, 0, 256), headerMagic...)
	buf = appendIdentity(buf, id)
	buf = append(buf, 0, 0, 0, 0)
	at := len(buf)
	buf = appendBase(buf, base)
	binary.LittleEndian.PutUint32(buf[at-4:], uint32(len(buf)-at))
	return binary.LittleEndian.AppendUint32(buf, crcOf(buf))
}

// header is a decoded file header.
type header struct {
	identity Identity
	base     raft.Base
	raw      []byte
}

// seed ties the chunks of a file to its header: a chunk of another image does not pass in its place.
func (h header) seed() uint32 { return binary.LittleEndian.Uint32(h.raw[len(h.raw)-4:]) }

// readHeader reads and checks the header of a file of the given size.
func readHeader(f io.ReaderAt, path string, size int64) (header, error) {
	fixed := make([]byte, headerFixedBytes)
	if err := readFull(f, path, size, fixed, 0); err != nil {
		return header{}, err
	}
	if string(fixed[:8]) != headerMagic {
		return header{}, corrupt(path, 0, "expected the header %q, found %q", headerMagic, fixed[:8])
	}
	n := binary.LittleEndian.Uint32(fixed[headerFixedBytes-4:])
	if n > maxBaseBytes {
		return header{}, corrupt(path, headerFixedBytes-4, "a base takes at most %d bytes, found a length of %d", maxBaseBytes, n)
	}
	raw := make([]byte, headerFixedBytes+int(n)+4)
	if err := readFull(f, path, size, raw, 0); err != nil {
		return header{}, err
	}
	want := binary.LittleEndian.Uint32(raw[len(raw)-4:])
	if got := crcOf(raw[:len(raw)-4]); got != want {
		return header{}, corrupt(path, 0, "expected header CRC %08x, found %08x", want, got)
	}
	base, err := decodeBase(raw[headerFixedBytes : len(raw)-4])
	if err != nil {
		return header{}, &CorruptionError{Path: path, Offset: headerFixedBytes, Err: err}
	}
	return header{identity: decodeIdentity(raw[8:]), base: base, raw: raw}, nil
}

// putChunkHeader fills hdr for a chunk of an image with the given seed.
func putChunkHeader(hdr []byte, seed uint32, c Chunk) {
	le := binary.LittleEndian
	copy(hdr, chunkMagic)
	le.PutUint32(hdr[4:], c.Number)
	le.PutUint32(hdr[8:], uint32(len(c.Data)))
	le.PutUint32(hdr[12:], c.CRC)
	le.PutUint32(hdr[16:], crc32.Update(seed, castagnoli, hdr[:16]))
}

// readChunk reads and checks the chunk at off. Its data is in buf, grown if need be.
func readChunk(f io.ReaderAt, path string, size, off int64, seed, number uint32, buf []byte) (Chunk, []byte, error) {
	var hdr [chunkHeaderBytes]byte
	if err := readFull(f, path, size, hdr[:], off); err != nil {
		return Chunk{}, buf, err
	}
	le := binary.LittleEndian
	if got := crc32.Update(seed, castagnoli, hdr[:16]); string(hdr[:4]) != chunkMagic || got != le.Uint32(hdr[16:]) {
		return Chunk{}, buf, corrupt(path, off, "expected the header of chunk %d, found %x", number, hdr)
	}
	n := le.Uint32(hdr[8:])
	if got := le.Uint32(hdr[4:]); got != number || n > MaxChunkBytes {
		return Chunk{}, buf, corrupt(path, off, "expected chunk %d of at most %d bytes, found chunk %d of %d", number, MaxChunkBytes, got, n)
	}
	if left := size - off - chunkHeaderBytes; int64(n) > left {
		return Chunk{}, buf, corrupt(path, off, "chunk %d takes %d bytes, the file ends after %d", number, n, left)
	}
	if cap(buf) < int(n) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if err := readFull(f, path, size, buf, off+chunkHeaderBytes); err != nil {
		return Chunk{}, buf, err
	}
	c := NewChunk(number, buf)
	if want := le.Uint32(hdr[12:]); c.CRC != want {
		return Chunk{}, buf, corrupt(path, off+chunkHeaderBytes, "expected CRC %08x of chunk %d, found %08x", want, number, c.CRC)
	}
	return c, buf, nil
}

// span is where a chunk lies.
type span struct {
	length, crc uint32
}

// encodeTrailer gives the bytes after the last chunk, which ends at off.
func encodeTrailer(m Meta, table []span, off int64) []byte {
	le := binary.LittleEndian
	buf := append(make([]byte, 0, trailerFixedBytes+len(table)*tableEntryBytes+4+endBytes), trailerMagic...)
	buf = le.AppendUint32(buf, m.Chunks)
	buf = le.AppendUint64(buf, m.Bytes)
	buf = append(buf, m.Digest[:]...)
	for _, s := range table {
		buf = le.AppendUint32(buf, s.length)
		buf = le.AppendUint32(buf, s.crc)
	}
	buf = le.AppendUint32(buf, crcOf(buf))
	end := append(make([]byte, 0, endBytes), endMagic...)
	end = le.AppendUint64(end, uint64(off))
	end = le.AppendUint64(end, uint64(len(buf)))
	end = le.AppendUint32(end, crcOf(end))
	return append(buf, end...)
}

// layout is everything about an image file but its chunks' data, checked for consistency.
type layout struct {
	header header
	meta   Meta
	// offsets holds where each chunk begins, and, last, where the trailer does.
	offsets []int64
	table   []span
	size    int64
}

// readLayout reads and checks header and trailer. Chunks are checked when they are read.
func readLayout(f fs.File, path string) (*layout, error) {
	size, err := f.Size()
	if err != nil {
		return nil, fmt.Errorf("snapshot: the size of %s: %w", path, err)
	}
	h, err := readHeader(f, path, size)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	endAt := size - endBytes
	end := make([]byte, endBytes)
	if err := readFull(f, path, size, end, endAt); err != nil {
		return nil, err
	}
	if string(end[:8]) != endMagic || crcOf(end[:endBytes-4]) != le.Uint32(end[endBytes-4:]) {
		return nil, corrupt(path, endAt, "expected the end mark, found %x", end)
	}
	off, length := int64(le.Uint64(end[8:])), int64(le.Uint64(end[16:]))
	if off < int64(len(h.raw)) || off > endAt || off+length != endAt || length < trailerFixedBytes+4 {
		return nil, corrupt(path, endAt, "a trailer of %d bytes at %d does not fit a file of %d bytes", length, off, size)
	}
	raw := make([]byte, length)
	if err := readFull(f, path, size, raw, off); err != nil {
		return nil, err
	}
	if string(raw[:8]) != trailerMagic || crcOf(raw[:length-4]) != le.Uint32(raw[length-4:]) {
		return nil, corrupt(path, off, "expected a trailer, its magic or CRC is wrong")
	}
	l := &layout{header: h, size: size}
	l.meta = Meta{Identity: h.identity, Base: h.base, Chunks: le.Uint32(raw[8:]), Bytes: le.Uint64(raw[12:])}
	copy(l.meta.Digest[:], raw[20:])
	return l, l.readTable(path, raw[trailerFixedBytes:length-4], off)
}

func (l *layout) readTable(path string, raw []byte, trailerAt int64) error {
	if uint64(len(raw)) != uint64(l.meta.Chunks)*tableEntryBytes {
		return corrupt(path, trailerAt, "a table of %d chunks does not take %d bytes", l.meta.Chunks, len(raw))
	}
	at, sum := int64(len(l.header.raw)), uint64(0)
	l.offsets = make([]int64, 0, l.meta.Chunks+1)
	l.table = make([]span, 0, l.meta.Chunks)
	for ; len(raw) > 0; raw = raw[tableEntryBytes:] {
		s := span{length: binary.LittleEndian.Uint32(raw), crc: binary.LittleEndian.Uint32(raw[4:])}
		l.offsets, l.table = append(l.offsets, at), append(l.table, s)
		at += chunkHeaderBytes + int64(s.length)
		sum += uint64(s.length)
	}
	l.offsets = append(l.offsets, at)
	if at != trailerAt || sum != l.meta.Bytes {
		return corrupt(path, trailerAt, "the chunks of the table end at %d and hold %d bytes, the trailer says %d and %d",
			at, sum, trailerAt, l.meta.Bytes)
	}
	if err := l.meta.check(); err != nil {
		return &CorruptionError{Path: path, Offset: trailerAt, Err: err}
	}
	return nil
}

// readFull reads exactly len(buf) bytes at off from a file of the given size.
func readFull(f io.ReaderAt, path string, size int64, buf []byte, off int64) error {
	if off < 0 || off+int64(len(buf)) > size {
		return corrupt(path, off, "expected %d more bytes, the file has %d in all", len(buf), size)
	}
	n, err := f.ReadAt(buf, off)
	if n == len(buf) {
		return nil
	}
	return fmt.Errorf("snapshot: reading %d bytes at offset %d of %s: %w", len(buf), off, path, err)
}

// digester computes an image's digest as its chunks come by.
type digester struct{ sum hash.Hash }

func newDigester(rawHeader []byte) digester {
	d := digester{sum: sha256.New()}
	d.sum.Write(rawHeader)
	return d
}

func (d digester) add(c Chunk) {
	var pre [8]byte
	binary.LittleEndian.PutUint32(pre[:], c.Number)
	binary.LittleEndian.PutUint32(pre[4:], uint32(len(c.Data)))
	d.sum.Write(pre[:])
	d.sum.Write(c.Data)
}

func (d digester) digest() (out Digest) {
	d.sum.Sum(out[:0])
	return out
}
