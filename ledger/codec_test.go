package ledger

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

func sampleGroup() groupState {
	return groupState{generation: 5, id: testIdentity, segmentSize: minSegmentSize, hard: raft.HardState{Term: 9, Vote: "n2"},
		ledgerEpoch: 2, baseEpoch: 3, engineEpoch: 4}
}

func sampleBase() raft.Base {
	return raft.Base{ID: raft.EntryID{Index: 10, Term: 3}, Position: 4096, Checksum: 99, Format: 1, LogTime: 55, Configuration: testBoot}
}

func sampleSegment() *segment {
	s := &segment{number: 2}
	prev := Tip{ID: raft.EntryID{Index: 9, Term: 3}, End: 2 * minSegmentSize, Checksum: 7, Time: 5}
	for n := range 40 {
		r := Record{ID: raft.EntryID{Index: prev.ID.Index + 1, Term: raft.Term(3 + n/15)}, Kind: raft.KindData, Position: prev.End,
			Time: prev.Time + 1, PrevChecksum: prev.Checksum, Checksum: prev.Checksum * 31, Raw: make([]byte, 4000)}
		if n%20 == 7 {
			r.Kind = raft.KindConfig
		}
		s.add(&r)
		prev = s.tip
	}
	return s
}

func TestGroupSlot(t *testing.T) {
	g := sampleGroup()
	b := g.encode()
	require.Len(t, b, pageSize)
	require.Less(t, groupCRCAt+4, sectorSize, "a slot's content is within one sector")
	dec, err := decodeGroupSlot(b)
	require.NoError(t, err)
	require.Equal(t, g, dec)
	refusesFlips(t, b[:groupCRCAt+4], func(b []byte) error { _, err := decodeGroupSlot(b); return err })
}

func TestBaseFile(t *testing.T) {
	b := encodeBase(sampleBase())
	dec, err := decodeBase(b)
	require.NoError(t, err)
	require.Equal(t, sampleBase(), dec)
	refusesFlips(t, b, func(b []byte) error { _, err := decodeBase(b); return err })
	for n := range b {
		_, err := decodeBase(b[:n])
		require.Error(t, err)
	}
}

func TestSegmentPage(t *testing.T) {
	h := segmentHeader{cluster: testIdentity.Cluster, group: 7, incarnation: 1, number: 3, size: minSegmentSize}
	page := h.newLocalPage()
	dec, err := decodeSegmentHeader(page)
	require.NoError(t, err)
	require.Equal(t, h, dec)
	refusesFlips(t, page[:segmentCRCAt+4], func(b []byte) error { _, err := decodeSegmentHeader(b); return err })
	_, err = decodeSegmentHeader(page[:20])
	require.Error(t, err)

	_, next, ok := bestMark(page)
	require.False(t, ok)
	require.Zero(t, next)
	low := mark{truncations: 1, id: raft.EntryID{Index: 9, Term: 2}, end: 900, checksum: 4}
	high := mark{truncations: 2, id: raft.EntryID{Index: 3, Term: 2}, end: 300, checksum: 5}
	require.True(t, low.below(high))
	var sector [sectorSize]byte
	low.put(&sector)
	copy(page[firstMarkSlot+sectorSize:], sector[:])
	high.put(&sector)
	copy(page[firstMarkSlot:], sector[:])
	m, next, ok := bestMark(page)
	require.True(t, ok)
	require.Equal(t, high, m)
	require.Equal(t, 1, next, "the mark in force is not the one to be overwritten")
	refusesFlips(t, sector[:markCRCAt+4], func(b []byte) error {
		if _, ok := decodeMark(b); !ok {
			return errStop
		}
		return nil
	})
}

func TestSidecar(t *testing.T) {
	s := sampleSegment()
	require.Greater(t, len(s.points), 2)
	require.Len(t, s.special, 2)
	b := s.encodeSidecar()
	dec, err := decodeSidecar(b)
	require.NoError(t, err)
	s.sidecar = true
	require.Equal(t, s, dec)
	refusesFlips(t, b, func(b []byte) error { _, err := decodeSidecar(b); return err })
}

func TestSidecarContradictions(t *testing.T) {
	for name, change := range map[string]func(*segment){
		"no terms":        func(s *segment) { s.terms = nil },
		"no points":       func(s *segment) { s.points = nil },
		"range":           func(s *segment) { s.tip.ID.Index = 5 },
		"term order":      func(s *segment) { s.terms[2].Term = 1 },
		"term range":      func(s *segment) { s.terms[2].Index = 1000 },
		"last term":       func(s *segment) { s.tip.ID.Term = 99 },
		"special order":   func(s *segment) { s.special[1] = s.special[0] },
		"special range":   func(s *segment) { s.special[1] = 1000 },
		"point order":     func(s *segment) { s.points[1].index = s.points[0].index },
		"point positions": func(s *segment) { s.points[1].pos = s.points[0].pos },
		"point range":     func(s *segment) { s.points[2].pos = s.tip.End },
		"point chain":     func(s *segment) { s.points[0].prev++ },
	} {
		s := sampleSegment()
		change(s)
		_, err := decodeSidecar(s.encodeSidecar())
		require.Error(t, err, name)
	}
	// A count that promises more than there is.
	b := sampleSegment().encodeSidecar()
	binary.LittleEndian.PutUint32(b[8+9*8:], 1<<31)
	b = b[:len(b)-4]
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, err := decodeSidecar(b)
	require.Error(t, err)
}

// refusesFlips flips every bit of a sealed structure and expects its decoder to refuse it.
func refusesFlips(t *testing.T, good []byte, decode func([]byte) error) {
	t.Helper()
	for at := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[at] ^= 1 << bit
			require.Error(t, decode(b), "byte %d, bit %d", at, bit)
		}
	}
}

// TestFutureVersions expects structures with a later version in their magic to be told from damaged ones.
func TestFutureVersions(t *testing.T) {
	g := sampleGroup()
	for name, b := range map[string][]byte{
		"group": g.encode()[:groupCRCAt+4], "base": encodeBase(sampleBase()), "sidecar": sampleSegment().encodeSidecar(),
	} {
		magic := string(b[:8])
		b[7] = 2
		require.Error(t, checkSealed(b, magic), name)
		var unknown *unknownFormat
		require.NotErrorAs(t, checkSealed(b, magic), &unknown, "%s: only the version byte is damaged", name)
		n := len(b) - 4
		binary.LittleEndian.PutUint32(b[n:], crc32.Checksum(b[:n], castagnoli))
		require.ErrorAs(t, checkSealed(b, magic), &unknown, name)
	}
}
