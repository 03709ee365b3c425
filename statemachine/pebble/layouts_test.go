package pebble

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/stretchr/testify/require"
)

// The layouts that docs/adr/0001-pebble-layout.md compares, bare: what they write and read for each operation and nothing
// else. Run: go test -run '^$' -bench Layouts ./statemachine/pebble/
//
//	indexed  key ‖ ~revision → version, and revision → key, a record each for every put
//	blocks   the same, with one record for all the revisions of a batch (the layout that is used)
//	undo     key → item, and revision → key and what it replaced, so that history is a chain
type layout interface {
	put(key, value []byte)
	commit()
	get(key []byte) int              // bytes of the newest value
	past(key []byte, rev uint64) int // bytes of the value at a revision
	scan(from []byte, limit int) int // keys seen
	compact(upTo uint64)             // gives back the space of history below
}

var benchLayouts = []struct {
	name string
	make func(db *pebble.DB) layout
}{
	{"indexed", func(db *pebble.DB) layout { return &versioned{db: db} }},
	{"blocks", func(db *pebble.DB) layout { return &versioned{db: db, blocks: true} }},
	{"undo", func(db *pebble.DB) layout { return &undo{db: db} }},
}

// versioned is "indexed" and "blocks".
type versioned struct {
	db     *pebble.DB
	blocks bool
	batch  *pebble.Batch
	iter   *pebble.Iterator
	rev    uint64
	seen   map[string]uint64 // the batch's own writes
	block  []byte
	buf    []byte
}

func benchKey(buf, key []byte, rev uint64) []byte {
	buf = append(buf[:0], "\x01\x01\x01\x01v"...)
	buf = append(append(buf, key...), 0, 0)
	return binary.BigEndian.AppendUint64(buf, ^rev)
}

func (l *versioned) put(key, value []byte) {
	if l.batch == nil {
		l.batch = l.db.NewBatch()
		l.iter, _ = l.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
		l.seen = map[string]uint64{}
	}
	prev, ok := l.seen[string(key)]
	if !ok {
		l.buf = benchKey(l.buf, key, math.MaxUint64)
		if l.iter.SeekPrefixGE(l.buf) {
			k := l.iter.Key()
			prev = ^binary.BigEndian.Uint64(k[len(k)-8:])
			l.iter.Value()
		}
	}
	l.rev++
	l.seen[string(key)] = l.rev
	l.buf = benchKey(l.buf, key, l.rev)
	op := l.batch.SetDeferred(len(l.buf), len(value)+4)
	copy(op.Key, l.buf)
	copy(op.Value[4:], value)
	op.Finish()
	l.block = binary.AppendUvarint(binary.AppendUvarint(l.block, l.rev), prev)
	l.block = append(binary.AppendUvarint(l.block, uint64(len(key))), key...)
	if !l.blocks {
		l.flushBlock()
	}
}

func (l *versioned) flushBlock() {
	l.batch.Set(binary.BigEndian.AppendUint64([]byte("\x01\x01\x01\x01r"), l.rev), l.block, nil)
	l.block = l.block[:0]
}

func (l *versioned) commit() {
	if l.blocks {
		l.flushBlock()
	} else {
		l.batch.Set([]byte("\x01\x01\x01\x01m"), l.buf, nil)
	}
	l.iter.Close()
	l.batch.Commit(pebble.NoSync)
	l.batch = nil
}

func (l *versioned) get(key []byte) int { return l.past(key, math.MaxUint64) }

func (l *versioned) past(key []byte, rev uint64) int {
	iter, _ := l.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	defer iter.Close()
	if !iter.SeekPrefixGE(benchKey(nil, key, rev)) {
		return 0
	}
	return len(bytes.Clone(iter.Value()))
}

func (l *versioned) scan(from []byte, limit int) (n int) {
	iter, _ := l.db.NewIter(&pebble.IterOptions{UpperBound: []byte("\x01\x01\x01\x01w")})
	defer iter.Close()
	for ok := iter.SeekGE(append([]byte("\x01\x01\x01\x01v"), from...)); ok && n < limit; ok = iter.NextPrefix() {
		if len(iter.Value()) > 0 {
			n++
		}
	}
	return n
}

func (l *versioned) compact(upTo uint64) {
	iter, _ := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte("\x01\x01\x01\x01r"), UpperBound: []byte("\x01\x01\x01\x01s")})
	defer iter.Close()
	batch := l.db.NewBatch()
	for ok := iter.First(); ok; ok = iter.Next() {
		for b := iter.Value(); len(b) > 0; {
			_, n := binary.Uvarint(b)
			prev, m := binary.Uvarint(b[n:])
			size, o := binary.Uvarint(b[n+m:])
			b = b[n+m+o:]
			if prev > 0 {
				batch.Delete(benchKey(nil, b[:size], prev), nil)
			}
			b = b[size:]
		}
		batch.Delete(iter.Key(), nil)
		if batch.Count() > 1000 {
			batch.Commit(pebble.NoSync)
			batch = l.db.NewBatch()
		}
	}
	batch.Commit(pebble.NoSync)
}

// undo keeps the newest item under its key, and under each revision the key and the item that it replaced.
type undo struct {
	db    *pebble.DB
	batch *pebble.Batch
	rev   uint64
	seen  map[string][]byte
	buf   []byte
}

func undoKey(rev uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte("\x01\x01\x01\x01r"), rev)
}

func (l *undo) put(key, value []byte) {
	if l.batch == nil {
		l.batch = l.db.NewBatch()
		l.seen = map[string][]byte{}
	}
	cur := append([]byte("\x01\x01\x01\x01v"), key...)
	prev, ok := l.seen[string(key)]
	if !ok {
		if v, c, err := l.db.Get(cur); err == nil {
			prev = bytes.Clone(v)
			c.Close()
		}
	}
	l.rev++
	l.buf = append(binary.BigEndian.AppendUint64(append(l.buf[:0], 0, 0, 0, 0), l.rev), value...)
	l.seen[string(key)] = bytes.Clone(l.buf)
	l.batch.Set(cur, l.buf, nil)
	l.buf = append(append(append(l.buf[:0], byte(len(key))), key...), prev...)
	l.batch.Set(undoKey(l.rev), l.buf, nil)
}

func (l *undo) commit() {
	l.batch.Set([]byte("\x01\x01\x01\x01m"), l.buf[:8], nil)
	l.batch.Commit(pebble.NoSync)
	l.batch = nil
}

func (l *undo) get(key []byte) int {
	v, c, err := l.db.Get(append([]byte("\x01\x01\x01\x01v"), key...))
	if err != nil {
		return 0
	}
	defer c.Close()
	return len(bytes.Clone(v)) - 8
}

func (l *undo) past(key []byte, rev uint64) int {
	v, c, err := l.db.Get(append([]byte("\x01\x01\x01\x01v"), key...))
	for err == nil && len(v) > 12 {
		mod := binary.BigEndian.Uint64(v[4:])
		if mod <= rev {
			v = bytes.Clone(v)
			c.Close()
			return len(v) - 8
		}
		c.Close()
		if v, c, err = l.db.Get(undoKey(mod)); err == nil {
			v = v[1+v[0]:]
		}
	}
	return 0
}

func (l *undo) scan(from []byte, limit int) (n int) {
	iter, _ := l.db.NewIter(&pebble.IterOptions{UpperBound: []byte("\x01\x01\x01\x01w")})
	defer iter.Close()
	for ok := iter.SeekGE(append([]byte("\x01\x01\x01\x01v"), from...)); ok && n < limit; ok = iter.Next() {
		if len(iter.Value()) > 0 {
			n++
		}
	}
	return n
}

func (l *undo) compact(upTo uint64) { l.db.DeleteRange(undoKey(0), undoKey(upTo+1), pebble.NoSync) }

func openLayout(b *testing.B, dir string) *pebble.DB {
	cmp := *pebble.DefaultComparer
	cmp.Name = "bench"
	cmp.Split = func(k []byte) int {
		if len(k) >= 15 && k[4] == 'v' && k[len(k)-9] == 0 && k[len(k)-10] == 0 {
			return len(k) - 8
		}
		return len(k)
	}
	cmp.Separator = func(dst, a, _ []byte) []byte { return append(dst, a...) }
	cmp.Successor = func(dst, a []byte) []byte { return append(dst, a...) }
	opts := &pebble.Options{Comparer: &cmp, DisableWAL: true, MemTableSize: 16 << 20, CacheSize: 32<<20 + 4*16<<20,
		FormatMajorVersion: pebble.FormatTableFormatV6, L0CompactionThreshold: 2, Logger: quietLogger{}}
	opts.Experimental.EnableColumnarBlocks = func() bool { return true }
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(dir, opts)
	require.NoError(b, err)
	b.Cleanup(func() { db.Close() })
	return db
}

type quietLogger struct{}

func (quietLogger) Infof(string, ...any)           {}
func (quietLogger) Errorf(string, ...any)          {}
func (quietLogger) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func benchName(i int) []byte { return fmt.Appendf(nil, "key%013d", i) }

const benchKeys = 100_000

func fillLayout(b *testing.B, mk func(*pebble.DB) layout) (*pebble.DB, layout, string) {
	dir := b.TempDir()
	db := openLayout(b, dir)
	l := mk(db)
	value := benchValue()
	for i := range benchKeys {
		l.put(benchName(i), value)
		if i%64 == 63 {
			l.commit()
		}
	}
	l.put(benchName(0), value)
	l.commit()
	require.NoError(b, db.Flush())
	return db, l, dir
}

// benchValue is half random, half zeros: about what compresses in practice.
func benchValue() []byte {
	v := make([]byte, 128)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 64 {
		v[i] = byte(r.Uint32())
	}
	return v
}

func BenchmarkLayouts(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		for _, fresh := range []bool{false, true} {
			for _, c := range benchLayouts {
				b.Run(fmt.Sprintf("put/fresh=%v/batch=%d/%s", fresh, size, c.name), func(b *testing.B) {
					_, l, _ := fillLayout(b, c.make)
					r := rand.New(rand.NewPCG(3, 4))
					value := benchValue()
					b.ReportAllocs()
					b.ResetTimer()
					for i := range b.N {
						if fresh {
							l.put(benchName(benchKeys+int(uint32(i)*2654435761)), value)
						} else {
							l.put(benchName(r.IntN(benchKeys)), value)
						}
						if i%size == size-1 {
							l.commit()
						}
					}
					l.put(benchName(0), value)
					l.commit()
					b.StopTimer()
				})
			}
		}
	}
	for _, c := range benchLayouts {
		b.Run("read/"+c.name, func(b *testing.B) {
			db, l, dir := fillLayout(b, c.make)
			r := rand.New(rand.NewPCG(3, 4))
			value := benchValue()
			for i := range 4 * benchKeys {
				l.put(benchName(r.IntN(benchKeys)), value)
				if i%64 == 63 {
					l.commit()
				}
			}
			require.NoError(b, db.Flush())
			bench := func(name string, fn func()) {
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for range b.N {
						fn()
					}
				})
			}
			bench("point", func() { l.get(benchName(r.IntN(benchKeys))) })
			bench("absent", func() { l.get(benchName(benchKeys + r.IntN(benchKeys))) })
			bench("past", func() { l.past(benchName(r.IntN(benchKeys)), 2*benchKeys) })
			bench("range100", func() { l.scan(benchName(r.IntN(benchKeys)), 100) })
			before := dirBytes(b, dir)
			l.compact(5 * benchKeys)
			require.NoError(b, db.Flush())
			require.NoError(b, db.Compact(b.Context(), []byte{0}, []byte{255}, false))
			b.Run("space", func(b *testing.B) {
				b.ReportMetric(float64(before)/benchKeys, "before-B/key")
				b.ReportMetric(float64(dirBytes(b, dir))/benchKeys, "after-B/key")
			})
		})
	}
}

func dirBytes(b *testing.B, dir string) (n int64) {
	files, err := os.ReadDir(dir)
	require.NoError(b, err)
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			n += info.Size()
		}
	}
	return n
}
