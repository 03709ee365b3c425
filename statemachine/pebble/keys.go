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
//	m  nothing                                      → state (record.go)
//	r  last revision (8) ‖ last sub-revision (4)    → block of changes
//	s  nothing                                      → the revision up to which history has been swept (8)
//	v  escaped key ‖ 0x00 0x00 ‖ ^revision (8)      → version
const (
	tableMeta     = 'm'
	tableBlocks   = 'r'
	tableSwept    = 's'
	tableVersions = 'v'
	// tableEnd is behind every table.
	tableEnd = 0xff
)

// Sizes in bytes of what ends a key of the version table.
const (
	terminatorBytes = 2
	suffixBytes     = 8
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

// appendPrefix appends what all versions of a key begin with.
func (ns namespace) appendPrefix(dst, key []byte) []byte {
	return append(ns.appendBound(dst, key), 0, 0)
}

// appendBound appends the least key of the version table that belongs to a key at or above the one given.
func (ns namespace) appendBound(dst, key []byte) []byte {
	dst = append(append(dst, ns...), tableVersions)
	for {
		i := bytes.IndexByte(key, 0)
		if i < 0 {
			return append(dst, key...)
		}
		dst = append(append(dst, key[:i]...), 0, 0xff)
		key = key[i+1:]
	}
}

// appendVersionKey appends the key of a version. The newest version of a key comes first.
func (ns namespace) appendVersionKey(dst, key []byte, rev statemachine.Revision) []byte {
	return appendSuffix(ns.appendPrefix(dst, key), rev)
}

func appendSuffix(dst []byte, rev statemachine.Revision) []byte {
	return binary.BigEndian.AppendUint64(dst, ^uint64(rev))
}

// newest, as a revision to seek to, is above every other.
const newest = statemachine.Revision(math.MaxUint64)

// splitVersionKey takes the key of a version apart. The prefix aliases k.
func splitVersionKey(k []byte) (prefix []byte, rev statemachine.Revision) {
	n := len(k) - suffixBytes
	return k[:n:n], statemachine.Revision(^binary.BigEndian.Uint64(k[n:]))
}

// userKey gives the key that a prefix stands for: a part of prefix where nothing was escaped, else unescaped into buf.
func (ns namespace) userKey(buf, prefix []byte) (key, newBuf []byte) {
	escaped := prefix[len(ns)+1 : len(prefix)-terminatorBytes]
	if bytes.IndexByte(escaped, 0) < 0 {
		return escaped[:len(escaped):len(escaped)], buf
	}
	buf = buf[:0]
	for {
		i := bytes.IndexByte(escaped, 0)
		if i < 0 {
			buf = append(buf, escaped...)
			return buf, buf
		}
		buf = append(buf, escaped[:i+1]...)
		escaped = escaped[i+2:]
	}
}

// blockKey is the key of a block whose last change is at (rev, sub).
func (ns namespace) blockKey(rev statemachine.Revision, sub uint32) []byte {
	k := binary.BigEndian.AppendUint64(ns.table(tableBlocks), uint64(rev))
	return binary.BigEndian.AppendUint32(k, sub)
}

// comparer orders keys by their bytes and tells Pebble which part of a version's key is the key, so that bloom filters and
// seeks by prefix work on keys rather than versions. It shortens no keys: a separator cut within a suffix would sort among
// the versions of a key without being one.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "ledgerkv.versions.1"
	c.Split = split
	c.Separator = func(dst, a, _ []byte) []byte { return append(dst, a...) }
	c.Successor = func(dst, a []byte) []byte { return append(dst, a...) }
	c.ImmediateSuccessor = successor
	c.FormatKey = func(k []byte) fmt.Formatter { return formattedKey(k) }
	return &c
}()

// split gives the length of k without the revision of a version. Escaping leaves 0x00 0x00 to the terminator alone, so the
// two bytes before the suffix tell a version's key from a bound or a prefix.
func split(k []byte) int {
	if n := len(k) - suffixBytes; n > 0 && isPrefix(k[:n]) {
		return n
	}
	return len(k)
}

// isPrefix reports whether k is in the version table and ends in the terminator.
func isPrefix(k []byte) bool {
	at := len(k) - terminatorBytes
	if at < 3 || k[at] != 0 || k[at+1] != 0 {
		return false
	}
	table := 1 + int(k[0])
	if table >= at {
		return false
	}
	table += 1 + int(k[table])
	return table < at && k[table] == tableVersions
}

// successor appends the least key that is behind all versions of a prefix and not behind another prefix.
func successor(dst, prefix []byte) []byte {
	dst = append(dst, prefix...)
	if isPrefix(prefix) {
		dst[len(dst)-1] = 1
		return dst
	}
	return append(dst, 0)
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
	if n := split(k); n < len(k) {
		_, rev := splitVersionKey(k)
		fmt.Fprintf(s, "%d/%d/%c/%q@%d", group, epoch, rest[0], rest[1:len(rest)-suffixBytes-terminatorBytes], uint64(rev))
		return
	}
	fmt.Fprintf(s, "%d/%d/%c/%x", group, epoch, rest[0], rest[1:])
}
