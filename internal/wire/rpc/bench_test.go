package rpc_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

func BenchmarkCall(b *testing.B) {
	c := listen(b, rpc.ServerOptions{}).dial(rpc.ConnOptions{})
	args := &rpc.PutArgs{Key: make([]byte, 16), Value: make([]byte, 128)}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, c.Call(context.Background(), "kv", rpc.VerbPut, args, &rpc.PutResult{}))
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(128)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := c.Call(context.Background(), "kv", rpc.VerbPut, args, &rpc.PutResult{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
