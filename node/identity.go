package node

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"slices"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// UUID names a directory: a node that lost its directory is another member (FAULTS: wiped disk, same node id).
type UUID [16]byte

// String gives the UUID in hexadecimal.
func (u UUID) String() string { return hex.EncodeToString(u[:]) }

// ClusterID is the identity of the cluster with a name: the first 16 bytes of its SHA-256.
func ClusterID(name string) [16]byte {
	sum := sha256.Sum256([]byte(name))
	return [16]byte(sum[:16])
}

// pin is the directory that a peer uses, as this node saw it first.
type pin struct {
	node      raft.NodeID
	directory UUID
}

// identity is the content of the node file (docs/format.md, "Node file").
type identity struct {
	cluster   [16]byte
	node      raft.NodeID
	directory UUID
	// admitted: every other initial member has pinned this directory; without that it takes part in nothing.
	admitted bool
	// pins is sorted by node.
	pins []pin
}

const (
	identityMagic  = "LKVNOD\x00\x01"
	maxNodeIDBytes = 64
	pinBytes       = 1 + maxNodeIDBytes + 16
)

// errUnknownFormat: the node file is of a format this program does not know.
var errUnknownFormat = errors.New("format not known to this program; use the version that wrote it, or a later one")

func (id *identity) encode() []byte {
	b := append([]byte(nil), identityMagic...)
	b = append(b, id.cluster[:]...)
	b = appendNodeID(b, id.node)
	b = append(b, id.directory[:]...)
	flags := uint32(0)
	if id.admitted {
		flags = 1
	}
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(id.pins)))
	for _, p := range id.pins {
		b = appendNodeID(b, p.node)
		b = append(b, p.directory[:]...)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendNodeID(b []byte, id raft.NodeID) []byte {
	var field [1 + maxNodeIDBytes]byte
	field[0] = byte(copy(field[1:], id))
	return append(b, field[:]...)
}

func decodeNodeID(b []byte) (raft.NodeID, error) {
	n := int(b[0])
	if n == 0 || n > maxNodeIDBytes {
		return "", fmt.Errorf("node id of %d bytes, expected 1 to %d", n, maxNodeIDBytes)
	}
	return raft.NodeID(b[1 : 1+n]), nil
}

func decodeIdentity(b []byte) (*identity, error) {
	const fixed = 8 + 16 + 1 + maxNodeIDBytes + 16 + 4 + 4
	if len(b) < fixed+4 {
		return nil, fmt.Errorf("%d bytes, expected at least %d", len(b), fixed+4)
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
	id := &identity{cluster: [16]byte(b[8:24])}
	var err error
	if id.node, err = decodeNodeID(b[24:]); err != nil {
		return nil, err
	}
	id.directory = UUID(b[89:105])
	id.admitted = binary.LittleEndian.Uint32(b[105:])&1 != 0
	n := int(binary.LittleEndian.Uint32(b[109:]))
	if len(body)-fixed != n*pinBytes {
		return nil, fmt.Errorf("%d bytes of pins, expected %d", len(body)-fixed, n*pinBytes)
	}
	for p := body[fixed:]; len(p) > 0; p = p[pinBytes:] {
		peer, err := decodeNodeID(p)
		if err != nil {
			return nil, err
		}
		id.pins = append(id.pins, pin{peer, UUID(p[1+maxNodeIDBytes : pinBytes])})
	}
	return id, nil
}

// pinned gives the directory that is pinned for a peer.
func (id *identity) pinned(peer raft.NodeID) (UUID, bool) {
	for _, p := range id.pins {
		if p.node == peer {
			return p.directory, true
		}
	}
	return UUID{}, false
}

// withPin is a copy with one more pin.
func (id *identity) withPin(peer raft.NodeID, dir UUID) *identity {
	next := *id
	next.pins = append(slices.Clone(id.pins), pin{peer, dir})
	slices.SortFunc(next.pins, func(a, b pin) int { return bytes.Compare([]byte(a.node), []byte(b.node)) })
	return &next
}

func (id *identity) save(fsys fs.FS, dir string) error {
	return fs.WriteFileAtomic(fsys, dir, path.Join(dir, "NODE"), id.encode())
}

// loadIdentity reads the node file, or makes one for a directory that holds nothing yet.
func loadIdentity(fsys fs.FS, dir string, cluster [16]byte, self raft.NodeID, fresh func() UUID) (*identity, error) {
	name := path.Join(dir, "NODE")
	raw, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := fsys.List(path.Join(dir, "groups")); err == nil {
			return nil, fmt.Errorf("node: %s holds groups but no NODE file: it is damaged, or not a node's directory; nothing was changed", dir)
		}
		id := &identity{cluster: cluster, node: self, directory: fresh()}
		return id, id.save(fsys, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("node: reading %s: %w", name, err)
	}
	id, err := decodeIdentity(raw)
	switch {
	case errors.Is(err, errUnknownFormat):
		return nil, fmt.Errorf("node: %s: %w; nothing was changed", name, err)
	case err != nil:
		return nil, fmt.Errorf("node: %s is damaged: %w; nothing was changed: restore this very file from a copy, the node can't tell without it whom it has recognised", name, err)
	case id.node != self:
		return nil, fmt.Errorf("node: %s is the directory of node %s, not of %s; nothing was changed", dir, id.node, self)
	case id.cluster != cluster:
		return nil, fmt.Errorf("node: %s belongs to another cluster (id %x, expected %x); nothing was changed", dir, id.cluster, cluster)
	}
	// A process may have been killed between the file's renaming and its sync: a pin that is seen must not be forgotten.
	if err := fsys.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("node: syncing %s: %w", dir, err)
	}
	return id, nil
}

func randomUUID() UUID {
	var u UUID
	rand.Read(u[:])
	return u
}
