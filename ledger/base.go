package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

const (
	baseMagic  = "LKVBAS\x00\x01"
	baseConfAt = 8 + 8 + 8 + 8 + 4 + 4 + 8 + 4
)

// encodeBase gives the content of a base file (docs/format.md, "Base").
func encodeBase(b raft.Base) []byte {
	le := binary.LittleEndian
	conf := raft.AppendConfiguration(nil, b.Configuration)
	out := make([]byte, 0, baseConfAt+len(conf)+4)
	out = append(out, baseMagic...)
	out = le.AppendUint64(out, uint64(b.ID.Index))
	out = le.AppendUint64(out, uint64(b.ID.Term))
	out = le.AppendUint64(out, uint64(b.Position))
	out = le.AppendUint32(out, b.Checksum)
	out = le.AppendUint32(out, b.Format)
	out = le.AppendUint64(out, uint64(b.LogTime))
	out = le.AppendUint32(out, uint32(len(conf)))
	out = append(out, conf...)
	return le.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// decodeBase is the reverse of encodeBase.
func decodeBase(src []byte) (b raft.Base, err error) {
	if len(src) < baseConfAt+4 {
		return b, fmt.Errorf("%d bytes, expected at least %d", len(src), baseConfAt+4)
	}
	if err := checkSealed(src, baseMagic); err != nil {
		return b, err
	}
	le := binary.LittleEndian
	b.ID = raft.EntryID{Index: raft.Index(le.Uint64(src[8:])), Term: raft.Term(le.Uint64(src[16:]))}
	b.Position, b.Checksum, b.Format = raft.Position(le.Uint64(src[24:])), le.Uint32(src[32:]), le.Uint32(src[36:])
	b.LogTime = int64(le.Uint64(src[40:]))
	if n := le.Uint32(src[48:]); uint64(n) != uint64(len(src)-baseConfAt-4) {
		return b, fmt.Errorf("a configuration of %d bytes in a file of %d", n, len(src))
	}
	b.Configuration, err = raft.DecodeConfiguration(src[baseConfAt : len(src)-4])
	if err != nil {
		return b, err
	}
	return b, checkBase(b)
}

func checkBase(b raft.Base) error {
	if b.Position%8 != 0 || uint64(b.Position) > 1<<62 {
		return fmt.Errorf("position %d, expected a multiple of 8 below 2^62", b.Position)
	}
	if (b.ID.Index == 0) != (b.ID.Term == 0) {
		return fmt.Errorf("entry id %v, expected both numbers or none to be zero", b.ID)
	}
	return nil
}

func readBase(fsys fs.FS, file string) (raft.Base, error) {
	src, err := fs.ReadFile(fsys, file)
	if err != nil {
		return raft.Base{}, &CorruptionError{Path: file, Err: err}
	}
	b, err := decodeBase(src)
	var unknown *unknownFormat
	if errors.As(err, &unknown) {
		return b, &FormatError{Path: file, What: unknown.what}
	}
	if err != nil {
		return b, &CorruptionError{Path: file, Index: b.ID.Index, Err: err}
	}
	return b, nil
}
