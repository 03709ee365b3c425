package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/ledgerkv/ledgerkv/raft"
)

// The local page of a segment file (docs/format.md, "Segment file").
const (
	segmentMagic  = "LKVSEG\x00\x01"
	markMagic     = "MARK"
	segmentCRCAt  = 8 + 16 + 8 + 8 + 8 + 8
	markCRCAt     = 4 + 8 + 8 + 8 + 8 + 4
	markSlots     = 2
	firstMarkSlot = sectorSize
)

// segmentHeader is what a segment file says of itself.
type segmentHeader struct {
	cluster     [16]byte
	group       raft.GroupID
	incarnation uint64
	number      uint64
	size        uint64
}

func (h *segmentHeader) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, sectorSize)
	b = append(b, segmentMagic...)
	b = append(b, h.cluster[:]...)
	b = le.AppendUint64(b, uint64(h.group))
	b = le.AppendUint64(b, h.incarnation)
	b = le.AppendUint64(b, h.number)
	b = le.AppendUint64(b, h.size)
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:sectorSize]
}

func decodeSegmentHeader(b []byte) (h segmentHeader, err error) {
	if len(b) < segmentCRCAt+4 {
		return h, fmt.Errorf("%d bytes, expected at least %d", len(b), segmentCRCAt+4)
	}
	if err := checkSealed(b[:segmentCRCAt+4], segmentMagic); err != nil {
		return h, err
	}
	le := binary.LittleEndian
	copy(h.cluster[:], b[8:])
	h.group, h.incarnation = raft.GroupID(le.Uint64(b[24:])), le.Uint64(b[32:])
	h.number, h.size = le.Uint64(b[40:]), le.Uint64(b[48:])
	return h, nil
}

// mark says how far a ledger is known to be durable: when it was written, an earlier flush had made the log durable up to and including this
// entry, with this many truncations behind it.
type mark struct {
	truncations uint64
	id          raft.EntryID
	end         raft.Position
	checksum    uint32
}

// below orders marks: the highest (truncations, end) is in force.
func (m mark) below(other mark) bool {
	if m.truncations != other.truncations {
		return m.truncations < other.truncations
	}
	return m.end < other.end
}

// put encodes the mark into a sector.
func (m mark) put(b *[sectorSize]byte) {
	le := binary.LittleEndian
	clear(b[:])
	copy(b[:], markMagic)
	le.PutUint64(b[4:], m.truncations)
	le.PutUint64(b[12:], uint64(m.id.Index))
	le.PutUint64(b[20:], uint64(m.id.Term))
	le.PutUint64(b[28:], uint64(m.end))
	le.PutUint32(b[36:], m.checksum)
	le.PutUint32(b[markCRCAt:], crc32.Checksum(b[:markCRCAt], castagnoli))
}

// decodeMark reports whether the slot holds a mark.
func decodeMark(b []byte) (m mark, ok bool) {
	le := binary.LittleEndian
	if len(b) < markCRCAt+4 || string(b[:4]) != markMagic ||
		le.Uint32(b[markCRCAt:]) != crc32.Checksum(b[:markCRCAt], castagnoli) {
		return m, false
	}
	m.truncations = le.Uint64(b[4:])
	m.id = raft.EntryID{Index: raft.Index(le.Uint64(b[12:])), Term: raft.Term(le.Uint64(b[20:]))}
	m.end, m.checksum = raft.Position(le.Uint64(b[28:])), le.Uint32(b[36:])
	return m, true
}

// bestMark is the higher of the marks of a local page, and the slot to write next: one that doesn't hold it.
func bestMark(page []byte) (m mark, next int, ok bool) {
	for slot := range markSlots {
		at := firstMarkSlot + slot*sectorSize
		if len(page) < at+sectorSize {
			break
		}
		if found, valid := decodeMark(page[at : at+sectorSize]); valid && (!ok || m.below(found)) {
			m, next, ok = found, 1-slot, true
		}
	}
	return m, next, ok
}

// newLocalPage is the local page of a segment file without marks.
func (h *segmentHeader) newLocalPage() []byte {
	page := make([]byte, pageSize)
	copy(page, h.encode())
	return page
}

// fileOffset is where a position is in its segment's file.
func fileOffset(pos raft.Position, segmentSize uint64) int64 {
	return pageSize + int64(uint64(pos)%segmentSize)
}

// segmentOf is the number of the segment that a position is in.
func segmentOf(pos raft.Position, segmentSize uint64) uint64 { return uint64(pos) / segmentSize }

// lastSegmentOf is the segment that holds the last byte below end, or the one in which a log beginning at base starts.
func lastSegmentOf(end, base raft.Position, segmentSize uint64) uint64 {
	if end <= base {
		return segmentOf(base, segmentSize)
	}
	return segmentOf(end-1, segmentSize)
}
