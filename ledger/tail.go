package ledger

import (
	"encoding/binary"
	"sort"

	"github.com/ledgerkv/ledgerkv/raft"
)

const (
	minChunkCap = 4 << 10
	maxChunkCap = 256 << 10
)

// item is a record of a chunk: where it begins in the buffer, and its header checksum.
type item struct {
	offset   uint32
	checksum uint32
}

// chunk is a buffer that holds whole records that follow one another without filler.
//
// Invariant: buf[:len(buf)] never changes. The owner writes behind it, and only then makes it longer, under the ledger's mutex.
type chunk struct {
	start raft.Position
	first raft.Index
	buf   []byte
	items []item
	// serial is the tail's appended count at the last append to this chunk.
	serial uint64
}

func (c *chunk) next() raft.Index { return c.first + raft.Index(len(c.items)) }

// bounds gives where the n-th record lies in buf.
func (c *chunk) bounds(n int) (from, to int) {
	from, to = int(c.items[n].offset), len(c.buf)
	if n+1 < len(c.items) {
		to = int(c.items[n+1].offset)
	}
	return from, to
}

// term reads the term of the n-th record.
func (c *chunk) term(n int) raft.Term {
	return raft.Term(binary.LittleEndian.Uint64(c.buf[c.items[n].offset+offTerm:]))
}

// tip gives the end of the n-th record.
func (c *chunk) tip(n int) Tip {
	from, to := c.bounds(n)
	return Tip{
		ID:       raft.EntryID{Index: c.first + raft.Index(n), Term: c.term(n)},
		End:      c.start + raft.Position(to),
		Checksum: c.items[n].checksum,
		Time:     int64(binary.LittleEndian.Uint64(c.buf[from+offTime:])),
	}
}

// tail is the end of the log in memory: a run of chunks that ends at the log's last entry. It holds everything that is not
// durable, and some of what is.
//
// Two counters say what may be let go. appended counts bytes that were ever appended and never goes back, so that truncation
// cannot make an old flush look like one of what came later; synced is what appended was when a Write was cut that is now durable.
type tail struct {
	chunks   []*chunk
	capacity int
	appended uint64
	synced   uint64
	// reserved: the owner is filling space behind the last chunk's end, which therefore has to stay.
	reserved bool
}

// reserve finds size bytes for the record that begins at pos. The caller fills them, without the mutex, and then calls
// publish.
func (t *tail) reserve(pos raft.Position, index raft.Index, size int) []byte {
	t.reserved = true
	var c *chunk
	if n := len(t.chunks); n > 0 {
		c = t.chunks[n-1]
	}
	if c == nil || c.start+raft.Position(len(c.buf)) != pos || cap(c.buf)-len(c.buf) < size {
		c = t.grow(c, pos, index, size)
	}
	return c.buf[len(c.buf) : len(c.buf)+size]
}

// grow starts a chunk. Chunks start small, so that an idle ledger is small, and double while there is traffic.
func (t *tail) grow(last *chunk, pos raft.Position, index raft.Index, size int) *chunk {
	want := minChunkCap
	if last != nil {
		want = min(2*cap(last.buf), maxChunkCap)
	}
	c := &chunk{start: pos, first: index, buf: make([]byte, 0, max(want, size))}
	t.chunks = append(t.chunks, c)
	t.capacity += cap(c.buf)
	return c
}

// publish makes the reserved record visible. It returns the chunk that holds it and where it begins there.
func (t *tail) publish(size int, checksum uint32) (c *chunk, from int) {
	c = t.chunks[len(t.chunks)-1]
	from = len(c.buf)
	c.buf = c.buf[:from+size]
	c.items = append(c.items, item{offset: uint32(from), checksum: checksum})
	t.appended += uint64(size)
	c.serial = t.appended
	t.reserved = false
	return c, from
}

// evict lets go of the oldest chunks that are durable, down to keep bytes.
func (t *tail) evict(keep int) {
	n := 0
	for n < len(t.chunks) && t.capacity > keep && t.chunks[n].serial <= t.synced {
		if n == len(t.chunks)-1 && t.reserved {
			break
		}
		t.capacity -= cap(t.chunks[n].buf)
		t.chunks[n] = nil
		n++
	}
	t.chunks = t.chunks[n:]
	if len(t.chunks) == 0 {
		t.chunks = nil
	}
}

// first is the first index in memory; 0 when there is none.
func (t *tail) first() raft.Index {
	if len(t.chunks) == 0 {
		return 0
	}
	return t.chunks[0].first
}

// find gives the chunk that holds an entry and its number in it; nil when it is not in memory.
func (t *tail) find(i raft.Index) (*chunk, int) {
	n := t.search(i)
	if n < 0 {
		return nil, 0
	}
	c := t.chunks[n]
	return c, int(i - c.first)
}

// search gives the number of the chunk that holds an entry, or -1.
func (t *tail) search(i raft.Index) int {
	n := sort.Search(len(t.chunks), func(n int) bool { return t.chunks[n].next() > i })
	if n == len(t.chunks) || i < t.chunks[n].first {
		return -1
	}
	return n
}

// truncate removes the entries from index from on. What readers and the syncer hold stays as it is: what is appended
// next goes to a new buffer.
func (t *tail) truncate(from raft.Index) {
	for n := len(t.chunks); n > 0 && t.chunks[n-1].first >= from; n-- {
		t.capacity -= cap(t.chunks[n-1].buf)
		t.chunks[n-1] = nil
		t.chunks = t.chunks[:n-1]
	}
	n := len(t.chunks)
	if n == 0 || t.chunks[n-1].next() <= from {
		return
	}
	c := t.chunks[n-1]
	keep := int(from - c.first)
	end := int(c.items[keep].offset)
	t.capacity += end - cap(c.buf)
	t.chunks[n-1] = &chunk{start: c.start, first: c.first, buf: c.buf[:end:end], items: c.items[:keep:keep], serial: c.serial}
}

// positionOf gives the chunk that holds the byte at pos; nil when it is not in memory.
func (t *tail) positionOf(pos raft.Position) *chunk {
	n := sort.Search(len(t.chunks), func(n int) bool { return t.chunks[n].start > pos }) - 1
	if n < 0 || pos >= t.chunks[n].start+raft.Position(len(t.chunks[n].buf)) {
		return nil
	}
	return t.chunks[n]
}
