package snapshot

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Limits of an image, checked before anything is allocated.
const (
	// MaxChunkBytes bounds a chunk: statemachine.ImageChunkBytes plus the largest item of the largest segment in use.
	MaxChunkBytes = 64 << 20
	// maxBaseBytes bounds an encoded base, which holds a configuration.
	maxBaseBytes = 1 << 20
	// maxChunks bounds the chunks of an image: 256 TiB at the usual chunk size.
	maxChunks = 1 << 30
)

// Identity says whose state an image holds. Images of one identity with the same base are the same bytes.
type Identity struct {
	// Cluster is the first 16 bytes of the SHA-256 of the cluster's name.
	Cluster [16]byte
	Group   raft.GroupID
	// Incarnation tells a group from an earlier one of the same id.
	Incarnation uint64
}

// String gives cluster/group/incarnation in hex.
func (id Identity) String() string {
	return fmt.Sprintf("%x/%x/%x", id.Cluster[:4], uint64(id.Group), id.Incarnation)
}

// Digest is a SHA-256 over an image's identity, base and chunks. The zero digest stands for a base without an image.
type Digest [32]byte

// String gives the first eight bytes in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:8]) }

// Meta describes an image. It is a value: nothing in it is changed once it was handed out.
type Meta struct {
	Identity Identity
	// Base is the base of a ledger that goes on after this image: Base.ID is the last entry whose effect is in it.
	Base raft.Base
	// Chunks is the number of chunks, numbered from 0.
	Chunks uint32
	// Bytes is the length of all chunks together, framing apart.
	Bytes uint64
	// Digest names the bytes.
	Digest Digest
}

// BaseOnly describes the reset of a replica without a machine: a base, and no image.
func BaseOnly(id Identity, base raft.Base) Meta { return Meta{Identity: id, Base: base} }

// HasImage reports whether there are bytes to go with the base.
func (m Meta) HasImage() bool { return m.Digest != Digest{} }

// String names the image in errors and logs.
func (m Meta) String() string {
	if !m.HasImage() {
		return fmt.Sprintf("base %v of group %v", m.Base.ID, m.Identity)
	}
	return fmt.Sprintf("image %v (%d chunks, %d bytes, %v) of group %v", m.Base.ID, m.Chunks, m.Bytes, m.Digest, m.Identity)
}

// same reports whether two metas name the same bytes.
func (m Meta) same(o Meta) bool {
	return m.Identity == o.Identity && m.Digest == o.Digest && m.Chunks == o.Chunks && m.Bytes == o.Bytes &&
		bytes.Equal(appendBase(nil, m.Base), appendBase(nil, o.Base))
}

// check refuses a description that no honest sender makes.
func (m Meta) check() error {
	switch {
	case m.Base.ID.Index == 0 || m.Base.ID.Term == 0:
		return fmt.Errorf("the base must be an entry, found %v", m.Base.ID)
	case m.Chunks > maxChunks:
		return fmt.Errorf("at most %d chunks are allowed, found %d", maxChunks, m.Chunks)
	case m.Bytes > uint64(m.Chunks)*MaxChunkBytes:
		return fmt.Errorf("%d chunks can't hold %d bytes", m.Chunks, m.Bytes)
	case !m.HasImage() && m.Chunks != 0:
		return fmt.Errorf("a base without an image has no chunks, found %d", m.Chunks)
	}
	return nil
}

const identityBytes = 32

func appendIdentity(dst []byte, id Identity) []byte {
	dst = append(dst, id.Cluster[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(id.Group))
	return binary.LittleEndian.AppendUint64(dst, id.Incarnation)
}

func decodeIdentity(src []byte) (id Identity) {
	copy(id.Cluster[:], src)
	id.Group = raft.GroupID(binary.LittleEndian.Uint64(src[16:]))
	id.Incarnation = binary.LittleEndian.Uint64(src[24:])
	return id
}

const baseFixedBytes = 8 + 8 + 8 + 4 + 4 + 8

// appendBase encodes a base; the configuration takes what is left, so the length must be kept beside it.
func appendBase(dst []byte, b raft.Base) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.ID.Index))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.ID.Term))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.Position))
	dst = binary.LittleEndian.AppendUint32(dst, b.Checksum)
	dst = binary.LittleEndian.AppendUint32(dst, b.Format)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.LogTime))
	return raft.AppendConfiguration(dst, b.Configuration)
}

func decodeBase(src []byte) (raft.Base, error) {
	if len(src) < baseFixedBytes {
		return raft.Base{}, fmt.Errorf("a base takes at least %d bytes, found %d", baseFixedBytes, len(src))
	}
	le := binary.LittleEndian
	b := raft.Base{
		ID:       raft.EntryID{Index: raft.Index(le.Uint64(src)), Term: raft.Term(le.Uint64(src[8:]))},
		Position: raft.Position(le.Uint64(src[16:])),
		Checksum: le.Uint32(src[24:]),
		Format:   le.Uint32(src[28:]),
		LogTime:  int64(le.Uint64(src[32:])),
	}
	var err error
	if b.Configuration, err = raft.DecodeConfiguration(src[baseFixedBytes:]); err != nil {
		return raft.Base{}, fmt.Errorf("the base's configuration: %w", err)
	}
	return b, nil
}
