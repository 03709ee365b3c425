package transport_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// wireMessage is a message with what goes along with it.
type wireMessage struct {
	group   raft.GroupID
	message raft.Message
	records []byte
}

func sampleMessages() []wireMessage {
	id := func(n uint64) raft.EntryID { return raft.EntryID{Index: raft.Index(n), Term: raft.Term(n + 1)} }
	image := &raft.ImageMeta{Base: raft.Base{
		ID: id(77), Position: 1 << 40, Checksum: 0xdeadbeef, Format: 3, LogTime: -5,
		Configuration: raft.Configuration{Joint: true, Members: []raft.Member{
			{ID: "a", Address: "127.0.0.1:1", Voter: true, Priority: 9},
			{ID: "b", WasVoter: true, Leaves: true},
			{ID: "c", Promote: true, Replaces: "a"},
		}},
	}}
	samples := []wireMessage{
		{1, raft.Message{Type: raft.MsgAppend, Term: 9, Prev: id(1), Last: id(3), Commit: 2}, []byte("sixteen bytes ..")},
		{2, raft.Message{Type: raft.MsgAppend, Prev: id(1), Last: id(1)}, nil},
		{math.MaxUint64, raft.Message{
			Type: raft.MsgAppendResp, Term: math.MaxUint64, Prev: id(4), Last: id(5), Hint: id(6), Commit: math.MaxUint64,
			Round: math.MaxUint64, SentAt: math.MinInt64, Reject: true, Force: true,
		}, nil},
		{4, raft.Message{Type: raft.MsgImage, Term: 2, Image: image}, nil},
		{4, raft.Message{Type: raft.MsgImage, Term: 2, Image: &raft.ImageMeta{}}, nil},
		{5, raft.Message{Type: raft.MsgAppend, Prev: id(1), Last: id(9)}, []byte("eight ..")},
		{6, raft.Message{Type: raft.MsgHeartbeat, Lease: time.Second, Quiet: true}, nil},
		{6, raft.Message{Type: raft.MsgReadIndex, Lease: -1, Read: raft.ReadID{Boot: math.MaxUint64, Counter: 1}}, nil},
		{6, raft.Message{Type: raft.MsgImage, Read: raft.ReadID{Counter: 2}, Image: image}, nil},
	}
	for typ := raft.MsgPreVote; typ <= raft.LastMessageType; typ++ {
		samples = append(samples, wireMessage{7, raft.Message{Type: typ, Term: raft.Term(typ), Round: uint64(typ), SentAt: 12}, nil})
	}
	for i := range samples {
		samples[i].message.From, samples[i].message.To = "n1", "n2"
	}
	return samples
}

func encode(messages []wireMessage) (head, body []byte) {
	for i := range messages {
		m := &messages[i]
		head = transport.AppendMessage(head, m.group, &m.message, uint32(len(m.records)))
		body = append(body, m.records...)
	}
	return head, body
}

func decode(head, body []byte) ([]wireMessage, error) {
	var messages []wireMessage
	r := transport.NewMessageReader("n1", "n2", head, body)
	for r.Next() {
		m := wireMessage{r.Group(), *r.Message(), r.Records()}
		if len(m.records) == 0 {
			m.records = nil
		}
		messages = append(messages, m)
	}
	if r.Next() {
		panic("a reader went on after the end")
	}
	return messages, r.Err()
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	want := sampleMessages()
	got, err := decode(encode(want))
	require.NoError(t, err)
	require.Equal(t, want, got)
	none, err := decode(nil, nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

// TestMessageBytes pins the encoding that docs/format.md draws.
func TestMessageBytes(t *testing.T) {
	m := raft.Message{
		Type: raft.MsgAppend, Term: 2, Prev: raft.EntryID{Index: 3, Term: 4}, Last: raft.EntryID{Index: 5, Term: 6},
		Hint: raft.EntryID{Index: 7, Term: 8}, Commit: 9, Round: 10, SentAt: 11, Reject: true, Force: true,
	}
	want := []byte{5, 3, 0, 0, 16, 0, 0, 0}
	for v := range byte(11) {
		want = append(want, v+1, 0, 0, 0, 0, 0, 0, 0)
	}
	require.Equal(t, want, transport.AppendMessage(nil, 1, &m, 16))
	m.Lease, m.Read, m.Quiet = 12, raft.ReadID{Boot: 13, Counter: 14}, true
	want[1] = 1 + 2 + 8 + 16 + 32
	for v := range byte(3) {
		want = append(want, v+12, 0, 0, 0, 0, 0, 0, 0)
	}
	require.Equal(t, want, transport.AppendMessage(nil, 1, &m, 16))
}

func TestRecordsCannotBeGrownIntoTheNext(t *testing.T) {
	head, body := encode([]wireMessage{
		{1, raft.Message{Type: raft.MsgAppend}, []byte("first...")},
		{1, raft.Message{Type: raft.MsgAppend}, []byte("second..")},
	})
	r := transport.NewMessageReader("n1", "n2", head, body)
	require.True(t, r.Next())
	_ = append(r.Records(), "overwritten?"...)
	require.True(t, r.Next())
	require.Equal(t, "second..", string(r.Records()))
}

func TestBadMessages(t *testing.T) {
	good := raft.Message{Type: raft.MsgAppend}
	withImage := raft.Message{Type: raft.MsgImage, Image: &raft.ImageMeta{}}
	withLease := raft.Message{Type: raft.MsgHeartbeat, Lease: 5}
	cases := []struct {
		name   string
		m      *raft.Message
		change func(head []byte) []byte
		body   string
		text   string
	}{
		{"type 0", &good, func(b []byte) []byte { b[0] = 0; return b }, "", "message type"},
		{"type of the future", &good, func(b []byte) []byte { b[0] = byte(raft.LastMessageType) + 1; return b }, "", "message type"},
		{"unknown flag", &good, func(b []byte) []byte { b[1] = 64; return b }, "", "flags"},
		{"lease cut off", &withLease, func(b []byte) []byte { return b[:100] }, "", "at least 104 bytes, found 100"},
		{"read round cut off", &withLease, func(b []byte) []byte { b[1] |= 32; return b }, "", "at least 120 bytes, found 104"},
		{"no lease", &withLease, func(b []byte) []byte { clear(b[96:]); return b }, "", "other than 0"},
		{"no read round", &withLease, func(b []byte) []byte { b[1] |= 32; return append(b, make([]byte, 16)...) }, "", "other than 0"},
		{"reserved byte", &good, func(b []byte) []byte { b[3] = 1; return b }, "", "flags"},
		{"no group", &good, func(b []byte) []byte { clear(b[8:16]); return b }, "", "group"},
		{"cut off", &good, func(b []byte) []byte { return b[:95] }, "", "a message of 96 bytes, found 95"},
		{"a byte too many", &good, func(b []byte) []byte { return append(b, 1) }, "", "a message of 96 bytes, found 1"},
		{"more records than body", &good, func(b []byte) []byte { b[4] = 9; return b }, "8 bytes.", "9 bytes of records, found 8"},
		{"huge records", &good, func(b []byte) []byte { copy(b[4:], "\xff\xff\xff\xff"); return b }, "8 bytes.", "records"},
		{"more body than records", &good, func(b []byte) []byte { return b }, "8 bytes.", "8 bytes that no message names"},
		{"an image with an append", &good, func(b []byte) []byte { b[1] = 4; return b }, "", "image with Image only"},
		{"records with an image", &withImage, func(b []byte) []byte { b[4] = 8; return b }, "8 bytes.", "records with Append only"},
		{"image cut off", &withImage, func(b []byte) []byte { return b[:96+43] }, "", "an image of at least 44 bytes"},
		{"configuration cut off", &withImage, func(b []byte) []byte { return b[:len(b)-1] }, "", "a configuration of"},
		{"huge configuration", &withImage, func(b []byte) []byte { copy(b[136:], "\xff\xff\xff\xff"); return b }, "", "a configuration of"},
		{"bad configuration", &withImage, func(b []byte) []byte { b[140] = 99; return b }, "", "configuration"},
	}
	for _, c := range cases {
		head := transport.AppendMessage(nil, 1, &good, 0)
		head = append(head, c.change(transport.AppendMessage(nil, 1, c.m, 0))...)
		got, err := decode(head, []byte(c.body))
		require.ErrorIs(t, err, transport.ErrMessage, c.name)
		require.ErrorContains(t, err, c.text, c.name)
		require.NotEmpty(t, got, "%s: what stands before the fault is right", c.name)
	}
}

func FuzzMessages(f *testing.F) {
	head, body := encode(sampleMessages())
	f.Add(head, body)
	for _, m := range sampleMessages() {
		head, body := encode([]wireMessage{m})
		f.Add(head, body)
	}
	f.Add([]byte{}, []byte("x"))
	f.Fuzz(func(t *testing.T, head, body []byte) {
		messages, err := decode(head, body)
		if err != nil {
			require.ErrorIs(t, err, transport.ErrMessage)
		}
		// There is one way to write a message: what was accepted is what would have been written.
		headAgain, bodyAgain := encode(messages)
		require.True(t, bytes.HasPrefix(head, headAgain))
		require.True(t, bytes.HasPrefix(body, bodyAgain))
		if err == nil {
			require.Len(t, headAgain, len(head))
			require.Len(t, bodyAgain, len(body))
		}
	})
}

func TestMessagesCostNoAllocation(t *testing.T) {
	m := raft.Message{Type: raft.MsgHeartbeat, Term: 3, Commit: 9}
	head := make([]byte, 0, 64<<10)
	allocations := testing.AllocsPerRun(100, func() {
		head = head[:0]
		for g := raft.GroupID(1); g <= 100; g++ {
			head = transport.AppendMessage(head, g, &m, 0)
		}
		count := 0
		for r := transport.NewMessageReader("n1", "n2", head, nil); r.Next(); {
			count++
		}
		if count != 100 {
			panic(fmt.Sprint(count))
		}
	})
	require.Zero(t, allocations)
}
