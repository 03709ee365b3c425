package pebble

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// The tables of a namespace. What a key holds behind its namespace and table byte:
//
//	m  nothing                                           → state (record.go)
//	r  last revision (8) ‖ last sub-revision (4) ‖ 0x00  → block of changes
//	s  nothing                                           → the revision up to which history has been swept (8)
//	v  key ‖ 0x00 ‖ ^revision (8) ‖ 0xab                 → version
//
// The last byte tells a version from all other keys and from bounds, none of which ends in 0xab.
const (
	tableMeta     = 'm'
	tableBlocks   = 'r'
	tableSwept    = 's'
	tableVersions = 'v'
	// tableStart is before every table and tableEnd behind.
	tableStart = 0
	tableEnd   = 0xff
)

// The suffix of a version: its size in bytes and its last byte.
const (
	suffixBytes = 9
	suffixEnd   = 0xab
)

// namespace is the prefix of all keys of a group and epoch: both as a length byte and as many big-endian bytes, so that no
// namespace is a prefix of another and their order is that of the numbers.
type namespace []byte

func makeNamespace(group, epoch uint64) namespace {
	return appendNumber(appendNumber(nil, group), epoch)
}

func appendNumber(dst []byte, n uint64) []byte {
	size := (bits.Len64(n) + 7) / 8
	dst = append(dst, byte(size))
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

// takeNumber reads what appendNumber wrote.
func takeNumber(b []byte) (n uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > 8 || len(b) < 1+int(b[0]) {
		return 0, nil, false
	}
	for _, c := range b[1 : 1+b[0]] {
		n = n<<8 | uint64(c)
	}
	return n, b[1+b[0]:], true
}

// table gives the key of a table without anything behind it, which is also where the table begins.
func (ns namespace) table(t byte) []byte {
	return append(bytes.Clone(ns), t)
}

// appendPrefix appends what all versions of a key begin with. It is behind the versions of all lesser keys and before the
// key's own, so it serves as a bound too.
func (ns namespace) appendPrefix(dst, key []byte) []byte {
	dst = append(append(dst, ns...), tableVersions)
	return append(append(dst, key...), 0)
}

// userKey gives the key that a prefix stands for; it is a part of prefix.
func (ns namespace) userKey(prefix []byte) []byte {
	n := len(prefix) - 1
	return prefix[len(ns)+1 : n : n]
}

// appendVersionKey appends the key of a version. The newest version of a key comes first.
func (ns namespace) appendVersionKey(dst, key []byte, rev statemachine.Revision) []byte {
	return appendSuffix(ns.appendPrefix(dst, key), rev)
}

func appendSuffix(dst []byte, rev statemachine.Revision) []byte {
	return append(binary.BigEndian.AppendUint64(dst, ^uint64(rev)), suffixEnd)
}

// newest, as a revision to seek to, is above every other.
const newest = statemachine.Revision(math.MaxUint64)

// splitVersionKey takes the key of a version apart. The prefix aliases k.
func splitVersionKey(k []byte) (prefix []byte, rev statemachine.Revision) {
	n := len(k) - suffixBytes
	return k[:n:n], statemachine.Revision(^binary.BigEndian.Uint64(k[n:]))
}

// blockKey is the key of a block whose last change is at (rev, sub).
func (ns namespace) blockKey(rev statemachine.Revision, sub uint32) []byte {
	k := binary.BigEndian.AppendUint64(ns.table(tableBlocks), uint64(rev))
	return append(binary.BigEndian.AppendUint32(k, sub), 0)
}

// comparer orders keys by what precedes the suffix, then by suffix. So keys need no escaping, and Pebble's bloom filters and seeks
// by prefix work on keys rather than versions. It shortens no keys between blocks: that would have to respect suffixes and
// saves little.
var comparer = &pebble.Comparer{
	Name:                 "ledgerkv.versions.1",
	Split:                split,
	Compare:              compare,
	Equal:                bytes.Equal,
	ComparePointSuffixes: bytes.Compare,
	CompareRangeSuffixes: bytes.Compare,
	AbbreviatedKey:       func(k []byte) uint64 { return pebble.DefaultComparer.AbbreviatedKey(k[:split(k)]) },
	Separator:            func(dst, a, _ []byte) []byte { return append(dst, a...) },
	Successor:            func(dst, a []byte) []byte { return append(dst, a...) },
	ImmediateSuccessor:   func(dst, prefix []byte) []byte { return append(append(dst, prefix...), 0) },
	FormatKey:            func(k []byte) fmt.Formatter { return formattedKey(k) },
}

func compare(a, b []byte) int {
	an, bn := split(a), split(b)
	if c := bytes.Compare(a[:an], b[:bn]); c != 0 {
		return c
	}
	return bytes.Compare(a[an:], b[bn:])
}

// split gives the length of k without the revision of a version.
func split(k []byte) int {
	if n := len(k) - suffixBytes; n >= 0 && k[len(k)-1] == suffixEnd {
		return n
	}
	return len(k)
}

// formattedKey prints a key for Pebble's log and errors: group/epoch/table and the rest.
type formattedKey []byte

func (k formattedKey) Format(s fmt.State, _ rune) {
	group, rest, ok := takeNumber(k)
	var epoch uint64
	if ok {
		epoch, rest, ok = takeNumber(rest)
	}
	if !ok || len(rest) == 0 {
		fmt.Fprintf(s, "%x", []byte(k))
		return
	}
	if n := len(rest) - suffixBytes; rest[0] == tableVersions && split(k) < len(k) && n > 1 {
		_, rev := splitVersionKey(k)
		fmt.Fprintf(s, "%d/%d/%c/%q@%d", group, epoch, rest[0], rest[1:n-1], uint64(rev))
		return
	}
	fmt.Fprintf(s, "%d/%d/%c/%x", group, epoch, rest[0], rest[1:])
}
