package raft

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed: bytes are not the encoding they should be. Test with errors.Is.
var ErrMalformed = errors.New("raft: malformed encoding")

const (
	configurationVersion = 1
	flagJoint            = 1 << 0
	roleVoter            = 1 << 0
	roleWasVoter         = 1 << 1
	rolePromote          = 1 << 2
	roleLeaves           = 1 << 3
	roleReplaces         = 1 << 4
	roleDirectory        = 1 << 5
	roleBits             = roleVoter | roleWasVoter | rolePromote | roleLeaves | roleReplaces | roleDirectory
	trimBytes            = 8
)

// AppendConfiguration appends the encoding of a configuration (docs/format.md, "Configuration") to dst and returns the
// extended slice. It keeps nothing.
// REQUIRES: Validate accepts the configuration, or it has no members; otherwise it panics.
func AppendConfiguration(dst []byte, c Configuration) []byte {
	if err := encodable(c); err != nil {
		panic(err)
	}
	var flags byte
	if c.Joint {
		flags |= flagJoint
	}
	dst = append(dst, configurationVersion, flags)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(c.Members)))
	for _, m := range c.Members {
		dst = append(dst, byte(len(m.ID)))
		dst = append(dst, m.ID...)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(len(m.Address)))
		dst = append(dst, m.Address...)
		dst = append(dst, m.role())
		dst = binary.LittleEndian.AppendUint16(dst, m.Priority)
		if m.Replaces != None {
			dst = append(dst, byte(len(m.Replaces)))
			dst = append(dst, m.Replaces...)
		}
		if m.Directory != [16]byte{} {
			dst = append(dst, m.Directory[:]...)
		}
	}
	return dst
}

// role packs a member's flags, in the order of the role bits.
func (m *Member) role() (bits byte) {
	for i, set := range [...]bool{m.Voter, m.WasVoter, m.Promote, m.Leaves, m.Replaces != None, m.Directory != [16]byte{}} {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

// DecodeConfiguration reads what AppendConfiguration wrote, and nothing else: every configuration has one encoding. It keeps
// nothing of src. It fails with an error that wraps ErrMalformed, whatever src holds.
func DecodeConfiguration(src []byte) (Configuration, error) {
	r := reader{rest: src}
	version, flags := r.byte(), r.byte()
	count := int(r.uint16())
	switch {
	case r.short:
		return Configuration{}, malformed("the header has %d bytes, expected 4", len(src))
	case version != configurationVersion:
		return Configuration{}, malformed("version %d, expected %d", version, configurationVersion)
	case flags&^flagJoint != 0:
		return Configuration{}, malformed("unknown flags %#x", flags)
	case count > MaxMembers:
		return Configuration{}, malformed("%d members, expected at most %d", count, MaxMembers)
	}
	c := Configuration{Joint: flags&flagJoint != 0}
	for i := range count {
		m, role := r.member()
		if r.short || role&^byte(roleBits) != 0 || m.role() != role {
			return Configuration{}, malformed("member %d of %d is cut short or has unknown role bits %#x", i, count, role)
		}
		c.Members = append(c.Members, m)
	}
	if len(r.rest) > 0 {
		return Configuration{}, malformed("%d bytes follow the last member", len(r.rest))
	}
	if err := encodable(c); err != nil {
		return Configuration{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return c, nil
}

// encodable accepts valid configurations and the one without members.
func encodable(c Configuration) error {
	if len(c.Members) == 0 && !c.Joint {
		return nil
	}
	return c.Validate()
}

// AppendTrim appends the body of a KindTrim entry to dst: keep is the first index that stays in the log.
func AppendTrim(dst []byte, keep Index) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(keep))
}

// DecodeTrim reads what AppendTrim wrote. It fails with an error that wraps ErrMalformed.
func DecodeTrim(src []byte) (Index, error) {
	if len(src) != trimBytes {
		return 0, malformed("a trim has %d bytes, expected %d", len(src), trimBytes)
	}
	return Index(binary.LittleEndian.Uint64(src)), nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// reader takes integers and strings off a slice; once it runs short it gives zeros.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if len(r.rest) < n {
		r.short, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }

func (r *reader) member() (m Member, role byte) {
	m.ID = NodeID(r.take(int(r.byte())))
	m.Address = string(r.take(int(r.uint16())))
	role = r.byte()
	m.Voter, m.WasVoter = role&roleVoter != 0, role&roleWasVoter != 0
	m.Promote, m.Leaves = role&rolePromote != 0, role&roleLeaves != 0
	m.Priority = r.uint16()
	if role&roleReplaces != 0 {
		m.Replaces = NodeID(r.take(int(r.byte())))
	}
	if role&roleDirectory != 0 {
		m.Directory = [16]byte(r.take(16))
	}
	return m, role
}
