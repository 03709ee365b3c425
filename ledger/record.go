package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ledgerkv/ledgerkv/raft"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Offsets of the record header's fields (docs/format.md, "Record").
const (
	offVersion  = 2
	offKind     = 3
	offFlags    = 4
	offIndex    = 8
	offTerm     = 16
	offPosition = 24
	offTime     = 32
	offBodyLen  = 40
	offBodyCRC  = 44
	offPrev     = 48
	offChecksum = 52
	offReserved = 56

	headerSize    = raft.RecordHeaderSize
	recordVersion = 1
	fillerSize    = 8
	// maxBodyLen keeps every record within the largest segment's quarter and within 32 bits.
	maxBodyLen = 1<<31 - headerSize - 8
)

// Record is an entry as it stands in a ledger and as it travels.
type Record struct {
	ID    raft.EntryID
	Kind  raft.Kind
	Flags uint32
	// Position is where the record begins in the log.
	Position raft.Position
	// Time is the leader's clock when it appended the entry, in nanoseconds since the Unix epoch.
	Time int64
	// Body is the entry's content: a part of Raw.
	Body    []byte
	BodyCRC uint32
	// PrevChecksum is the header checksum of the record before, Checksum that of this one.
	PrevChecksum uint32
	Checksum     uint32
	// Raw is the whole record with header and padding.
	Raw []byte
}

// End is the position at which the record ends.
func (r *Record) End() raft.Position { return r.Position + raft.Position(len(r.Raw)) }

// Entry is the record as the core sees it. The body is that of the record.
func (r *Record) Entry() raft.Entry {
	return raft.Entry{ID: r.ID, Kind: r.Kind, Size: uint32(len(r.Raw)), Body: r.Body}
}

// Tip is the end of a log, or of a part of it that begins at its base.
type Tip struct {
	// ID is the last entry.
	ID raft.EntryID
	// End is the position at which it ends.
	End raft.Position
	// Checksum is its header checksum: two logs that agree on it agree on everything below.
	Checksum uint32
	// Time is its time, in nanoseconds since the Unix epoch by the leader's clock.
	Time int64
}

func (r *Record) tip() Tip {
	return Tip{ID: r.ID, End: r.End(), Checksum: r.Checksum, Time: r.Time}
}

func baseTip(b raft.Base) Tip {
	return Tip{ID: b.ID, End: b.Position, Checksum: b.Checksum, Time: b.LogTime}
}

// BodyChecksum is the CRC-32C of a body, as the record header carries it.
func BodyChecksum(body []byte) uint32 { return crc32.Checksum(body, castagnoli) }

// headerChecksum is computed over everything in the header but itself.
func headerChecksum(h []byte) uint32 {
	return crc32.Update(crc32.Checksum(h[:offChecksum], castagnoli), castagnoli, h[offReserved:headerSize])
}

// putRecord encodes r (all but Raw and Checksum, which it computes) into dst, whose length is the record's size.
func putRecord(dst []byte, r *Record) (checksum uint32) {
	clear(dst[:headerSize])
	dst[0], dst[1], dst[offVersion], dst[offKind] = 'L', 'K', recordVersion, byte(r.Kind)
	le := binary.LittleEndian
	le.PutUint32(dst[offFlags:], r.Flags)
	le.PutUint64(dst[offIndex:], uint64(r.ID.Index))
	le.PutUint64(dst[offTerm:], uint64(r.ID.Term))
	le.PutUint64(dst[offPosition:], uint64(r.Position))
	le.PutUint64(dst[offTime:], uint64(r.Time))
	le.PutUint32(dst[offBodyLen:], uint32(len(r.Body)))
	le.PutUint32(dst[offBodyCRC:], r.BodyCRC)
	le.PutUint32(dst[offPrev:], r.PrevChecksum)
	checksum = headerChecksum(dst)
	le.PutUint32(dst[offChecksum:], checksum)
	n := headerSize + copy(dst[headerSize:], r.Body)
	clear(dst[n:])
	return checksum
}

// AppendRecord encodes a record behind dst and returns the extended slice. Raw and Checksum of r are not used; the header
// checksum is computed, and Body, BodyCRC and the rest are taken as they are.
func AppendRecord(dst []byte, r *Record) []byte {
	n, size := len(dst), int(raft.RecordSize(len(r.Body)))
	dst = append(dst, make([]byte, size)...)
	putRecord(dst[n:], r)
	return dst
}

// unknownFormat is a record that is what was written, in a format that this version does not know.
type unknownFormat struct{ what string }

func (e *unknownFormat) Error() string { return "unknown format: " + e.what }

// decodeHeader decodes and checks the 64 bytes of h. The record's Body and Raw are left nil; its size is returned.
func decodeHeader(h []byte) (r Record, size int, err error) {
	if h[0] != 'L' || h[1] != 'K' {
		return r, 0, fmt.Errorf("expected a record's magic, found %#x %#x", h[0], h[1])
	}
	le := binary.LittleEndian
	r.Checksum = le.Uint32(h[offChecksum:])
	if sum := headerChecksum(h); sum != r.Checksum {
		return r, 0, fmt.Errorf("header checksum: computed %#x, found %#x", sum, r.Checksum)
	}
	r.Kind, r.Flags = raft.Kind(h[offKind]), le.Uint32(h[offFlags:])
	r.ID = raft.EntryID{Index: raft.Index(le.Uint64(h[offIndex:])), Term: raft.Term(le.Uint64(h[offTerm:]))}
	r.Position, r.Time = raft.Position(le.Uint64(h[offPosition:])), int64(le.Uint64(h[offTime:]))
	r.BodyCRC, r.PrevChecksum = le.Uint32(h[offBodyCRC:]), le.Uint32(h[offPrev:])
	bodyLen := le.Uint32(h[offBodyLen:])
	if bodyLen > maxBodyLen {
		return r, 0, fmt.Errorf("body length %d, at most %d is possible", bodyLen, maxBodyLen)
	}
	size = int(raft.RecordSize(int(bodyLen)))
	return r, size, checkHeader(h, &r, int(bodyLen))
}

// checkHeader checks the fields of a header whose checksum is right.
func checkHeader(h []byte, r *Record, bodyLen int) error {
	switch {
	case h[offVersion] != recordVersion:
		return &unknownFormat{fmt.Sprintf("record version %d, expected %d", h[offVersion], recordVersion)}
	case r.Flags != 0:
		return &unknownFormat{fmt.Sprintf("record flags %#x, expected 0", r.Flags)}
	case r.Kind < raft.KindEmpty || r.Kind > raft.KindFormat:
		return &unknownFormat{fmt.Sprintf("record kind %d", r.Kind)}
	case binary.LittleEndian.Uint64(h[offReserved:]) != 0:
		return &unknownFormat{"reserved bytes are not zero"}
	case r.ID.Index == 0 || r.ID.Term == 0:
		return fmt.Errorf("entry id %v, expected an index and a term from 1 on", r.ID)
	case r.Position%8 != 0 || uint64(r.Position) > 1<<62:
		return fmt.Errorf("position %d, expected a multiple of 8 below 2^62", r.Position)
	}
	return checkBodyLen(r.Kind, bodyLen)
}

func checkBodyLen(k raft.Kind, n int) error {
	want := -1
	switch k {
	case raft.KindEmpty:
		want = 0
	case raft.KindTrim:
		want = 8
	case raft.KindFormat:
		want = 4
	}
	if want >= 0 && n != want {
		return fmt.Errorf("an entry of kind %d has a body of %d bytes, expected %d", k, n, want)
	}
	return nil
}

// bodyOf gives the body of a whole record.
func bodyOf(raw []byte) []byte {
	end := headerSize + int(binary.LittleEndian.Uint32(raw[offBodyLen:]))
	return raw[headerSize:end:end]
}

// attach gives a decoded header its body. raw is the whole record.
func (r *Record) attach(raw []byte) error {
	r.Raw, r.Body = raw, bodyOf(raw)
	if sum := BodyChecksum(r.Body); sum != r.BodyCRC {
		return fmt.Errorf("body checksum: computed %#x, found %#x", sum, r.BodyCRC)
	}
	for _, b := range raw[headerSize+len(r.Body):] {
		if b != 0 {
			return fmt.Errorf("padding is not zero")
		}
	}
	return nil
}

// DecodeRecord decodes and verifies the first record of raw: its header's and its body's checksum, its fields, its padding. It returns the
// record, whose slices are parts of raw, and its size in bytes. It never panics, whatever raw holds. An error wraps
// io.ErrUnexpectedEOF when raw is shorter than the record. Whether the record fits a log is not checked; see Record.Follows.
func DecodeRecord(raw []byte) (r Record, n int, err error) {
	if len(raw) < headerSize {
		return r, 0, fmt.Errorf("ledger: record: %d bytes are less than a header: %w", len(raw), io.ErrUnexpectedEOF)
	}
	r, n, err = decodeHeader(raw[:headerSize])
	if err != nil {
		return Record{}, 0, fmt.Errorf("ledger: record: %w", err)
	}
	if len(raw) < n {
		return Record{}, 0, fmt.Errorf("ledger: record %v: %d bytes of %d: %w", r.ID, len(raw), n, io.ErrUnexpectedEOF)
	}
	if err := r.attach(raw[:n:n]); err != nil {
		return Record{}, 0, fmt.Errorf("ledger: record %v: %w", r.ID, err)
	}
	return r, n, nil
}

// Follows checks that the record can stand behind prev in a log with segments of segmentSize bytes: index, term, position, time
// and chain. The error wraps ErrMismatch.
func (r *Record) Follows(prev Tip, segmentSize uint64) error {
	return r.follows(prev, uint32(len(r.Raw)), segmentSize)
}

func (r *Record) follows(prev Tip, size uint32, segmentSize uint64) error {
	switch {
	case r.ID.Index != prev.ID.Index+1:
		return mismatch("index %d behind %v", r.ID.Index, prev.ID)
	case r.ID.Term < prev.ID.Term:
		return mismatch("entry %v behind %v", r.ID, prev.ID)
	case r.PrevChecksum != prev.Checksum:
		return mismatch("entry %v chains to checksum %#x, the entry before has %#x", r.ID, r.PrevChecksum, prev.Checksum)
	case uint64(size) > segmentSize/4:
		return ErrTooLarge
	case r.Position != place(prev.End, size, segmentSize):
		return mismatch("entry %v is for position %d, expected %d", r.ID, r.Position, place(prev.End, size, segmentSize))
	case r.Time < prev.Time:
		return mismatch("entry %v has time %d, the entry before %d", r.ID, r.Time, prev.Time)
	}
	return nil
}

// place says where a record of size bytes begins when the record before it ends at end (docs/format.md, "Positions and
// segments").
func place(end raft.Position, size uint32, segmentSize uint64) raft.Position {
	left := segmentSize - uint64(end)%segmentSize
	if uint64(size) <= left {
		return end
	}
	return end + raft.Position(left)
}

// putFiller encodes the filler that stands at pos behind a record with checksum prev.
func putFiller(dst []byte, pos raft.Position, prev uint32) {
	var b [16]byte
	b[0], b[1], b[2] = 'L', 'F', recordVersion
	copy(dst, b[:4])
	binary.LittleEndian.PutUint64(b[4:], uint64(pos))
	binary.LittleEndian.PutUint32(b[12:], prev)
	binary.LittleEndian.PutUint32(dst[4:], crc32.Checksum(b[:], castagnoli))
}

func isFiller(b []byte, pos raft.Position, prev uint32) bool {
	var want [fillerSize]byte
	putFiller(want[:], pos, prev)
	return string(b[:fillerSize]) == string(want[:])
}
