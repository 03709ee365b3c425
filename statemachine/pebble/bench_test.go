package pebble_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/pebble"
)

// benchKeys keys of 16 bytes with values of 128 are in the engine when a benchmark begins.
const benchKeys = 100_000

func benchKey(i int) []byte { return fmt.Appendf(nil, "key%013d", i) }

// somewhere spreads i over [0, n).
func somewhere(i, n int) int { return int(uint32(i)*2654435761) % n }

func benchEngine(b *testing.B) *pebble.Engine {
	s, err := pebble.Open(b.TempDir(), pebble.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	e := engine(b, s, 1, 1)
	value := make([]byte, 128)
	for i := 0; i < benchKeys; {
		batch := e.Begin()
		for range 100 {
			batch.Advance()
			_, err := batch.Put(benchKey(i), value, 0)
			require.NoError(b, err)
			i++
		}
		require.NoError(b, batch.Commit(statemachine.Index(i)))
	}
	require.NoError(b, e.Flush())
	return e
}

// BenchmarkPut reports the time of a put, its share of the commit included.
func BenchmarkPut(b *testing.B) {
	for _, kind := range []string{"overwrite", "new"} {
		for _, size := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("%s/batch=%d", kind, size), func(b *testing.B) {
				e := benchEngine(b)
				value := make([]byte, 128)
				b.ReportAllocs()
				b.ResetTimer()
				for done := 0; done < b.N; done += size {
					batch := e.Begin()
					for i := done; i < min(done+size, b.N); i++ {
						batch.Advance()
						key := benchKey(somewhere(i, benchKeys))
						if kind == "new" {
							key = benchKey(benchKeys + somewhere(i, 1<<31))
						}
						if _, err := batch.Put(key, value, 0); err != nil {
							b.Fatal(err)
						}
					}
					if err := batch.Commit(e.Applied() + 1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRead reads through a new view each time, as a caller of a store does, and through one view.
func BenchmarkRead(b *testing.B) {
	e := benchEngine(b)
	view := func(b *testing.B) statemachine.View {
		v, err := e.View(statemachine.Latest)
		require.NoError(b, err)
		return v
	}
	b.Run("view-and-get", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			v := view(b)
			if _, ok, err := v.Get(benchKey(somewhere(i, benchKeys))); !ok || err != nil {
				b.Fatal(ok, err)
			}
			if err := v.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	v := view(b)
	defer func() { require.NoError(b, v.Close()) }()
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, ok, err := v.Get(benchKey(somewhere(i, benchKeys))); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	for _, reverse := range []bool{false, true} {
		b.Run(fmt.Sprintf("range-of-100/reverse=%v", reverse), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				n := 0
				from := somewhere(i, benchKeys-100)
				opts := statemachine.RangeOptions{From: benchKey(from), To: benchKey(from + 100), Reverse: reverse}
				if err := v.Range(opts, func(statemachine.Item) bool { n++; return true }); n != 100 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
	b.Run("events-of-100", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			n := 0
			from := statemachine.Revision(1 + somewhere(i, benchKeys-100))
			if err := v.Events(from, func(statemachine.Event) bool { n++; return n < 100 }); n != 100 || err != nil {
				b.Fatal(n, err)
			}
		}
	})
}

// BenchmarkImage reports the time of an image of all keys.
func BenchmarkImage(b *testing.B) {
	e := benchEngine(b)
	b.ReportAllocs()
	for b.Loop() {
		hash(b, e)
	}
}
