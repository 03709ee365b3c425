package kv_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// benchKeys is how many keys the benchmarks of applying and reading go round.
const benchKeys = 100_000

func benchKey(i int) []byte {
	key := make([]byte, 16)
	binary.BigEndian.PutUint64(key[8:], uint64(i)*0x9e3779b97f4a7c15)
	return key
}

func BenchmarkEncodePut(b *testing.B) {
	key, value := make([]byte, 16), make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		_ = kv.AppendPut(nil, key, value)
	}
}

// BenchmarkApplyPut applies puts of 16-byte keys and 128-byte values in batches of 256; an operation is one put.
func BenchmarkApplyPut(b *testing.B) {
	for _, engine := range engines {
		b.Run(engine.name, func(b *testing.B) {
			benchmarkApply(b, engine.open(b), func(i int) []byte { return kv.AppendPut(nil, benchKey(i), make([]byte, 128)) })
		})
	}
}

// BenchmarkApplyTxn applies transactions that compare a key and put it.
func BenchmarkApplyTxn(b *testing.B) {
	for _, engine := range engines {
		b.Run(engine.name, func(b *testing.B) {
			benchmarkApply(b, engine.open(b), func(i int) []byte {
				key := benchKey(i)
				return kv.AppendTxn(nil, model.If(model.Version(key).Greater(0)).Then(model.Put(key, make([]byte, 128))))
			})
		})
	}
}

func benchmarkApply(b *testing.B, m *kv.Machine, body func(i int) []byte) {
	const batch = 256
	bodies := make([][]byte, benchKeys)
	for i := range bodies {
		bodies[i] = body(i)
	}
	entries, results := make([]statemachine.Entry, batch), make([]statemachine.Result, batch)
	index := statemachine.Index(0)
	fill(b, m, &index)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		for i := range entries {
			index++
			entries[i] = statemachine.Entry{Index: index, Body: bodies[int(index)%benchKeys]}
		}
		if err := m.Apply(entries, index, results); err != nil {
			b.Fatal(err)
		}
	}
}

// fill puts every key once.
func fill(b *testing.B, m *kv.Machine, index *statemachine.Index) {
	entries := make([]statemachine.Entry, benchKeys)
	for i := range entries {
		*index++
		entries[i] = statemachine.Entry{Index: *index, Body: kv.AppendPut(nil, benchKey(i), make([]byte, 128))}
	}
	require.NoError(b, m.Apply(entries, *index, make([]statemachine.Result, len(entries))))
}

// BenchmarkGet reads keys from many goroutines.
func BenchmarkGet(b *testing.B) {
	for _, engine := range engines {
		b.Run(engine.name, func(b *testing.B) {
			m := engine.open(b)
			index := statemachine.Index(0)
			fill(b, m, &index)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := m.Get(benchKey(i%benchKeys), model.Latest); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
