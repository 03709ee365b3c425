package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// FuzzDecodeRecord decodes bytes as they are, and with a header and body whose checksums are right.
func FuzzDecodeRecord(f *testing.F) {
	r := sampleRecord()
	f.Add(AppendRecord(nil, &r))
	for _, kind := range []raft.Kind{raft.KindEmpty, raft.KindTrim, raft.KindConfig} {
		r := Record{ID: raft.EntryID{Index: 8, Term: 3}, Kind: kind, Position: 160, PrevChecksum: 5}
		switch kind {
		case raft.KindTrim:
			r.Body = raft.AppendTrim(nil, 4)
		case raft.KindConfig:
			r.Body = raft.AppendConfiguration(nil, testBoot)
		}
		r.BodyCRC = BodyChecksum(r.Body)
		f.Add(AppendRecord(nil, &r))
	}
	f.Add([]byte("LK"))
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		requireCanonicalRecord(t, b)
		if len(b) < headerSize {
			return
		}
		sealed := bytes.Clone(b)
		if n := uint64(binary.LittleEndian.Uint32(b[40:])); n <= uint64(len(b)-headerSize) {
			binary.LittleEndian.PutUint32(sealed[44:], BodyChecksum(sealed[headerSize:headerSize+n]))
		}
		requireCanonicalRecord(t, seal(sealed))
	})
}

func requireCanonicalRecord(t *testing.T, b []byte) {
	r, n, err := DecodeRecord(b)
	if err != nil {
		return
	}
	require.Equal(t, b[:n], AppendRecord(nil, &r), "what was accepted is encoded as it was")
}

// sealedCopy gives a copy whose last four bytes, up to length, are the right checksum of those before, so that what comes behind the checksum is
// reached. It gives nil where there is no room.
func sealedCopy(b []byte, length int) []byte {
	if length < 4 || len(b) < length {
		return nil
	}
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[length-4:], crc32.Checksum(b[:length-4], castagnoli))
	return b
}

func FuzzScanSegment(f *testing.F) {
	log, base := sampleLog()
	f.Add(log)
	f.Add(log[:100])
	f.Add(bytes.Repeat([]byte{'L'}, 300))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := scanner{segmentSize: minSegmentSize, block: 512}
		s.seek(bytes.NewReader(append(make([]byte, pageSize), b...)), 0)
		tip := base
		for {
			r, _, err := s.next(tip, true, true)
			if err != nil {
				var bad *badRecord
				var unknown *unknownFormat
				require.True(t, errors.Is(err, errSegmentEnd) || errors.As(err, &bad) || errors.As(err, &unknown), "%v", err)
				return
			}
			require.NoError(t, r.Follows(tip, minSegmentSize))
			tip = r.tip()
		}
	})
}

// sampleLog gives the bytes of a segment with a few records and a filler, and the tip they follow.
func sampleLog() ([]byte, Tip) {
	base := Tip{Checksum: testIdentity.seed()}
	tip := base
	var b []byte
	for n := range 5 {
		body := bodyFor(raft.EntryID{Index: tip.ID.Index + 1, Term: 1}, 30*n)
		r := Record{ID: raft.EntryID{Index: tip.ID.Index + 1, Term: 1}, Kind: raft.KindData, Position: tip.End, Body: body,
			BodyCRC: BodyChecksum(body), PrevChecksum: tip.Checksum}
		b = AppendRecord(b, &r)
		r, _, err := DecodeRecord(b[tip.End:])
		if err != nil {
			panic(err)
		}
		tip = r.tip()
	}
	b = append(b, make([]byte, fillerSize)...)
	putFiller(b[tip.End:], tip.End, tip.Checksum)
	return b, base
}

func FuzzGroupSlot(f *testing.F) {
	g := sampleGroup()
	f.Add(g.encode())
	f.Add(g.encode()[:groupCRCAt+4])
	g.hard, g.generation = raft.HardState{}, 1
	f.Add(g.encode()[:groupCRCAt+4])
	f.Add([]byte(groupMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealedCopy(b, groupCRCAt+4)} {
			if g, err := decodeGroupSlot(b); err == nil {
				again, err := decodeGroupSlot(g.encode())
				require.NoError(t, err)
				require.Equal(t, g, again)
			}
		}
	})
}

func FuzzBase(f *testing.F) {
	f.Add(encodeBase(sampleBase()))
	f.Add([]byte(baseMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealedCopy(b, len(b))} {
			if base, err := decodeBase(b); err == nil {
				require.Equal(t, b, encodeBase(base))
			}
		}
	})
}

func FuzzSidecar(f *testing.F) {
	f.Add(sampleSegment().encodeSidecar())
	f.Add([]byte(sidecarMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealedCopy(b, len(b))} {
			if s, err := decodeSidecar(b); err == nil {
				require.Equal(t, b, s.encodeSidecar())
			}
		}
	})
}

func FuzzLocalPage(f *testing.F) {
	h := segmentHeader{group: 7, incarnation: 1, size: minSegmentSize}
	f.Add(h.newLocalPage()[:segmentCRCAt+4])
	page := h.newLocalPage()[:firstMarkSlot+markSlots*sectorSize]
	f.Add(bytes.Clone(page))
	var sector [sectorSize]byte
	mark{truncations: 1, id: raft.EntryID{Index: 9, Term: 2}, end: 900, checksum: 4}.put(&sector)
	copy(page[firstMarkSlot:], sector[:])
	f.Add(page)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, sealedCopy(b, segmentCRCAt+4)} {
			if h, err := decodeSegmentHeader(b); err == nil {
				again, err := decodeSegmentHeader(h.encode())
				require.NoError(t, err)
				require.Equal(t, h, again)
			}
		}
		if len(b) < firstMarkSlot+sectorSize {
			return
		}
		slot := sealedCopy(b[firstMarkSlot:firstMarkSlot+sectorSize], markCRCAt+4)
		if m, ok := decodeMark(slot); ok {
			var sector [sectorSize]byte
			m.put(&sector)
			require.Equal(t, slot[:markCRCAt+4], sector[:markCRCAt+4])
			page := bytes.Clone(b)
			copy(page[firstMarkSlot:], slot)
			best, next, ok := bestMark(page)
			require.True(t, ok)
			require.False(t, best.below(m), "the mark in force is the highest")
			require.True(t, next == 1 || best != m, "the mark in force is not the one to be overwritten")
		}
	})
}
