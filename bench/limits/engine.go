package limits

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// engine applies puts to a store's machine, with nothing around it, and gives how many a second.
func engine(kind kv.EngineKind) func(context.Context, string, time.Duration) (float64, error) {
	return func(ctx context.Context, dir string, d time.Duration) (rate float64, err error) {
		factory, err := kv.NewFactory(kind, kv.EngineOptions{Dir: dir, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			return 0, err
		}
		m, err := factory.Open(statemachine.Place{Group: 1, Epoch: 1, Dir: filepath.Join(dir, "machine")})
		if err != nil {
			return 0, errors.Join(err, factory.Close())
		}
		defer func() { err = errors.Join(err, m.Close(), factory.Close()) }()
		return apply(ctx, m, d)
	}
}

func apply(ctx context.Context, m statemachine.Machine, d time.Duration) (float64, error) {
	const batch, keys = 256, 100_000
	rng := rand.New(rand.NewPCG(1, 1))
	values := load.NewValues(128, rng)
	entries, results := make([]statemachine.Entry, batch), make([]statemachine.Result, batch)
	index := statemachine.Index(0)
	var spent time.Duration
	for spent < d && ctx.Err() == nil {
		for i := range entries {
			index++
			entries[i] = statemachine.Entry{Index: index, Body: kv.AppendPut(nil, load.AppendKey(nil, rng.Uint64N(keys)), values.Next())}
		}
		start := time.Now()
		if err := m.Apply(entries, index, results); err != nil {
			return 0, err
		}
		spent += time.Since(start)
	}
	if spent == 0 {
		return 0, ctx.Err()
	}
	return float64(index) / spent.Seconds(), nil
}
