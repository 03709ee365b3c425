package pebble

import (
	"encoding/binary"
	"errors"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// errRecord: a record does not decode. Pebble checks the checksum of every block that it reads, so this is a fault of ours
// or of the machine's memory; whoever meets it reports the key.
var errRecord = errors.New("the record is malformed")

// state is what a commit makes visible besides the data. No part of it ever goes back.
type state struct {
	applied   statemachine.Index
	revision  statemachine.Revision
	compacted statemachine.Revision
}

// max gives the newer of each part. The state of a namespace is the newest that any of its records has.
func (s state) max(o state) state {
	return state{max(s.applied, o.applied), max(s.revision, o.revision), max(s.compacted, o.compacted)}
}

// appendState encodes a state: three varints.
func appendState(dst []byte, s state) []byte {
	dst = binary.AppendUvarint(dst, uint64(s.applied))
	dst = binary.AppendUvarint(dst, uint64(s.revision))
	return binary.AppendUvarint(dst, uint64(s.compacted))
}

func (d *decoder) state() state {
	return state{
		applied:   statemachine.Index(d.uvarint()),
		revision:  statemachine.Revision(d.uvarint()),
		compacted: statemachine.Revision(d.uvarint()),
	}
}

// decoder reads varints and remembers that one was missing.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

// Flags of a version: the first byte of its record. A deleted version has its sub-revision only; else there follow
// mod − create, the version count, the lease if flagged, and the value, which is the rest.
const (
	versionDeleted = 1 << 0
	versionLeased  = 1 << 1
)

// appendVersionHead encodes a version but for its value.
func appendVersionHead(dst []byte, ev statemachine.Event) []byte {
	if ev.Deleted {
		return binary.AppendUvarint(append(dst, versionDeleted), uint64(ev.Sub))
	}
	var flags byte
	if ev.Item.Lease != 0 {
		flags = versionLeased
	}
	dst = binary.AppendUvarint(append(dst, flags), uint64(ev.Sub))
	dst = binary.AppendUvarint(dst, uint64(ev.Item.Mod-ev.Item.Create))
	dst = binary.AppendUvarint(dst, ev.Item.Version)
	if ev.Item.Lease != 0 {
		dst = binary.AppendUvarint(dst, ev.Item.Lease)
	}
	return dst
}

// decodeVersion decodes the record of a key's version at revision mod. Key and value alias what was passed.
func decodeVersion(key []byte, mod statemachine.Revision, record []byte) (statemachine.Event, error) {
	ev := statemachine.Event{Item: statemachine.Item{Key: key, Mod: mod}}
	if len(record) == 0 || record[0]&^(versionDeleted|versionLeased) != 0 {
		return ev, errRecord
	}
	d := decoder{b: record[1:]}
	ev.Sub = uint32(d.uvarint())
	if record[0]&versionDeleted != 0 {
		ev.Deleted = true
	} else {
		ev.Item.Create = mod - statemachine.Revision(d.uvarint())
		ev.Item.Version = d.uvarint()
		if record[0]&versionLeased != 0 {
			ev.Item.Lease = d.uvarint()
		}
		ev.Item.Value = d.b[:len(d.b):len(d.b)]
	}
	if d.bad {
		return ev, errRecord
	}
	return ev, nil
}

// change is an entry of a block: that a key changed, and which version of it the change replaced.
type change struct {
	key      []byte
	rev      statemachine.Revision
	sub      uint32
	replaced statemachine.Revision // 0 for none, or a delete
	deleted  bool
}

// A block is a flags byte, the state if flagged, and changes in order of (rev, sub): the revision less the one before
// (0 before the first), the sub-revision, twice the distance to the replaced version plus 1 for a delete, the key's length,
// and the key.
const (
	blockStated = 1 << 0

	// blockBytes is the size at which a block is closed. It bounds what a reader decodes to get at one revision.
	blockBytes = 8 << 10
)

// blockBuilder encodes a block.
type blockBuilder struct {
	buf  []byte
	last change
	rows int
}

func (b *blockBuilder) reset() { *b = blockBuilder{buf: b.buf[:0]} }

func (b *blockBuilder) add(c change) {
	b.buf = binary.AppendUvarint(b.buf, uint64(c.rev-b.last.rev))
	b.buf = binary.AppendUvarint(b.buf, uint64(c.sub))
	word := uint64(0)
	if c.replaced != 0 {
		word = uint64(c.rev-c.replaced) << 1
	}
	if c.deleted {
		word |= 1
	}
	b.buf = binary.AppendUvarint(b.buf, word)
	b.buf = binary.AppendUvarint(b.buf, uint64(len(c.key)))
	b.buf = append(b.buf, c.key...)
	b.last = c
	b.rows++
}

// appendTo appends the block, with a state unless nil.
func (b *blockBuilder) appendTo(dst []byte, s *state) []byte {
	if s == nil {
		dst = append(dst, 0)
	} else {
		dst = appendState(append(dst, blockStated), *s)
	}
	return append(dst, b.buf...)
}

// blockReader decodes a block.
type blockReader struct {
	d    decoder
	rev  statemachine.Revision
	said *state // the state, if the block has one
}

func readBlock(record []byte) (blockReader, error) {
	if len(record) == 0 || record[0]&^blockStated != 0 {
		return blockReader{}, errRecord
	}
	r := blockReader{d: decoder{b: record[1:]}}
	if record[0]&blockStated != 0 {
		s := r.d.state()
		r.said = &s
	}
	if r.d.bad {
		return r, errRecord
	}
	return r, nil
}

// next gives the next change; its key aliases the block. ok is false behind the last.
func (r *blockReader) next() (c change, ok bool, err error) {
	if len(r.d.b) == 0 {
		return change{}, false, nil
	}
	r.rev += statemachine.Revision(r.d.uvarint())
	c = change{rev: r.rev, sub: uint32(r.d.uvarint())}
	word := r.d.uvarint()
	if word>>1 != 0 {
		c.replaced = c.rev - statemachine.Revision(word>>1)
	}
	c.deleted = word&1 != 0
	c.key = r.d.take(r.d.uvarint())
	if r.d.bad {
		return change{}, false, errRecord
	}
	return c, true, nil
}
