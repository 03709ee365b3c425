package btree_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

func BenchmarkEngine(b *testing.B) { smtest.BenchmarkEngine(b, opener{}) }

// heap gives the bytes in use after everything that is not has been collected.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkMemory reports what a key of 16 bytes with a value of 128 bytes and one version takes, the key and value included:
// still in the queue of events, and after compaction.
func BenchmarkMemory(b *testing.B) {
	const n = 200_000
	for range b.N {
		before := heap()
		e := btree.New()
		key, value := make([]byte, 16), make([]byte, 128)
		batch := e.Begin()
		for i := range uint64(n) {
			batch.Advance()
			binary.BigEndian.PutUint64(key[8:], i*0x9e3779b97f4a7c15)
			if _, err := batch.Put(key, value, 0); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Commit(1); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before)/n, "bytes/key-with-event")
		compact(b, e, e.Revision(), n)
		b.ReportMetric(float64(heap()-before)/n, "bytes/key")
		runtime.KeepAlive(e)
	}
}

// compact compacts, and commits as often as it takes to give back some versions.
func compact(tb testing.TB, e *btree.Engine, rev statemachine.Revision, versions int) {
	batch := e.Begin()
	if err := batch.Compact(rev); err != nil {
		tb.Fatal(err)
	}
	for range versions/100 + 1 {
		if err := batch.Commit(e.Applied() + 1); err != nil {
			tb.Fatal(err)
		}
		batch = e.Begin()
	}
	if err := batch.Commit(e.Applied() + 1); err != nil {
		tb.Fatal(err)
	}
}
