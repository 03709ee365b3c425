package smtest

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

const (
	benchKeys  = 100_000
	benchBatch = 256
	// benchCompact is how many batches go by between compactions, which keep the last so many batches.
	benchCompact = 64
)

// BenchmarkEngine measures an engine with keys of 16 bytes and values of 128: a batch of 256 puts, one revision each, counts as
// 256 operations, and 100,000 keys are there to start with. Everything is compacted but the last 64 batches or so.
func BenchmarkEngine(b *testing.B, open Opener) {
	b.Run("Overwrite", func(b *testing.B) {
		w := filled(b, open)
		rng := rand.New(rand.NewPCG(1, 1))
		b.ReportAllocs()
		b.ResetTimer()
		for left := b.N; left > 0; left -= benchBatch {
			w.batch(min(left, benchBatch), func() uint64 { return rng.Uint64N(benchKeys) })
		}
		w.done()
	})
	b.Run("New", func(b *testing.B) {
		w := filled(b, open)
		next := uint64(benchKeys)
		b.ReportAllocs()
		b.ResetTimer()
		for left := b.N; left > 0; left -= benchBatch {
			w.batch(min(left, benchBatch), func() uint64 { next++; return next })
		}
		w.done()
	})
	b.Run("Get", func(b *testing.B) {
		w := filled(b, open)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			v, err := w.e.View(statemachine.Latest)
			require.NoError(b, err)
			defer v.Close()
			read(pb, v.Get)
		})
		w.done()
	})
	b.Run("ViewGetClose", func(b *testing.B) {
		w := filled(b, open)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			read(pb, func(key []byte) (statemachine.Item, bool, error) {
				v, err := w.e.View(statemachine.Latest)
				if err != nil {
					return statemachine.Item{}, false, err
				}
				defer v.Close()
				return v.Get(key)
			})
		})
		w.done()
	})
	b.Run("Range100", benchRange(open))
	b.Run("Image", benchImage(open))
}

// benchWriter writes batches and compacts.
type benchWriter struct {
	b          *testing.B
	e          statemachine.Engine
	key, value []byte
	batches    int
}

func benchKey(buf []byte, n uint64) []byte {
	binary.BigEndian.PutUint64(buf[:8], 0x746f706963732f00) // "topics/"
	binary.BigEndian.PutUint64(buf[8:], n*0x9e3779b97f4a7c15)
	return buf
}

func filled(b *testing.B, open Opener) *benchWriter {
	w := &benchWriter{b: b, e: open.Open(b), key: make([]byte, 16), value: make([]byte, 128)}
	var n uint64
	for n < benchKeys {
		w.batch(benchBatch, func() uint64 { n++; return n - 1 })
	}
	require.NoError(b, w.e.Flush())
	return w
}

// batch puts n keys, each at its own revision.
func (w *benchWriter) batch(n int, key func() uint64) {
	batch := w.e.Begin()
	for range n {
		batch.Advance()
		if _, err := batch.Put(benchKey(w.key, key()), w.value, 0); err != nil {
			w.b.Fatal(err)
		}
	}
	if w.batches++; w.batches%benchCompact == 0 {
		keep := statemachine.Revision(benchCompact * benchBatch)
		if rev := w.e.Revision(); rev > w.e.Compacted()+keep {
			if err := batch.Compact(rev - keep); err != nil {
				w.b.Fatal(err)
			}
		}
	}
	if err := batch.Commit(w.e.Applied() + 1); err != nil {
		w.b.Fatal(err)
	}
}

func (w *benchWriter) done() {
	w.b.StopTimer()
	if err := w.e.Close(); err != nil {
		w.b.Fatal(err)
	}
}

var benchSeed atomic.Uint64

// read gets random keys.
func read(pb *testing.PB, get func([]byte) (statemachine.Item, bool, error)) {
	rng, key := rand.New(rand.NewPCG(benchSeed.Add(1), 0)), make([]byte, 16)
	for pb.Next() {
		if _, ok, err := get(benchKey(key, rng.Uint64N(benchKeys))); !ok || err != nil {
			panic(fmt.Sprintf("smtest: key %x: found %v, error %v", key, ok, err))
		}
	}
}

func benchRange(open Opener) func(*testing.B) {
	return func(b *testing.B) {
		w := filled(b, open)
		rng := rand.New(rand.NewPCG(1, 1))
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			v, err := w.e.View(statemachine.Latest)
			require.NoError(b, err)
			n := 0
			err = v.Range(statemachine.RangeOptions{From: benchKey(w.key, rng.Uint64N(benchKeys))}, func(statemachine.Item) bool {
				n++
				return n < 100
			})
			require.NoError(b, err)
			require.NoError(b, v.Close())
		}
		w.done()
	}
}

func benchImage(open Opener) func(*testing.B) {
	return func(b *testing.B) {
		w := filled(b, open)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			img, err := w.e.Image()
			require.NoError(b, err)
			size := 0
			for {
				chunk, err := img.Next()
				if err == io.EOF {
					break
				}
				require.NoError(b, err)
				size += len(chunk)
			}
			require.NoError(b, img.Close())
			b.SetBytes(int64(size))
		}
		w.done()
	}
}
