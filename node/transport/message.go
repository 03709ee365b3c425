package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// messageBytes is the length of a message without an image.
const messageBytes = 96

// imageFixedBytes is the length of an image's description without the configuration.
const imageFixedBytes = 8 + 8 + 8 + 4 + 4 + 8 + 4

const (
	messageReject = 1 << 0
	messageForce  = 1 << 1
	messageImage  = 1 << 2
	messageQuiet  = 1 << 3
	messageLease  = 1 << 4
	messageRead   = 1 << 5
	messageFlags  = messageReject | messageForce | messageImage | messageQuiet | messageLease | messageRead
)

// ErrMessage: a frame of messages is not understood. Its message says what is wrong and where. The connection that brought
// it is of no more use.
var ErrMessage = errors.New("transport: bad message frame")

// AppendMessage appends the encoding of a message of group g to a frame's head (docs/format.md, "Messages") and returns the
// extended slice. recordBytes is how many bytes of the frame's body are the records that the message names; they follow those
// of the messages before it. From and To are not encoded: the connection knows them.
func AppendMessage(dst []byte, g raft.GroupID, m *raft.Message, recordBytes uint32) []byte {
	var flags byte
	for i, set := range [...]bool{m.Reject, m.Force, m.Image != nil, m.Quiet, m.Lease != 0, m.Read != raft.ReadID{}} {
		if set {
			flags |= 1 << i
		}
	}
	dst = append(dst, byte(m.Type), flags, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, recordBytes)
	for _, v := range [...]uint64{
		uint64(g), uint64(m.Term),
		uint64(m.Prev.Index), uint64(m.Prev.Term), uint64(m.Last.Index), uint64(m.Last.Term),
		uint64(m.Hint.Index), uint64(m.Hint.Term), uint64(m.Commit), m.Round, uint64(m.SentAt),
	} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	if m.Lease != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(m.Lease))
	}
	if m.Read != (raft.ReadID{}) {
		dst = binary.LittleEndian.AppendUint64(dst, m.Read.Boot)
		dst = binary.LittleEndian.AppendUint64(dst, m.Read.Counter)
	}
	if m.Image != nil {
		dst = appendImage(dst, &m.Image.Base)
	}
	return dst
}

func appendImage(dst []byte, b *raft.Base) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.ID.Index))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.ID.Term))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.Position))
	dst = binary.LittleEndian.AppendUint32(dst, b.Checksum)
	dst = binary.LittleEndian.AppendUint32(dst, b.Format)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.LogTime))
	lengthAt := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = raft.AppendConfiguration(dst, b.Configuration)
	binary.LittleEndian.PutUint32(dst[lengthAt:], uint32(len(dst)-lengthAt-4))
	return dst
}

// MessageReader takes the messages out of a frame of KindMessages, in order:
//
//	for r := NewMessageReader(from, to, head, body); r.Next(); {
//		… r.Group(), r.Message(), r.Records() …
//	}
//	… r.Err() …
//
// It checks that the encoding is sound and that the records add up to the body, not that a message makes sense. Nothing is
// allocated but for images.
type MessageReader struct {
	head, body []byte
	offset     int
	group      raft.GroupID
	message    raft.Message
	records    []byte
	err        error
}

// NewMessageReader reads the messages of a frame that came from one node to another. It keeps head and body.
func NewMessageReader(from, to raft.NodeID, head, body []byte) MessageReader {
	return MessageReader{head: head, body: body, message: raft.Message{From: from, To: to}}
}

// Next goes to the next message. It returns false at the end and at the first fault; Err tells them apart.
func (r *MessageReader) Next() bool {
	if r.err != nil {
		return false
	}
	if r.offset == len(r.head) {
		if len(r.body) > 0 {
			r.fail("expected the end of the body, found %d bytes that no message names", len(r.body))
		}
		return false
	}
	b := r.head[r.offset:]
	if len(b) < messageBytes {
		return r.fail("expected a message of %d bytes, found %d", messageBytes, len(b))
	}
	recordBytes, imageFollows, ok := r.fixed(b)
	if !ok {
		return false
	}
	used, ok := r.optional(b)
	if !ok {
		return false
	}
	r.message.Image = nil
	if imageFollows {
		image, n, err := decodeImage(b[used:])
		if err != nil {
			return r.fail("%w", err)
		}
		r.message.Image = image
		used += n
	}
	if uint64(recordBytes) > uint64(len(r.body)) {
		return r.fail("expected %d bytes of records, found %d left of the body", recordBytes, len(r.body))
	}
	r.records, r.body = r.body[:recordBytes:recordBytes], r.body[recordBytes:]
	r.offset += used
	return true
}

// fixed decodes the part of a message that is always there.
func (r *MessageReader) fixed(b []byte) (recordBytes uint32, imageFollows, ok bool) {
	m := &r.message
	m.Type = raft.MessageType(b[0])
	flags := b[1]
	if m.Type < raft.MsgPreVote || m.Type > raft.LastMessageType {
		return 0, false, r.fail("expected a message type from %d to %d, found %d", raft.MsgPreVote, raft.LastMessageType, b[0])
	}
	if flags&^messageFlags != 0 || b[2] != 0 || b[3] != 0 {
		return 0, false, r.fail("expected flags of %#x and two zeros, found %#x, %#x, %#x", messageFlags, flags, b[2], b[3])
	}
	m.Reject, m.Force, m.Quiet = flags&messageReject != 0, flags&messageForce != 0, flags&messageQuiet != 0
	if imageFollows = flags&messageImage != 0; imageFollows && m.Type != raft.MsgImage {
		return 0, false, r.fail("expected an image with %s only, found one with %s", raft.MsgImage, m.Type)
	}
	recordBytes = binary.LittleEndian.Uint32(b[4:])
	if recordBytes != 0 && m.Type != raft.MsgAppend {
		return 0, false, r.fail("expected records with %s only, found %d bytes with %s", raft.MsgAppend, recordBytes, m.Type)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8+8*i:]) }
	if r.group = raft.GroupID(word(0)); r.group == 0 {
		return 0, false, r.fail("expected a group, found 0")
	}
	m.Term = raft.Term(word(1))
	m.Prev = raft.EntryID{Index: raft.Index(word(2)), Term: raft.Term(word(3))}
	m.Last = raft.EntryID{Index: raft.Index(word(4)), Term: raft.Term(word(5))}
	m.Hint = raft.EntryID{Index: raft.Index(word(6)), Term: raft.Term(word(7))}
	m.Commit = raft.Index(word(8))
	m.Round = word(9)
	m.SentAt = raft.Monotonic(word(10))
	return recordBytes, imageFollows, true
}

// optional decodes the lease and the read round, where there are any, and tells where they end. A zero has no place on the wire:
// every message has one encoding.
func (r *MessageReader) optional(b []byte) (used int, ok bool) {
	m, flags := &r.message, b[1]
	used, m.Lease, m.Read = messageBytes, 0, raft.ReadID{}
	take := func() uint64 {
		v := binary.LittleEndian.Uint64(b[used:])
		used += 8
		return v
	}
	need := messageBytes
	if flags&messageLease != 0 {
		need += 8
	}
	if flags&messageRead != 0 {
		need += 16
	}
	if len(b) < need {
		return 0, r.fail("expected a message of at least %d bytes, found %d", need, len(b))
	}
	if flags&messageLease != 0 {
		m.Lease = time.Duration(take())
	}
	if flags&messageRead != 0 {
		m.Read = raft.ReadID{Boot: take(), Counter: take()}
	}
	if m.Lease == 0 && flags&messageLease != 0 || m.Read == (raft.ReadID{}) && flags&messageRead != 0 {
		return 0, r.fail("expected a lease or a read round other than 0 where flags %#x announce one", flags)
	}
	return used, true
}

// decodeImage reads an image's description and tells how long it is.
func decodeImage(b []byte) (*raft.ImageMeta, int, error) {
	if len(b) < imageFixedBytes {
		return nil, 0, fmt.Errorf("expected an image of at least %d bytes, found %d", imageFixedBytes, len(b))
	}
	base := raft.Base{
		ID: raft.EntryID{
			Index: raft.Index(binary.LittleEndian.Uint64(b)),
			Term:  raft.Term(binary.LittleEndian.Uint64(b[8:])),
		},
		Position: raft.Position(binary.LittleEndian.Uint64(b[16:])),
		Checksum: binary.LittleEndian.Uint32(b[24:]),
		Format:   binary.LittleEndian.Uint32(b[28:]),
		LogTime:  int64(binary.LittleEndian.Uint64(b[32:])),
	}
	length := binary.LittleEndian.Uint32(b[40:])
	b = b[imageFixedBytes:]
	if uint64(length) > uint64(len(b)) {
		return nil, 0, fmt.Errorf("expected a configuration of %d bytes, found %d", length, len(b))
	}
	configuration, err := raft.DecodeConfiguration(b[:length])
	if err != nil {
		return nil, 0, fmt.Errorf("configuration of an image: %w", err)
	}
	base.Configuration = configuration
	return &raft.ImageMeta{Base: base}, imageFixedBytes + int(length), nil
}

// Group is the group of the current message.
func (r *MessageReader) Group() raft.GroupID { return r.group }

// Message is the current message, valid until Next is called; its Image is the caller's to keep.
func (r *MessageReader) Message() *raft.Message { return &r.message }

// Records is the part of the body that the current message names, which may be empty. It is part of the slice that
// NewMessageReader was given.
func (r *MessageReader) Records() []byte { return r.records }

// Err is ErrMessage, wrapped, when the frame is bad. The messages before the fault were right.
func (r *MessageReader) Err() error { return r.err }

func (r *MessageReader) fail(format string, args ...any) bool {
	r.err = fmt.Errorf("%w: at byte %d of the head: %w", ErrMessage, r.offset, fmt.Errorf(format, args...))
	return false
}
