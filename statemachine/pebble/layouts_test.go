package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// The layouts that docs/adr/0001-pebble-layout.md compares, bare: what they write and read for each operation and nothing
// else. Run: go test -run '^$' -bench Layouts ./statemachine/pebble/
//
//	indexed  key ‖ ^revision → value, and for every put a record revision → key
//	blocks   the same, with one record for all the puts of a batch (the layout that is used)
//	chain    key → value, and for every put a record revision → key and what it replaced; history is a chain
type layout interface {
	put(key, value []byte)
	commit()
	// get gives the size of the value at a revision.
	get(key []byte, rev statemachine.Revision) int
	scan(from []byte, limit int)
	// compact gives back the space of all history.
	compact()
}

var layouts = []struct {
	name string
	open func(db *pebble.DB) layout
}{
	{"indexed", func(db *pebble.DB) layout { return &versioned{layoutBase: base(db)} }},
	{"blocks", func(db *pebble.DB) layout { return &versioned{layoutBase: base(db), blocks: true} }},
	{"chain", func(db *pebble.DB) layout { return &chain{layoutBase: base(db), seen: map[string][]byte{}} }},
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func done(err error) { must(0, err) }

type layoutBase struct {
	db           *pebble.DB
	batch        *pebble.Batch
	rev          statemachine.Revision
	ns           namespace
	items, index pebble.IterOptions
	buf          []byte
}

func base(db *pebble.DB) layoutBase {
	ns := makeNamespace(1, 1)
	return layoutBase{
		db: db, batch: db.NewBatch(), ns: ns,
		items: pebble.IterOptions{LowerBound: ns.table(tableVersions), UpperBound: ns.table(tableVersions + 1), UseL6Filters: true},
		index: pebble.IterOptions{LowerBound: ns.table(tableBlocks), UpperBound: ns.table(tableBlocks + 1)},
	}
}

func (l *layoutBase) apply() {
	done(l.batch.Commit(pebble.NoSync))
	done(l.batch.Close())
	l.batch = l.db.NewBatch()
}

// versioned is "indexed" and "blocks".
type versioned struct {
	layoutBase
	blocks bool
	iter   *pebble.Iterator
	seen   overlay
	block  blockBuilder
}

func (l *versioned) put(key, value []byte) {
	if l.iter == nil {
		l.iter = must(l.db.NewIter(&l.items))
		l.seen.reset()
	}
	l.rev++
	c := change{key: key, rev: l.rev}
	if old, ok := l.seen.get(key); ok {
		c.replaced = old.Item.Mod
	} else {
		l.buf = l.ns.appendVersionKey(l.buf[:0], key, newest)
		if old, ok, err := readVersion(l.iter, l.buf, key); must(ok, err) {
			c.replaced = old.Item.Mod
		}
	}
	ev := statemachine.Event{Item: statemachine.Item{Key: l.seen.copy(key), Value: value, Mod: l.rev}}
	l.seen.set(ev)
	writeVersion(l.batch, l.ns, &l.buf, ev)
	l.block.add(c)
	if !l.blocks {
		l.endBlock()
	}
}

func (l *versioned) endBlock() {
	l.buf = l.block.appendTo(l.buf[:0], nil)
	done(l.batch.Set(l.ns.blockKey(l.rev, 0), l.buf, nil))
	l.block.reset()
}

func (l *versioned) commit() {
	if l.blocks {
		l.endBlock()
	} else {
		done(l.batch.Set(l.ns.table(tableMeta), l.buf[:16], nil))
	}
	done(l.iter.Close())
	l.iter = nil
	l.apply()
}

func (l *versioned) get(key []byte, rev statemachine.Revision) int {
	iter := must(l.db.NewIter(&l.items))
	defer func() { done(iter.Close()) }()
	ev, _, err := readVersion(iter, l.ns.appendVersionKey(nil, key, rev), key)
	done(err)
	return len(bytes.Clone(ev.Item.Value))
}

func (l *versioned) scan(from []byte, limit int) {
	iter := must(l.db.NewIter(&l.items))
	for ok := iter.SeekGE(l.ns.appendPrefix(nil, from)); ok && limit > 0; ok = iter.NextPrefix() {
		must(versionAt(iter, nil))
		limit--
	}
	done(iter.Close())
}

func (l *versioned) compact() {
	iter := must(l.db.NewIter(&l.index))
	w := sweepWriter{ns: l.ns, batch: l.batch, floor: newest}
	for ok := iter.First(); ok; ok = iter.Next() {
		must(w.block(iter))
		if w.batch.Count() > sweepChanges {
			l.apply()
			w.batch = l.batch
		}
	}
	done(iter.Close())
	l.apply()
}

// chain keeps the newest item under its key and under each revision the key with the item that it replaced.
type chain struct {
	layoutBase
	seen map[string][]byte
}

// newestItem gives revision (8) and value.
func (l *chain) newestItem(key []byte) []byte {
	item, closer, err := l.db.Get(l.ns.appendPrefix(nil, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	done(err)
	defer func() { done(closer.Close()) }()
	return bytes.Clone(item)
}

func (l *chain) put(key, value []byte) {
	old, ok := l.seen[string(key)]
	if !ok {
		old = l.newestItem(key)
	}
	l.rev++
	item := append(binary.BigEndian.AppendUint64(nil, uint64(l.rev)), value...)
	l.seen[string(key)] = item
	done(l.batch.Set(l.ns.appendPrefix(nil, key), item, nil))
	l.buf = append(append(append(l.buf[:0], byte(len(key))), key...), old...)
	done(l.batch.Set(l.ns.blockKey(l.rev, 0), l.buf, nil))
}

func (l *chain) commit() {
	done(l.batch.Set(l.ns.table(tableMeta), l.buf[:16], nil))
	clear(l.seen)
	l.apply()
}

func (l *chain) get(key []byte, rev statemachine.Revision) int {
	item := l.newestItem(key)
	for len(item) > 0 {
		mod := statemachine.Revision(binary.BigEndian.Uint64(item))
		if mod <= rev {
			break
		}
		record, closer, err := l.db.Get(l.ns.blockKey(mod, 0))
		done(err)
		item = bytes.Clone(record[1+record[0]:])
		done(closer.Close())
	}
	return len(item)
}

func (l *chain) scan(from []byte, limit int) {
	iter := must(l.db.NewIter(&l.items))
	for ok := iter.SeekGE(l.ns.appendPrefix(nil, from)); ok && limit > 0; ok = iter.Next() {
		must(iter.ValueAndErr())
		limit--
	}
	done(iter.Close())
}

func (l *chain) compact() {
	done(l.db.DeleteRange(l.index.LowerBound, l.index.UpperBound, pebble.NoSync))
}

const benchKeys = 100_000

// workload makes keys of 16 bytes and values of 128, half of which compresses.
type workload struct {
	rng   *rand.Rand
	value []byte
}

func newWorkload() *workload {
	return &workload{rng: rand.New(rand.NewPCG(1, 2)), value: make([]byte, 128)}
}

func (w *workload) key(i int) []byte { return fmt.Appendf(nil, "key%013d", i) }

func (w *workload) some() []byte { return w.key(w.rng.IntN(benchKeys)) }

func (w *workload) next() []byte {
	for i := 0; i < 64; i += 8 {
		binary.LittleEndian.PutUint64(w.value[i:], w.rng.Uint64())
	}
	return w.value
}

func openLayout(b *testing.B, dir string, open func(*pebble.DB) layout, w *workload) (*pebble.DB, layout) {
	opts := Options{}.withDefaults()
	db := must(pebble.Open(dir, opts.pebbleOptions(opts.FS, newHealth(dir, opts), nil)))
	b.Cleanup(func() { done(db.Close()) })
	l := open(db)
	for i := range benchKeys {
		l.put(w.key(i), w.next())
		if i%100 == 99 {
			l.commit()
		}
	}
	done(db.Flush())
	return db, l
}

func BenchmarkLayouts(b *testing.B) {
	for _, fresh := range []bool{false, true} {
		for _, size := range []int{1, 16, 256} {
			for _, c := range layouts {
				b.Run(fmt.Sprintf("put/new=%v/batch=%d/%s", fresh, size, c.name), func(b *testing.B) {
					w := newWorkload()
					db, l := openLayout(b, b.TempDir(), c.open, w)
					b.ReportAllocs()
					start := cpuTime()
					for i := 0; b.Loop(); i++ {
						key := w.some()
						if fresh {
							key = w.key(benchKeys + int(uint32(i)*2654435761))
						}
						l.put(key, w.next())
						if i%size == size-1 {
							l.commit()
						}
					}
					b.StopTimer()
					l.put(w.some(), w.next())
					l.commit()
					done(db.Flush())
					b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
				})
			}
		}
	}
	for _, c := range layouts {
		b.Run("read/"+c.name, func(b *testing.B) { benchReads(b, c.open) })
	}
}

// benchReads reads after four overwrites of each key on average.
func benchReads(b *testing.B, open func(*pebble.DB) layout) {
	w := newWorkload()
	db, l := openLayout(b, b.TempDir(), open, w)
	for i := range 4 * benchKeys {
		l.put(w.some(), w.next())
		if i%100 == 99 {
			l.commit()
		}
	}
	done(db.Flush())
	for _, read := range []struct {
		name string
		fn   func()
	}{
		{"point", func() { l.get(w.some(), newest) }},
		{"absent", func() { l.get(w.key(benchKeys+w.rng.IntN(benchKeys)), newest) }},
		{"one-version-back", func() { l.get(w.some(), 4*benchKeys) }},
		{"three-versions-back", func() { l.get(w.some(), 2*benchKeys) }},
		{"range-of-100", func() { l.scan(w.some(), 100) }},
	} {
		b.Run(read.name, func(b *testing.B) {
			b.ReportAllocs()
			start := cpuTime()
			for b.Loop() {
				read.fn()
			}
			b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
		})
	}
	before := tableBytes(db)
	l.compact()
	done(db.Flush())
	done(db.Compact(b.Context(), []byte{0}, []byte{255}, false))
	b.Run("space", func(b *testing.B) {
		for b.Loop() {
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(before)/benchKeys, "B/key-before")
		b.ReportMetric(float64(tableBytes(db))/benchKeys, "B/key-after")
	})
}

// cpuTime is what the process has used, in nanoseconds: flushes and compactions count too, other processes don't.
func cpuTime() int64 {
	var u syscall.Rusage
	done(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}

// tableBytes is the size of all tables.
func tableBytes(db *pebble.DB) (n int64) {
	for _, level := range db.Metrics().Levels {
		n += level.TablesSize
	}
	return n
}
