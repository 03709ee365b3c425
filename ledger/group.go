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
	groupMagic   = "LKVGRP\x00\x01"
	groupSlots   = 4
	maxNodeLen   = 64
	groupCRCAt   = 8 + 8 + 16 + 8 + 8 + 16 + 8 + 8 + 4 + 4 + 4 + 1 + 64 + 1 + 64
	groupFileLen = groupSlots * pageSize
)

// groupState is what a slot of the group file says (docs/format.md, "Group file").
type groupState struct {
	generation  uint64
	id          Identity
	segmentSize uint64
	hard        raft.HardState
	ledgerEpoch uint32
	baseEpoch   uint32
	engineEpoch uint32
}

// encode gives a slot of one page.
func (g *groupState) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, pageSize)
	b = append(b, groupMagic...)
	b = le.AppendUint64(b, g.generation)
	b = append(b, g.id.Cluster[:]...)
	b = le.AppendUint64(b, uint64(g.id.Group))
	b = le.AppendUint64(b, g.id.Incarnation)
	b = append(b, g.id.Directory[:]...)
	b = le.AppendUint64(b, g.segmentSize)
	b = le.AppendUint64(b, uint64(g.hard.Term))
	b = le.AppendUint32(b, g.ledgerEpoch)
	b = le.AppendUint32(b, g.baseEpoch)
	b = le.AppendUint32(b, g.engineEpoch)
	b = appendNode(b, g.id.Node)
	b = appendNode(b, g.hard.Vote)
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:pageSize]
}

func appendNode(b []byte, n raft.NodeID) []byte {
	var padded [maxNodeLen]byte
	copy(padded[:], n)
	return append(append(b, byte(len(n))), padded[:]...)
}

func nodeAt(b []byte) (raft.NodeID, error) {
	n := int(b[0])
	if n > maxNodeLen {
		return "", fmt.Errorf("a node name of %d bytes, at most %d are possible", n, maxNodeLen)
	}
	return raft.NodeID(b[1 : 1+n]), nil
}

// decodeGroupSlot decodes one slot. An *unknownFormat error means that a later version wrote it.
func decodeGroupSlot(b []byte) (g groupState, err error) {
	if len(b) < groupCRCAt+4 {
		return g, fmt.Errorf("%d bytes, expected at least %d", len(b), groupCRCAt+4)
	}
	if err := checkSealed(b[:groupCRCAt+4], groupMagic); err != nil {
		return g, err
	}
	le := binary.LittleEndian
	g.generation = le.Uint64(b[8:])
	copy(g.id.Cluster[:], b[16:])
	g.id.Group, g.id.Incarnation = raft.GroupID(le.Uint64(b[32:])), le.Uint64(b[40:])
	copy(g.id.Directory[:], b[48:])
	g.segmentSize, g.hard.Term = le.Uint64(b[64:]), raft.Term(le.Uint64(b[72:]))
	g.ledgerEpoch, g.baseEpoch, g.engineEpoch = le.Uint32(b[80:]), le.Uint32(b[84:]), le.Uint32(b[88:])
	if g.id.Node, err = nodeAt(b[92:]); err != nil {
		return g, err
	}
	if g.hard.Vote, err = nodeAt(b[92+1+maxNodeLen:]); err != nil {
		return g, err
	}
	if !validSegmentSize(g.segmentSize) {
		return g, fmt.Errorf("segment size %d, expected a power of two from %d on", g.segmentSize, minSegmentSize)
	}
	return g, nil
}

// checkSealed checks a structure that begins with an 8-byte magic, whose last byte is a version, and ends with a CRC over all before it.
func checkSealed(b []byte, magic string) error {
	if len(b) < len(magic)+4 {
		return fmt.Errorf("%d bytes are too short", len(b))
	}
	if string(b[:7]) != magic[:7] {
		return fmt.Errorf("expected magic %q, found %q", magic, b[:8])
	}
	// A damaged version byte in what is otherwise ours is damage, not a later format: so the CRC is computed with our version.
	n := len(b) - 4
	sum := crc32.Update(crc32.Checksum([]byte(magic), castagnoli), castagnoli, b[8:n])
	if found := binary.LittleEndian.Uint32(b[n:]); sum != found {
		if b[7] != magic[7] {
			return &unknownFormat{fmt.Sprintf("version %d, expected %d", b[7], magic[7])}
		}
		return fmt.Errorf("checksum: computed %#x, found %#x", sum, found)
	}
	if b[7] != magic[7] {
		return fmt.Errorf("version byte is %d, expected %d", b[7], magic[7])
	}
	return nil
}

// slotsOf names the two slots of a generation.
func slotsOf(generation uint64) [2]int64 {
	return [2]int64{int64(generation % 2), int64(generation%2) + 2}
}

// newGroupFile is the content of a group file that has only generation g.
func newGroupFile(g *groupState) []byte {
	b := make([]byte, groupFileLen)
	slot := g.encode()
	for _, i := range slotsOf(g.generation) {
		copy(b[i*pageSize:], slot)
	}
	return b
}

// readGroup reads the group file and gives the slot in force. It writes nothing.
func readGroup(fsys fs.FS, file string) (groupState, error) {
	b, err := fs.ReadFile(fsys, file)
	if err != nil {
		return groupState{}, fmt.Errorf("ledger: group file: %w", err)
	}
	var best groupState
	var valid [groupSlots]bool
	var faults []error
	for i := 0; i < groupSlots && i*pageSize < len(b); i++ {
		g, err := decodeGroupSlot(b[i*pageSize : min((i+1)*pageSize, len(b))])
		var unknown *unknownFormat
		switch {
		case errors.As(err, &unknown):
			// An older slot must not win over one that can't be read: it could forget a vote.
			return groupState{}, &FormatError{Path: file, Offset: int64(i * pageSize), What: unknown.what}
		case err != nil:
			faults = append(faults, fmt.Errorf("slot %d: %w", i, err))
			continue
		case g.generation > best.generation:
			best = g
		}
		valid[i] = true
	}
	if best.generation == 0 {
		return best, &CorruptionError{Path: file, Err: errors.Join(append(faults, errors.New("no valid slot"))...)}
	}
	// A slot's content is one sector, so a crash leaves each slot valid. Where both slots that the next generation goes to are damaged, a
	// later one than the best may have been there, and with it a vote.
	next := slotsOf(best.generation + 1)
	if !valid[next[0]] && !valid[next[1]] && !(best.generation == 1 && neverWritten(b, next)) {
		return best, &CorruptionError{Path: file, Offset: next[0] * pageSize,
			Err: errors.Join(append(faults, errors.New("both slots of a generation are damaged, and it may have been the last"))...)}
	}
	return best, nil
}

// neverWritten reports whether slots hold zeros, as in a new group file.
func neverWritten(b []byte, slots [2]int64) bool {
	for _, i := range slots {
		if int64(len(b)) < (i+1)*pageSize || !allZero(b[i*pageSize:(i+1)*pageSize]) {
			return false
		}
	}
	return true
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// writeGroupSlots writes the two slots of a generation, without syncing.
func writeGroupSlots(f fs.File, g *groupState) error {
	slot := g.encode()
	for _, i := range slotsOf(g.generation) {
		if _, err := f.WriteAt(slot, i*pageSize); err != nil {
			return err
		}
	}
	return nil
}
