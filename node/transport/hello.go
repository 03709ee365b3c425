package transport

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// ProtocolVersion is the version of the peer protocol that this package speaks: the handshake and the frames after it.
const ProtocolVersion = 1

// Range is the versions from Min to Max, both included.
type Range struct {
	Min, Max uint32
}

func (r Range) String() string {
	if r.Min == r.Max {
		return fmt.Sprint(r.Min)
	}
	return fmt.Sprintf("%d to %d", r.Min, r.Max)
}

// Overlaps reports whether there is a version in both ranges.
func (r Range) Overlaps(other Range) bool {
	return max(r.Min, other.Min) <= min(r.Max, other.Max)
}

// Hello is how a node introduces itself when a connection begins.
type Hello struct {
	// Protocol is the versions of the peer protocol that the node speaks. Zero, given to Start: ProtocolVersion.
	Protocol Range
	// Format is the formats of entries that the node can read.
	Format Range
	// Cluster and ClusterName are the same on every node of a cluster. The name, 1 to 255 bytes, is there for messages.
	Cluster     [16]byte
	ClusterName string
	// Node is who the node is, and Directory the UUID of its directory: the same name with another UUID is an impostor, or
	// the same node after its disk was wiped.
	Node      raft.NodeID
	Directory [16]byte
	// To is whom the node wants to talk to, and Class what about.
	To    raft.NodeID
	Class Class
	// Address is where the node is reached by its peers, as far as it knows; at most 255 bytes, may be empty.
	Address string
	// Newcomer: the node is new, and takes itself for one of those with which the cluster begins.
	Newcomer bool
}

// ErrHello: a hello is not complete or not understood. Its message says what is wrong.
var ErrHello = errors.New("transport: bad hello")

// helloNewcomer is the flag of Hello.Newcomer.
const helloNewcomer = 1

const (
	maxNodeBytes        = 64
	maxClusterNameBytes = 255
	helloFixedBytes     = 4*4 + 16 + 16 + 1
	// maxHelloBytes bounds a hello's encoding, with room for what later versions add.
	maxHelloBytes = 4 << 10
	// maxReasonBytes bounds the reason of a refusal.
	maxReasonBytes = 1 << 10
)

// validate checks what a node may say of itself, To and Class apart.
func (h *Hello) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if n := len(h.Node); n < 1 || n > maxNodeBytes {
		fault("expected a node id of 1 to %d bytes, found %d", maxNodeBytes, n)
	}
	if n := len(h.ClusterName); n < 1 || n > maxClusterNameBytes {
		fault("expected a cluster name of 1 to %d bytes, found %d", maxClusterNameBytes, n)
	}
	if h.Protocol.Max == 0 || h.Protocol.Min > h.Protocol.Max {
		fault("expected a range of protocol versions from 1 on, found %s", h.Protocol)
	}
	if h.Format.Max == 0 || h.Format.Min > h.Format.Max {
		fault("expected a range of formats from 1 on, found %s", h.Format)
	}
	if n := len(h.Address); n > raft.MaxAddressBytes {
		fault("expected an address of at most %d bytes, found %d", raft.MaxAddressBytes, n)
	}
	if h.Directory == [16]byte{} {
		fault("expected a directory UUID, found zeros")
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrHello, errors.Join(faults...))
}

// appendHello appends a hello's encoding (docs/format.md, "Handshake").
func appendHello(dst []byte, h Hello) []byte {
	for _, v := range [...]uint32{h.Protocol.Min, h.Protocol.Max, h.Format.Min, h.Format.Max} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	dst = append(dst, h.Cluster[:]...)
	dst = append(dst, h.Directory[:]...)
	dst = append(dst, byte(h.Class))
	for _, s := range [...]string{string(h.Node), string(h.To), h.ClusterName, h.Address} {
		dst = append(dst, byte(len(s)))
		dst = append(dst, s...)
	}
	var flags byte
	if h.Newcomer {
		flags = helloNewcomer
	}
	return append(dst, flags)
}

// decodeHello reads a hello. What follows the known fields belongs to later versions and is left alone, so that a newer node
// can be told why it is refused. The result is valid in itself but checked against nobody yet.
func decodeHello(b []byte) (Hello, error) {
	var h Hello
	if len(b) < helloFixedBytes {
		return h, fmt.Errorf("%w: expected at least %d bytes, found %d", ErrHello, helloFixedBytes, len(b))
	}
	for _, v := range [...]*uint32{&h.Protocol.Min, &h.Protocol.Max, &h.Format.Min, &h.Format.Max} {
		*v, b = binary.LittleEndian.Uint32(b), b[4:]
	}
	b = b[copy(h.Cluster[:], b):]
	b = b[copy(h.Directory[:], b):]
	h.Class, b = Class(b[0]), b[1:]
	for _, s := range [...]*string{(*string)(&h.Node), (*string)(&h.To), &h.ClusterName, &h.Address} {
		if len(b) == 0 || len(b)-1 < int(b[0]) {
			return h, fmt.Errorf("%w: a name runs past the end", ErrHello)
		}
		n := int(b[0])
		*s, b = string(b[1:1+n]), b[1+n:]
	}
	if len(b) == 0 || b[0]&^helloNewcomer != 0 {
		return h, fmt.Errorf("%w: the flags are missing, or of a later version", ErrHello)
	}
	h.Newcomer = b[0]&helloNewcomer != 0
	return h, h.validate()
}

// checkHello says why the node mine must not talk to theirs, or nil. It is what every transport checks by itself, before
// Admit is asked.
func checkHello(mine, theirs Hello) error {
	switch {
	case !mine.Protocol.Overlaps(theirs.Protocol):
		return fmt.Errorf("expected protocol version %s, found %s: upgrade the older node", mine.Protocol, theirs.Protocol)
	case mine.Cluster != theirs.Cluster:
		return fmt.Errorf("expected a node of cluster %q (%x), found %s of cluster %q (%x)",
			mine.ClusterName, mine.Cluster, theirs.Node, theirs.ClusterName, theirs.Cluster)
	case theirs.To != mine.Node:
		return fmt.Errorf("expected to be called %s, found a call for %s: the caller's address for %s is wrong",
			mine.Node, theirs.To, theirs.To)
	case theirs.Node == mine.Node:
		return fmt.Errorf("expected another node, found one that is called %s too: two nodes have the same id or a node dials itself", mine.Node)
	case !theirs.Class.valid():
		return fmt.Errorf("expected connection class %d to %d, found %d", Control, Image, theirs.Class)
	case !mine.Format.Overlaps(theirs.Format):
		return fmt.Errorf("expected entry format %s, found %s: upgrade the older node", mine.Format, theirs.Format)
	}
	return nil
}

// checkWelcome checks the hello that answers ours, which was sent to node to.
func checkWelcome(mine, theirs Hello) error {
	if theirs.Node != mine.To {
		return fmt.Errorf("expected node %s, found %s: its address is wrong", mine.To, theirs.Node)
	}
	if theirs.Class != mine.Class {
		return fmt.Errorf("expected connection class %s, found %s", mine.Class, theirs.Class)
	}
	return checkHello(mine, theirs)
}

// prepareHello fills in and checks the hello that Start was given.
func prepareHello(h Hello, handler Handler) (Hello, error) {
	if h.Protocol == (Range{}) {
		h.Protocol = Range{ProtocolVersion, ProtocolVersion}
	}
	h.To, h.Class = raft.None, 0
	if handler == nil {
		return h, fmt.Errorf("%w: expected a handler, found none", ErrHello)
	}
	return h, h.validate()
}
