package snapshot

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

func sampleMeta() Meta {
	return Meta{
		Identity: Identity{Cluster: [16]byte{9, 8}, Group: 7, Incarnation: 2},
		Base: raft.Base{ID: raft.EntryID{Index: 12, Term: 3}, Position: 4096, Checksum: 77, Format: 1, LogTime: -5,
			Configuration: raft.Configuration{Members: []raft.Member{{ID: "n1", Address: "h:1", Voter: true, Priority: 2}}}},
		Chunks: 3, Bytes: 700, Digest: Digest{1, 2, 3},
	}
}

// samples has a frame of every type.
func samples() []message {
	return []message{
		{kind: frameOffer, group: 7, transfer: 5, term: 4, meta: sampleMeta()},
		{kind: frameOffer, group: 7, transfer: 5, term: 4, meta: BaseOnly(sampleMeta().Identity, sampleMeta().Base)},
		{kind: frameFetch, group: 7, transfer: 5, from: 2, until: 10},
		{kind: frameFetch, group: 7, transfer: 5, from: 2, until: 2, rewind: true, poll: true},
		{kind: frameChunk, group: 7, transfer: 5, number: 2, crc: 0xdeadbeef},
		{kind: frameSent, group: 7, transfer: 5, number: 3},
		{kind: frameDone, group: 7, transfer: 5, result: outcomeBusy, reason: "busy"},
		{kind: frameDone, group: 7, transfer: 5},
		{kind: frameAbort, group: 7, transfer: 5, reason: "gone"},
		{kind: frameAsk, group: 7, least: 1 << 40},
	}
}

func TestFramesComeBackAsTheyWere(t *testing.T) {
	for _, m := range samples() {
		got, err := decodeFrame(appendFrame(nil, m))
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
	m, err := decodeFrame(appendFrame(nil, message{kind: frameAbort, reason: strings.Repeat("x", 1000)}))
	require.NoError(t, err)
	require.Len(t, m.reason, maxReasonBytes)
}

func TestEveryCutOffFrameIsRefusedOrShorter(t *testing.T) {
	for _, m := range samples() {
		whole := appendFrame(nil, m)
		for n := range whole {
			got, err := decodeFrame(whole[:n])
			if err == nil {
				require.NotEqual(t, m, got)
				require.Contains(t, []frameType{frameDone, frameAbort}, got.kind, "only a reason may be cut short")
			} else {
				require.ErrorIs(t, err, ErrFrame)
			}
		}
		if m.kind != frameDone && m.kind != frameAbort {
			_, err := decodeFrame(append(whole, 0))
			require.ErrorIs(t, err, ErrFrame, "trailing bytes")
		}
	}
}

func TestFramesThatNobodySends(t *testing.T) {
	change := func(i int, f func(b []byte)) []byte {
		b := appendFrame(nil, samples()[i])
		f(b)
		return b
	}
	offer := frameFixedBytes + 8 + identityBytes
	for name, b := range map[string][]byte{
		"empty":              nil,
		"another version":    change(0, func(b []byte) { b[0] = 2 }),
		"an unknown type":    change(0, func(b []byte) { b[1] = 7 }),
		"another group":      change(0, func(b []byte) { b[2]++ }),
		"no base":            change(0, func(b []byte) { clear(b[offer+44 : offer+52]) }),
		"too many chunks":    change(0, func(b []byte) { b[offer+3] = 0xff }),
		"too many bytes":     change(0, func(b []byte) { b[offer+11] = 0xff }),
		"chunks of no image": change(1, func(b []byte) { b[offer] = 1 }),
		"a backward fetch":   change(2, func(b []byte) { b[frameFixedBytes] = 11 }),
		"unknown flags":      change(2, func(b []byte) { b[len(b)-1] = 4 }),
		"an unknown outcome": change(6, func(b []byte) { b[frameFixedBytes] = 4 }),
		"a long reason":      append(appendFrame(nil, samples()[8]), make([]byte, 300)...),
		"a huge offer":       append(appendFrame(nil, samples()[0]), make([]byte, maxBaseBytes+1)...),
	} {
		_, err := decodeFrame(b)
		require.ErrorIs(t, err, ErrFrame, name)
	}
}

func TestEachSideRefusesTheOthersFrames(t *testing.T) {
	o, f := NewOffers(OffersOptions{}), NewFetches(FetchesOptions{}, func(raft.GroupID) (Target, bool) { return Target{}, false })
	for _, m := range samples() {
		head := appendFrame(nil, m)
		if _, _, asked, err := Asked(head); asked {
			require.NoError(t, err)
			require.ErrorIs(t, o.Handle(1, "x", head), ErrFrame)
			require.ErrorIs(t, f.Handle(1, "x", head, nil), ErrFrame)
		} else if ForOffers(head) {
			require.NoError(t, o.Handle(1, "x", head))
			require.ErrorIs(t, f.Handle(1, "x", head, nil), ErrFrame)
		} else {
			require.ErrorIs(t, o.Handle(1, "x", head), ErrFrame)
			require.NoError(t, f.Handle(1, "x", head, nil))
			if m.kind != frameChunk {
				require.ErrorIs(t, f.Handle(1, "x", head, []byte("body")), ErrFrame)
			}
		}
	}
	require.ErrorIs(t, o.Handle(1, "x", nil), ErrFrame)
	require.ErrorIs(t, f.Handle(1, "x", nil, nil), ErrFrame)
	require.False(t, ForOffers(nil))
}

// A peer that asks for what is not there, or for everything at once, gets no more than is good for it.
func TestAGreedyPeerIsHeldToItsWindow(t *testing.T) {
	s, err := Open(disk.New(1), "d", Identity{Group: 7})
	require.NoError(t, err)
	w, err := s.Create(sampleMeta().Base)
	require.NoError(t, err)
	for range 200 {
		require.NoError(t, w.Chunk([]byte("chunk")))
	}
	m, err := w.Commit()
	require.NoError(t, err)
	r, err := s.Open(m)
	require.NoError(t, err)
	o := NewOffers(OffersOptions{})
	o.Offer(Offer{Peer: "p", Meta: m, Source: r})
	offer := o.Turn(1).Frames
	require.Len(t, offer, 1)
	transfer := binary.LittleEndian.Uint64(offer[0].Head[10:])
	ask := func(from raft.NodeID, m message) int {
		m.kind, m.group, m.transfer = frameFetch, 7, transfer
		require.NoError(t, o.Handle(2, from, appendFrame(nil, m)))
		n := 0
		for _, f := range o.Turn(2).Frames {
			n += min(len(f.Body), 1)
		}
		return n
	}
	require.Equal(t, maxWindow, ask("p", message{from: 0, until: 1<<32 - 1}))
	require.Zero(t, ask("p", message{from: 0, until: 1<<32 - 1}))
	require.Equal(t, maxWindow, ask("p", message{from: maxWindow, until: 1<<32 - 1}))
	require.Zero(t, ask("p", message{from: 1<<32 - 1, until: 1<<32 - 1}))
	require.Zero(t, ask("p", message{from: 1<<32 - 2, until: 1<<32 - 1, rewind: true}))
	require.Equal(t, 5, ask("p", message{from: 195, until: 1<<32 - 1, rewind: true}))
	require.Zero(t, ask("stranger", message{from: 0, until: 200, rewind: true}), "a transfer belongs to its peer")
}

func TestPaceRoundsUpAndSaturates(t *testing.T) {
	p := pace{bytesPerSecond: 3}
	p.spend(1e9, 1)
	require.Equal(t, raft.Monotonic(1e9-1e8+333_333_334), p.free)
	p = pace{bytesPerSecond: 1}
	p.spend(1e9, 1<<62)
	require.Equal(t, raft.Monotonic(1<<63-1), p.free)
	require.False(t, p.ready(1<<62))
}

func FuzzDecodeFrame(f *testing.F) {
	for _, m := range samples() {
		f.Add(appendFrame(nil, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeFrame(b)
		if err != nil {
			require.ErrorIs(t, err, ErrFrame)
			return
		}
		require.Equal(t, b, appendFrame(nil, m), "an encoding is the only one of its frame")
	})
}

// Whatever is fed to both sides, neither panics, and nothing that was not sent in full arrives.
func FuzzTransfer(f *testing.F) {
	for _, m := range samples() {
		f.Add(appendFrame(nil, m), []byte("body"))
	}
	f.Fuzz(func(t *testing.T, head, body []byte) {
		id := sampleMeta().Identity
		s, err := Open(disk.New(1), "d", id)
		require.NoError(t, err)
		fetches := NewFetches(FetchesOptions{}, func(raft.GroupID) (Target, bool) { return Target{Identity: id, Store: s}, true })
		defer fetches.Close()
		offers := NewOffers(OffersOptions{Boot: 4})
		offers.Offer(Offer{Peer: "x", Term: 4, Meta: BaseOnly(id, sampleMeta().Base)})
		offers.Turn(1)
		require.NoError(t, fetches.Handle(1, "x", appendFrame(nil, samples()[0]), nil))
		for now := raft.Monotonic(1); now < 4; now++ {
			if ForOffers(head) {
				offers.Handle(now, "x", head)
			} else {
				fetches.Handle(now, "x", head, body)
			}
			for _, a := range fetches.Turn(now).Arrived {
				require.Zero(t, a.Meta.Chunks)
			}
			offers.Turn(now)
		}
	})
}

// Whatever stands in an image file, it is read as an image or refused, never with a panic or an allocation for a lie.
func FuzzImageFile(f *testing.F) {
	d := disk.New(1)
	id := sampleMeta().Identity
	s, err := Open(d, "d", id)
	require.NoError(f, err)
	w, err := s.Create(sampleMeta().Base)
	require.NoError(f, err)
	require.NoError(f, w.Chunk([]byte("chunk")))
	m, err := w.Commit()
	require.NoError(f, err)
	name := "d/" + fileName(12, m.Digest, imageSuffix)
	file, err := d.Open(name)
	require.NoError(f, err)
	size, err := file.Size()
	require.NoError(f, err)
	whole := make([]byte, size)
	_, err = file.ReadAt(whole, 0)
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		k := disk.New(2)
		require.NoError(t, k.MkdirAll("d"))
		file, err := k.Create(name)
		require.NoError(t, err)
		_, err = file.WriteAt(b, 0)
		require.NoError(t, err)
		s, err := Open(k, "d", id)
		require.NoError(t, err)
		if newest, ok := s.Newest(); ok && s.Verify(newest) == nil {
			require.Equal(t, m, newest)
		}
		m := m
		m.Chunks++
		require.NoError(t, k.Rename(name, "d/"+fileName(12, m.Digest, partSuffix)))
		r, err := s.Receive(m)
		require.NoError(t, err)
		require.NoError(t, r.Close())
	})
}
