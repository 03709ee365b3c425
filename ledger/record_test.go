package ledger

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

func sampleRecord() Record {
	body := []byte("hello, ledger")
	return Record{ID: raft.EntryID{Index: 3, Term: 2}, Kind: raft.KindData, Position: 80, Time: 1234567890123456789,
		Body: body, BodyCRC: BodyChecksum(body), PrevChecksum: 0xdeadbeef}
}

// TestRecordBytes pins the encoding of a record, byte for byte (docs/format.md, "Record").
func TestRecordBytes(t *testing.T) {
	r := sampleRecord()
	got := AppendRecord(nil, &r)
	want := "4c4b0102" + "00000000" + // magic, version, kind, flags
		"0300000000000000" + "0200000000000000" + // index, term
		"5000000000000000" + "1581e97df4102211" + // position, time
		"0d000000" + "%CRC%" + "efbeadde" + "%HDR%" + "0000000000000000" +
		hex.EncodeToString([]byte("hello, ledger")) + "000000"
	want = strings.Replace(want, "%CRC%", hex.EncodeToString(got[44:48]), 1)
	want = strings.Replace(want, "%HDR%", hex.EncodeToString(got[52:56]), 1)
	require.Equal(t, want, hex.EncodeToString(got))
	// CRC-32C of a known string, so that the polynomial is pinned too.
	require.Equal(t, uint32(0xe3069283), BodyChecksum([]byte("123456789")))
	require.Equal(t, uint32(len(got)), raft.RecordSize(len(r.Body)))

	dec, n, err := DecodeRecord(append(got, 1, 2, 3))
	require.NoError(t, err)
	require.Equal(t, len(got), n)
	r.Raw, r.Checksum = got, dec.Checksum
	require.Equal(t, r, dec)
	require.Equal(t, raft.Entry{ID: r.ID, Kind: r.Kind, Size: uint32(len(got)), Body: r.Body}, dec.Entry())
	require.Equal(t, raft.Position(80+80), dec.End())
}

func TestDecodeRecordRefusesEveryFlip(t *testing.T) {
	r := sampleRecord()
	good := AppendRecord(nil, &r)
	for at := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[at] ^= 1 << bit
			_, _, err := DecodeRecord(b)
			require.Error(t, err, "byte %d, bit %d", at, bit)
		}
	}
	for n := range good {
		_, _, err := DecodeRecord(good[:n])
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

// seal gives a header a right checksum, so that what comes behind the checksum is reached.
func seal(b []byte) []byte {
	sum := headerChecksum(b)
	b[52], b[53], b[54], b[55] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	return b
}

func TestDecodeRecordChecksFields(t *testing.T) {
	r := sampleRecord()
	good := AppendRecord(nil, &r)
	for name, change := range map[string]func(b []byte){
		"version":       func(b []byte) { b[2] = 2 },
		"kind":          func(b []byte) { b[3] = 6 },
		"no kind":       func(b []byte) { b[3] = 0 },
		"flags":         func(b []byte) { b[4] = 1 },
		"index":         func(b []byte) { b[8] = 0 },
		"term":          func(b []byte) { b[16] = 0 },
		"position":      func(b []byte) { b[24] = 81 },
		"high position": func(b []byte) { b[31] = 0x70 },
		"length":        func(b []byte) { b[43] = 0xff },
		"reserved":      func(b []byte) { b[60] = 1 },
		"padding":       func(b []byte) { b[len(b)-1] = 1 },
		"trim length":   func(b []byte) { b[3] = byte(raft.KindTrim) },
		"format length": func(b []byte) { b[3] = byte(raft.KindFormat) },
		"empty length":  func(b []byte) { b[3] = byte(raft.KindEmpty) },
		"body":          func(b []byte) { b[64] ^= 1 },
	} {
		b := bytes.Clone(good)
		change(b)
		_, _, err := DecodeRecord(seal(b))
		require.Error(t, err, name)
	}
}

func TestFollows(t *testing.T) {
	r := sampleRecord()
	raw := AppendRecord(nil, &r)
	r, _, err := DecodeRecord(raw)
	require.NoError(t, err)
	prev := Tip{ID: raft.EntryID{Index: 2, Term: 1}, End: 80, Checksum: 0xdeadbeef, Time: 5}
	require.NoError(t, r.Follows(prev, minSegmentSize))
	for name, change := range map[string]func(*Tip){
		"index":    func(p *Tip) { p.ID.Index = 3 },
		"term":     func(p *Tip) { p.ID.Term = 3 },
		"position": func(p *Tip) { p.End = 72 },
		"chain":    func(p *Tip) { p.Checksum++ },
		"time":     func(p *Tip) { p.Time = r.Time + 1 },
	} {
		p := prev
		change(&p)
		require.ErrorIs(t, r.Follows(p, minSegmentSize), ErrMismatch, name)
	}
	require.ErrorIs(t, r.Follows(prev, 256), ErrTooLarge)
}

func TestPlace(t *testing.T) {
	const s = minSegmentSize
	for _, c := range []struct {
		end  raft.Position
		size uint32
		want raft.Position
	}{
		{0, 64, 0}, {s - 64, 64, s - 64}, {s - 56, 64, s}, {s, 64, s}, {2*s - 8, 64, 2 * s}, {s - 16384, 16384, s - 16384}, {s - 16376, 16384, s},
	} {
		require.Equal(t, c.want, place(c.end, c.size, s), "%+v", c)
	}
}

func TestFiller(t *testing.T) {
	b := make([]byte, fillerSize)
	putFiller(b, 4000, 77)
	require.Equal(t, []byte{'L', 'F', 1, 0}, b[:4])
	require.True(t, isFiller(b, 4000, 77))
	require.False(t, isFiller(b, 4008, 77))
	require.False(t, isFiller(b, 4000, 78))
}
