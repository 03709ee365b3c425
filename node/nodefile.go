package node

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

const (
	identityMagic  = "LKVNOD\x00\x02"
	maxNodeIDBytes = 64
	maxNameBytes   = 255
)

// The flags of the node file.
const (
	flagAdmitted = 1 << 0
	flagJoined   = 1 << 1
)

// The kinds of groups in the node file.
const (
	kindLog     = 1
	kindMachine = 2
)

// errUnknownFormat: the node file is of a format this program does not know.
var errUnknownFormat = errors.New("format not known to this program; use one that knows it, such as the version that wrote it")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func nodeFile(dir string) string { return path.Join(dir, "NODE") }

func (id *Identity) save(fsys fs.FS, dir string) error {
	return fs.WriteFileAtomic(fsys, dir, nodeFile(dir), id.encode())
}

// encode gives the content of the node file (docs/format.md, "Node file").
func (id *Identity) encode() []byte {
	le := binary.LittleEndian
	b := append([]byte(nil), identityMagic...)
	b = append(b, id.Cluster[:]...)
	b = appendNodeID(b, id.Node)
	b = append(b, id.Directory[:]...)
	flags := uint32(0)
	if id.Admitted {
		flags = flagAdmitted
	}
	if id.Joined {
		flags |= flagJoined
	}
	b = le.AppendUint32(b, flags)
	b = le.AppendUint32(b, uint32(len(id.Pins)))
	for _, p := range id.Pins {
		b = appendNodeID(b, p.Node)
		b = append(b, p.Directory[:]...)
	}
	b = le.AppendUint32(b, uint32(len(id.Groups)))
	for _, g := range id.Groups {
		kind := byte(kindLog)
		if g.Machine {
			kind = kindMachine
		}
		b = le.AppendUint64(b, uint64(g.ID))
		b = le.AppendUint64(b, g.SegmentSize)
		b = append(b, kind, byte(len(g.Name)))
		b = append(b, g.Name...)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendNodeID(b []byte, id raft.NodeID) []byte {
	var field [1 + maxNodeIDBytes]byte
	field[0] = byte(copy(field[1:], id))
	return append(b, field[:]...)
}

// decodeIdentity reads what encode wrote, and nothing else: every identity has one encoding.
func decodeIdentity(b []byte) (*Identity, error) {
	const least = len(identityMagic) + 4
	if len(b) < least {
		return nil, fmt.Errorf("%d bytes, expected at least %d", len(b), least)
	}
	if !bytes.Equal(b[:7], []byte(identityMagic[:7])) {
		return nil, fmt.Errorf("magic %q, expected %q", b[:7], identityMagic[:7])
	}
	if b[7] != identityMagic[7] {
		return nil, fmt.Errorf("version %d: %w", b[7], errUnknownFormat)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return nil, fmt.Errorf("checksum %08x, expected %08x", got, sum)
	}
	f := nodeFileReader{b: body[len(identityMagic):]}
	id := f.identity()
	if f.err == nil && len(f.b) > 0 {
		f.err = fmt.Errorf("%d bytes behind the last group", len(f.b))
	}
	if f.err != nil {
		return nil, f.err
	}
	return id, nil
}

// nodeFileReader takes fields off the node file; once something is wrong it gives zeros.
type nodeFileReader struct {
	b   []byte
	err error
}

func (f *nodeFileReader) take(n int) []byte {
	if f.err == nil && len(f.b) < n {
		f.err = fmt.Errorf("%d bytes are left where %d are expected", len(f.b), n)
	}
	if f.err != nil {
		return make([]byte, n)
	}
	out := f.b[:n]
	f.b = f.b[n:]
	return out
}

func (f *nodeFileReader) u32() uint32 { return binary.LittleEndian.Uint32(f.take(4)) }
func (f *nodeFileReader) u64() uint64 { return binary.LittleEndian.Uint64(f.take(8)) }

func (f *nodeFileReader) nodeID() raft.NodeID {
	b := f.take(1 + maxNodeIDBytes)
	n := int(b[0])
	if f.err == nil && (n == 0 || n > maxNodeIDBytes) {
		f.err = fmt.Errorf("node id of %d bytes, expected 1 to %d", n, maxNodeIDBytes)
	}
	if f.err != nil {
		return ""
	}
	if padding := b[1+n:]; len(bytes.Trim(padding, "\x00")) > 0 {
		f.err = fmt.Errorf("node id %q is followed by %q, expected zeros", b[1:1+n], padding)
	}
	return raft.NodeID(b[1 : 1+n])
}

func (f *nodeFileReader) group() (g HeldGroup) {
	g.ID, g.SegmentSize = raft.GroupID(f.u64()), f.u64()
	kind, n := f.take(1)[0], int(f.take(1)[0])
	g.Machine, g.Name = kind == kindMachine, string(f.take(n))
	if f.err == nil && kind != kindLog && kind != kindMachine {
		f.err = fmt.Errorf("group %d is of kind %d, expected %d or %d", g.ID, kind, kindLog, kindMachine)
	}
	return g
}

func (f *nodeFileReader) identity() *Identity {
	id := &Identity{Cluster: [16]byte(f.take(16)), Node: f.nodeID(), Directory: UUID(f.take(16))}
	flags := f.u32()
	if f.err == nil && flags&^(flagAdmitted|flagJoined) != 0 {
		f.err = fmt.Errorf("flags %#x: %w", flags, errUnknownFormat)
	}
	id.Admitted, id.Joined = flags&flagAdmitted != 0, flags&flagJoined != 0
	for n := f.u32(); n > 0 && f.err == nil; n-- {
		p := Pin{f.nodeID(), UUID(f.take(16))}
		if k := len(id.Pins); f.err == nil && k > 0 && id.Pins[k-1].Node >= p.Node {
			f.err = fmt.Errorf("pin of %s comes behind that of %s", p.Node, id.Pins[k-1].Node)
		}
		id.Pins = append(id.Pins, p)
	}
	for n := f.u32(); n > 0 && f.err == nil; n-- {
		g := f.group()
		if k := len(id.Groups); f.err == nil && k > 0 && id.Groups[k-1].ID >= g.ID {
			f.err = fmt.Errorf("group %d comes behind group %d", g.ID, id.Groups[k-1].ID)
		}
		id.Groups = append(id.Groups, g)
	}
	return id
}
