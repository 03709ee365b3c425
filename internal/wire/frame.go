package wire

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	// Version is the version of the frame header.
	Version = 1
	// HeaderSize is the number of bytes before a frame's head.
	HeaderSize = 24

	// DefaultMaxHead and DefaultMaxBody are the limits that zero Limits stand for, in bytes.
	DefaultMaxHead = 4 << 20
	DefaultMaxBody = 64 << 20
)

const (
	magic = uint16('L') | uint16('W')<<8

	// flagBodyChecked: the header holds a checksum of the body.
	flagBodyChecked uint16 = 1 << 0
	knownFlags             = flagBodyChecked
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Frame is a frame as it was read. Head and Body are the caller's to keep and to change; either may be empty.
type Frame struct {
	// Kind says what the frame is, to those who use the stream.
	Kind uint8
	// BodyChecked: the body was covered by a checksum, which was right. Unset, the body has to check itself.
	BodyChecked bool
	Head        []byte
	Body        []byte
}

// Limits bound what a frame may carry, in bytes. They are checked before anything is allocated. Zero means the default.
type Limits struct {
	// MaxHead bounds the head; default DefaultMaxHead.
	MaxHead uint32
	// MaxBody bounds the body; default DefaultMaxBody.
	MaxBody uint32
}

// Check says whether a frame with a head and a body of these lengths, in bytes, is within the limits: nil or a *FrameError.
func (l Limits) Check(head, body uint64) error {
	l = l.withDefaults()
	if head > uint64(l.MaxHead) {
		return &FrameError{Part: PartHeadLength, Offset: -1, Expected: uint64(l.MaxHead), Found: head}
	}
	if body > uint64(l.MaxBody) {
		return &FrameError{Part: PartBodyLength, Offset: -1, Expected: uint64(l.MaxBody), Found: body}
	}
	return nil
}

func (l Limits) withDefaults() Limits {
	if l.MaxHead == 0 {
		l.MaxHead = DefaultMaxHead
	}
	if l.MaxBody == 0 {
		l.MaxBody = DefaultMaxBody
	}
	return l
}

// header is a frame's header, decoded.
type header struct {
	kind     uint8
	flags    uint16
	headLen  uint32
	bodyLen  uint32
	bodyCRC  uint32
	checksum uint32
}

// appendTo appends the header, with the checksum that goes with head.
func (h header) appendTo(dst, head []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint16(dst, magic)
	dst = append(dst, Version, h.kind)
	dst = binary.LittleEndian.AppendUint16(dst, h.flags)
	dst = binary.LittleEndian.AppendUint16(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, h.headLen)
	dst = binary.LittleEndian.AppendUint32(dst, h.bodyLen)
	dst = binary.LittleEndian.AppendUint32(dst, h.bodyCRC)
	return binary.LittleEndian.AppendUint32(dst, headerChecksum(dst[start:], head))
}

// headerChecksum covers the header's first 20 bytes and the head.
func headerChecksum(b, head []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:HeaderSize-4], castagnoli), castagnoli, head)
}

// parseHeader decodes b, HeaderSize bytes at offset of the stream, and checks all of it but the checksum, which needs the
// head.
func parseHeader(b []byte, limits Limits, offset int64) (header, error) {
	h := header{
		kind:     b[3],
		flags:    binary.LittleEndian.Uint16(b[4:]),
		headLen:  binary.LittleEndian.Uint32(b[8:]),
		bodyLen:  binary.LittleEndian.Uint32(b[12:]),
		bodyCRC:  binary.LittleEndian.Uint32(b[16:]),
		checksum: binary.LittleEndian.Uint32(b[20:]),
	}
	fail := func(part Part, expected, found uint64) (header, error) {
		return header{}, &FrameError{Part: part, Offset: offset, Expected: expected, Found: found}
	}
	if got := binary.LittleEndian.Uint16(b); got != magic {
		return fail(PartMagic, uint64(magic), uint64(got))
	}
	if b[2] != Version {
		return fail(PartVersion, Version, uint64(b[2]))
	}
	if unknown := h.flags &^ knownFlags; unknown != 0 {
		return fail(PartFlags, uint64(h.flags&knownFlags), uint64(h.flags))
	}
	if reserved := binary.LittleEndian.Uint16(b[6:]); reserved != 0 {
		return fail(PartReserved, 0, uint64(reserved))
	}
	if h.headLen > limits.MaxHead {
		return fail(PartHeadLength, uint64(limits.MaxHead), uint64(h.headLen))
	}
	if h.bodyLen > limits.MaxBody {
		return fail(PartBodyLength, uint64(limits.MaxBody), uint64(h.bodyLen))
	}
	if h.flags&flagBodyChecked == 0 && h.bodyCRC != 0 {
		return fail(PartBodyChecksum, 0, uint64(h.bodyCRC))
	}
	return h, nil
}
