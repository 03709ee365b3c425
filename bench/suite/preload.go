package suite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

const (
	// fillers is how many callers fill a store.
	fillers = 256
	// manyToFill is from how many keys on transactions fill the store, fillBatch keys each, where the system has them: the log behind it is another one then,
	// which matters to no workload on a store as large as that.
	manyToFill = 500_000
	fillBatch  = 64
	// fillTries is how often an operation that fails is tried, with a pause between.
	fillTries = 20
	fillPause = 100 * time.Millisecond
)

// preload puts every key of the traffic once, or appends as many entries.
func (c *cell) preload(ctx context.Context, cluster load.Cluster, t *traffic, p report.Point) error {
	if err := c.tell(message{Point: p, Doing: fmt.Sprintf("filling, %d", t.keys)}); err != nil {
		return err
	}
	f := filler{cluster: cluster, log: c.work.setup.Log, keys: t.keys, groups: t.groups, valueBytes: t.valueBytes, seed: c.Seed}
	f.batch = 1
	if info := c.system.Info(); t.keys >= manyToFill && !f.log && info.Can(c.Shape, load.Txn) {
		f.batch = fillBatch
	}
	return f.fill(ctx)
}

// filler fills a store or a log.
type filler struct {
	cluster       load.Cluster
	log           bool
	first, keys   uint64 // numbers [first, first+keys)
	groups, batch int
	valueBytes    int
	seed          uint64
	next          atomic.Uint64
}

// fill blocks until all is there. An operation that fails again and again ends it.
func (f *filler) fill(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, min(fillers, f.keys))
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			if errs[i] = f.work(ctx, i); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return ctx.Err()
}

func (f *filler) work(ctx context.Context, worker int) error {
	rng := rand.New(rand.NewPCG(f.seed+1, uint64(worker)))
	values := load.NewValues(f.valueBytes, rng)
	op := load.Op{Worker: worker}
	for {
		at := f.next.Add(uint64(f.batch)) - uint64(f.batch)
		if at >= f.keys {
			return nil
		}
		op.Value, op.Group = values.Next(), int(at%uint64(max(f.groups, 1)))
		f.prepare(&op, f.first+at, min(uint64(f.batch), f.keys-at))
		if err := f.do(ctx, &op); err != nil {
			return err
		}
	}
}

// do does an operation, and again when it fails: while leaders change nothing is done, or it is not known whether it was, and doing it twice does no harm here.
func (f *filler) do(ctx context.Context, op *load.Op) error {
	clock := load.SystemClock()
	for try := 1; ; try++ {
		_, err := f.cluster.Do(ctx, op)
		if err == nil || try == fillTries || errors.Is(err, load.ErrUnsupported) || ctx.Err() != nil {
			return err
		}
		clock.Wait(ctx, clock.Now()+fillPause)
	}
}

// prepare makes the operation that writes n keys or entries from a number on.
func (f *filler) prepare(op *load.Op, number, n uint64) {
	switch {
	case f.log:
		op.Kind = load.Append
	case f.batch == 1:
		op.Kind, op.Key = load.Put, load.AppendKey(op.Key[:0], number)
	default:
		op.Kind, op.Keys = load.Txn, op.Keys[:0]
		for i := range n {
			op.Keys = append(op.Keys, load.AppendKey(nil, number+i))
		}
	}
}
