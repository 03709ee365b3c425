package snapshot

import (
	"encoding/binary"
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Frame is a message of the transfer protocol (docs/format.md, "Image transfer"). The receiver of a Frame owns its slices.
type Frame struct {
	To   raft.NodeID
	Head []byte
	// Body is a chunk's data; nil in every other frame.
	Body []byte
}

type frameType uint8

const (
	frameOffer frameType = 1
	frameFetch frameType = 2
	frameChunk frameType = 3
	frameSent  frameType = 4
	frameDone  frameType = 5
	frameAbort frameType = 6
	frameAsk   frameType = 7
)

const (
	frameVersion    = 1
	frameFixedBytes = 1 + 1 + 8 + 8
	offerFixedBytes = 8 + identityBytes + 4 + 8 + 32
	fetchBytes      = 4 + 4 + 1
	chunkFrameBytes = 4 + 4
	sentBytes       = 4
	askBytes        = 8
	maxReasonBytes  = 256

	fetchRewind = 1
	fetchPoll   = 2
)

// outcome is how a transfer ended for the receiver.
type outcome uint8

const (
	outcomeArrived outcome = 0
	outcomeRefused outcome = 1
	outcomeFailed  outcome = 2
	outcomeBusy    outcome = 3
)

// message is a decoded frame; which fields count depends on the type.
type message struct {
	kind     frameType
	group    raft.GroupID
	transfer uint64

	term   raft.Term  // offer
	meta   Meta       // offer
	from   uint32     // fetch: all chunks below are there
	until  uint32     // fetch: send the chunks below
	rewind bool       // fetch: send again from there
	poll   bool       // fetch: say what was sent
	number uint32     // chunk: its number; sent: all below were sent
	crc    uint32     // chunk
	result outcome    // done
	reason string     // done, abort
	least  raft.Index // ask: where the image ends, at least
}

func appendFrame(dst []byte, m message) []byte {
	le := binary.LittleEndian
	dst = append(dst, frameVersion, byte(m.kind))
	dst = le.AppendUint64(dst, uint64(m.group))
	dst = le.AppendUint64(dst, m.transfer)
	switch m.kind {
	case frameOffer:
		dst = le.AppendUint64(dst, uint64(m.term))
		dst = appendIdentity(dst, m.meta.Identity)
		dst = le.AppendUint32(dst, m.meta.Chunks)
		dst = le.AppendUint64(dst, m.meta.Bytes)
		dst = append(dst, m.meta.Digest[:]...)
		return appendBase(dst, m.meta.Base)
	case frameFetch:
		dst = le.AppendUint32(dst, m.from)
		dst = le.AppendUint32(dst, m.until)
		var flags byte
		if m.rewind {
			flags |= fetchRewind
		}
		if m.poll {
			flags |= fetchPoll
		}
		return append(dst, flags)
	case frameChunk:
		dst = le.AppendUint32(dst, m.number)
		return le.AppendUint32(dst, m.crc)
	case frameSent:
		return le.AppendUint32(dst, m.number)
	case frameAsk:
		return le.AppendUint64(dst, uint64(m.least))
	case frameDone:
		dst = append(dst, byte(m.result))
	}
	return append(dst, m.reason[:min(len(m.reason), maxReasonBytes)]...)
}

func decodeFrame(head []byte) (message, error) {
	if len(head) < frameFixedBytes {
		return message{}, fmt.Errorf("%w: expected at least %d bytes, found %d", ErrFrame, frameFixedBytes, len(head))
	}
	if head[0] != frameVersion {
		return message{}, fmt.Errorf("%w: expected version %d, found %d", ErrFrame, frameVersion, head[0])
	}
	le := binary.LittleEndian
	m := message{kind: frameType(head[1]), group: raft.GroupID(le.Uint64(head[2:])), transfer: le.Uint64(head[10:])}
	rest := head[frameFixedBytes:]
	switch m.kind {
	case frameOffer:
		return m, m.decodeOffer(rest)
	case frameFetch:
		return m, m.decodeFetch(rest)
	case frameChunk:
		if len(rest) != chunkFrameBytes {
			return m, lengthError("chunk", chunkFrameBytes, len(rest))
		}
		m.number, m.crc = le.Uint32(rest), le.Uint32(rest[4:])
		return m, nil
	case frameSent:
		if len(rest) != sentBytes {
			return m, lengthError("sent", sentBytes, len(rest))
		}
		m.number = le.Uint32(rest)
		return m, nil
	case frameDone:
		if len(rest) < 1 || rest[0] > byte(outcomeBusy) {
			return m, fmt.Errorf("%w: expected an outcome of 0 to %d", ErrFrame, outcomeBusy)
		}
		m.result = outcome(rest[0])
		return m, m.decodeReason(rest[1:])
	case frameAbort:
		return m, m.decodeReason(rest)
	case frameAsk:
		if len(rest) != askBytes {
			return m, lengthError("ask", askBytes, len(rest))
		}
		m.least = raft.Index(le.Uint64(rest))
		return m, nil
	}
	return m, fmt.Errorf("%w: unknown type %d", ErrFrame, head[1])
}

func lengthError(what string, expected, found int) error {
	return fmt.Errorf("%w: expected %d bytes of a %s frame, found %d", ErrFrame, expected, what, found)
}

func (m *message) decodeOffer(rest []byte) error {
	if len(rest) < offerFixedBytes || len(rest) > offerFixedBytes+maxBaseBytes {
		return lengthError("offer", offerFixedBytes, len(rest))
	}
	le := binary.LittleEndian
	m.term = raft.Term(le.Uint64(rest))
	m.meta.Identity = decodeIdentity(rest[8:])
	rest = rest[8+identityBytes:]
	m.meta.Chunks, m.meta.Bytes = le.Uint32(rest), le.Uint64(rest[4:])
	copy(m.meta.Digest[:], rest[12:])
	var err error
	if m.meta.Base, err = decodeBase(rest[44:]); err == nil {
		err = m.meta.check()
	}
	if err == nil && m.meta.Identity.Group != m.group {
		err = fmt.Errorf("the frame is about group %x, the image about %x", uint64(m.group), uint64(m.meta.Identity.Group))
	}
	if err != nil {
		return fmt.Errorf("%w: an offer: %w", ErrFrame, err)
	}
	return nil
}

func (m *message) decodeFetch(rest []byte) error {
	if len(rest) != fetchBytes {
		return lengthError("fetch", fetchBytes, len(rest))
	}
	m.from, m.until = binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
	if rest[8] > fetchRewind|fetchPoll || m.until < m.from {
		return fmt.Errorf("%w: a fetch of chunks %d to %d with flags %x", ErrFrame, m.from, m.until, rest[8])
	}
	m.rewind, m.poll = rest[8]&fetchRewind != 0, rest[8]&fetchPoll != 0
	return nil
}

func (m *message) decodeReason(rest []byte) error {
	if len(rest) > maxReasonBytes {
		return fmt.Errorf("%w: a reason takes at most %d bytes, found %d", ErrFrame, maxReasonBytes, len(rest))
	}
	m.reason = string(rest)
	return nil
}
