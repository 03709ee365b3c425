package kv

import (
	"encoding/binary"
	"fmt"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// The entry envelope (docs/format.md, "Entry envelope") is the body of a KV group's data entries: a fixed header, the session,
// the lengths of the payloads, the command, the payloads. Every offset follows from the header and the lengths.
const (
	envelopeVersion    = 1
	envelopeHeaderSize = 8
	sessionSize        = 24
)

// appendEnvelope begins an entry without session and payloads whose command takes commandSize bytes, which the caller appends.
func appendEnvelope(dst []byte, commandSize int) []byte {
	dst = append(dst, envelopeVersion, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, uint32(commandSize))
}

// openEnvelope gives the command of an entry. Sessions and payloads have their place in the format but are not in force: an
// entry that has them is refused, in the same way by every replica, until a Format entry below it says otherwise.
func openEnvelope(body []byte) (command []byte, err error) {
	if len(body) < envelopeHeaderSize {
		return nil, malformed("envelope", "expected at least %d bytes, found %d", envelopeHeaderSize, len(body))
	}
	if body[0] != envelopeVersion {
		return nil, unsupported("envelope", "expected version %d, found %d", envelopeVersion, body[0])
	}
	sessionBytes := int(body[1])
	payloads := int(binary.LittleEndian.Uint16(body[2:]))
	commandBytes := uint64(binary.LittleEndian.Uint32(body[4:]))
	if sessionBytes != 0 && sessionBytes != sessionSize {
		return nil, malformed("session", "expected 0 or %d bytes, found %d", sessionSize, sessionBytes)
	}
	commandAt := envelopeHeaderSize + sessionBytes + 4*payloads
	if commandAt > len(body) {
		return nil, malformed("envelope", "expected %d bytes before the command, found %d in all", commandAt, len(body))
	}
	end := uint64(commandAt) + commandBytes
	for table := body[commandAt-4*payloads : commandAt]; len(table) > 0; table = table[4:] {
		end += uint64(binary.LittleEndian.Uint32(table))
	}
	if end != uint64(len(body)) {
		return nil, malformed("envelope", "expected %d bytes by its lengths, found %d", end, len(body))
	}
	if sessionBytes != 0 {
		return nil, unsupported("session", "expected none, found one")
	}
	if payloads != 0 {
		return nil, unsupported("payloads", "expected none, found %d", payloads)
	}
	return body[commandAt:], nil
}

// malformed is the result of an entry that is no command.
func malformed(field, format string, args ...any) error {
	return &model.InvalidError{Field: field, Problem: fmt.Sprintf(format, args...), Err: model.ErrMalformed}
}

// unsupported is the result of an entry that uses what is not in force.
func unsupported(field, format string, args ...any) error {
	return &model.InvalidError{Field: field, Problem: fmt.Sprintf(format, args...), Err: model.ErrUnsupported}
}
