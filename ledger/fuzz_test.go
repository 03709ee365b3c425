package ledger

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

func FuzzDecodeRecord(f *testing.F) {
	r := sampleRecord()
	f.Add(AppendRecord(nil, &r))
	f.Add([]byte("LK"))
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := DecodeRecord(b)
		if err != nil {
			return
		}
		require.Equal(t, b[:n], AppendRecord(nil, &r), "what was accepted is encoded as it was")
	})
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
	f.Add([]byte(groupMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := decodeGroupSlot(b); err == nil {
			again, err := decodeGroupSlot(g.encode())
			require.NoError(t, err)
			require.Equal(t, g, again)
		}
	})
}

func FuzzBase(f *testing.F) {
	f.Add(encodeBase(sampleBase()))
	f.Add([]byte(baseMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if base, err := decodeBase(b); err == nil {
			require.Equal(t, b, encodeBase(base))
		}
	})
}

func FuzzSidecar(f *testing.F) {
	f.Add(sampleSegment().encodeSidecar())
	f.Add([]byte(sidecarMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeSidecar(b); err == nil {
			require.Equal(t, b, s.encodeSidecar())
		}
	})
}

func FuzzLocalPage(f *testing.F) {
	h := segmentHeader{group: 7, incarnation: 1, size: minSegmentSize}
	f.Add(h.newLocalPage())
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeSegmentHeader(b); err == nil {
			again, err := decodeSegmentHeader(h.encode())
			require.NoError(t, err)
			require.Equal(t, h, again)
		}
		bestMark(b)
	})
}
