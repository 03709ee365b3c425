package load_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// fakeClock is moved by hand.
type fakeClock struct {
	mu    sync.Mutex
	moved *sync.Cond
	now   time.Duration
}

func newFakeClock() *fakeClock {
	c := &fakeClock{}
	c.moved = sync.NewCond(&c.mu)
	return c
}

func (c *fakeClock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
	c.moved.Broadcast()
}

// skip moves to a time, unless that has gone by.
func (c *fakeClock) skip(until time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = max(c.now, until)
	c.moved.Broadcast()
}

func (c *fakeClock) Wait(ctx context.Context, until time.Duration) {
	defer context.AfterFunc(ctx, c.moved.Broadcast)()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.now < until && ctx.Err() == nil {
		c.moved.Wait()
	}
}

// fakeCluster does operations in no time but that which its function says.
type fakeCluster struct {
	do func(op *load.Op) (load.Done, error)
}

func (c fakeCluster) Do(_ context.Context, op *load.Op) (load.Done, error) { return c.do(op) }
func (c fakeCluster) Close() error                                         { return nil }

// puts is a source of puts.
type puts struct{}

func (puts) Next(op *load.Op, _ load.Done) { op.Kind = load.Put }

func allPuts(int) load.Source { return puts{} }

// phase runs a phase with one caller on a fake clock.
func phase(t *testing.T, clock *fakeClock, p load.Phase, do func(op *load.Op) (load.Done, error)) load.Measure {
	t.Helper()
	p.Workers, p.Clock = 1, watched{clock}
	if p.Source == nil {
		p.Source = allPuts
	}
	m, err := load.Run(t.Context(), fakeCluster{do}, p)
	require.NoError(t, err)
	return m
}

// watched tells the two users of a run's clock apart. Who watches the run waits for every half second, which has to come; the caller waits for its next operation,
// at other times, and then it is that time.
type watched struct{ *fakeClock }

func (w watched) Wait(ctx context.Context, until time.Duration) {
	if until%(500*time.Millisecond) == 0 && until > 0 {
		w.fakeClock.Wait(ctx, until)
		return
	}
	w.skip(until)
}

func TestOpenLoopCountsFromTheIntendedStart(t *testing.T) {
	clock := newFakeClock()
	var calls int
	// An operation takes 1 ms, but the 50th stalls for 200 ms: those that should have begun meanwhile are late, and their latency says so.
	m := phase(t, clock, load.Phase{Rate: 99, Window: time.Second}, func(*load.Op) (load.Done, error) {
		calls++
		switch calls {
		case 50:
			clock.move(200 * time.Millisecond)
		case 99: // the last lasts until the window's end, for the clock to get there
			clock.skip(time.Second)
		}
		clock.move(time.Millisecond)
		return load.Done{Items: 1, Bytes: 7}, nil
	})
	put := m.Latency[load.Put]
	require.EqualValues(t, 99, put.Count, "every operation that was meant to begin in the window counts")
	require.EqualValues(t, 98, m.Ended)
	require.EqualValues(t, 98*7, m.Bytes)
	require.InDelta(t, 201, put.Max.Seconds()*1e3, 1, "the stall itself")
	require.InDelta(t, 1, put.P50.Seconds()*1e3, 0.1, "most are not touched by it")
	h, err := load.DecodeHistogram(put.Histogram)
	require.NoError(t, err)
	var slow int64
	for _, b := range h.Distribution() {
		if b.From > int64(2*time.Millisecond) {
			slow += b.Count
		}
	}
	// After the stall the backlog shrinks by 10.1 - 1 ms with each operation: 200 / 9.1 = 22 operations, beside the last.
	require.InDelta(t, 23, slow, 2, "the operations behind the stall waited too")
	require.InDelta(t, slow, m.Late, 2)
}

func TestClosedLoopCountsEachCall(t *testing.T) {
	clock := newFakeClock()
	var calls int
	m := phase(t, clock, load.Phase{Window: time.Second}, func(*load.Op) (load.Done, error) {
		calls++
		clock.move(10 * time.Millisecond)
		return load.Done{Items: 1}, nil
	})
	require.EqualValues(t, 100, calls)
	require.EqualValues(t, 100, m.Latency[load.Put].Count)
	require.EqualValues(t, 99, m.Ended, "the last ends with the window, not in it")
	require.InDelta(t, 10, m.Latency[load.Put].Max.Seconds()*1e3, 0.1)
	require.Len(t, m.Slices, 10)
	require.EqualValues(t, 10, m.Slices[3].Ended)
	require.InDelta(t, 99, m.Rate(), 1e-9)
}

func TestWarmUpDoesNotCount(t *testing.T) {
	clock := newFakeClock()
	m := phase(t, clock, load.Phase{WarmUp: time.Second, Window: time.Second}, func(*load.Op) (load.Done, error) {
		took := 10 * time.Millisecond
		if clock.Now() < 900*time.Millisecond {
			took = 100 * time.Millisecond
		}
		clock.move(took)
		return load.Done{}, nil
	})
	require.EqualValues(t, 100, m.Latency[load.Put].Count)
	require.InDelta(t, 10, m.Latency[load.Put].Max.Seconds()*1e3, 0.1)
}

func TestFailuresCount(t *testing.T) {
	clock := newFakeClock()
	broken := errors.New("broken")
	var calls int
	m := phase(t, clock, load.Phase{Window: time.Second}, func(*load.Op) (load.Done, error) {
		calls++
		clock.move(9 * time.Millisecond)
		if calls%2 == 0 {
			return load.Done{}, broken
		}
		return load.Done{}, nil
	})
	// A good one takes 9 ms, one that fails 9 and a pause of 10: 28 ms a pair.
	require.InDelta(t, 36, m.Failed, 1)
	require.InDelta(t, 36, m.Ended, 1)
	require.Equal(t, "broken", m.FirstError)
}

func TestUnsupportedEndsTheRun(t *testing.T) {
	var calls atomic.Int64
	cluster := fakeCluster{func(*load.Op) (load.Done, error) {
		calls.Add(1)
		return load.Done{}, load.ErrUnsupported
	}}
	_, err := load.Run(t.Context(), cluster, load.Phase{Workers: 3, WarmUp: time.Hour, Window: time.Hour, Source: allPuts})
	require.ErrorIs(t, err, load.ErrUnsupported, "in the warm-up, too")
	require.LessOrEqual(t, calls.Load(), int64(3))
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cluster := fakeCluster{func(*load.Op) (load.Done, error) {
		cancel()
		return load.Done{}, ctx.Err()
	}}
	_, err := load.Run(ctx, cluster, load.Phase{Workers: 2, Rate: 10, Window: time.Hour, Source: allPuts})
	require.ErrorIs(t, err, context.Canceled)
}

func TestPhasesThatMakeNoSense(t *testing.T) {
	for _, p := range []load.Phase{{}, {Workers: 1}, {Workers: 1, Window: time.Second, Rate: -1}, {Workers: 1, Window: time.Second, WarmUp: -1}} {
		_, err := load.Run(t.Context(), fakeCluster{}, p)
		require.ErrorContains(t, err, "expected at least one worker")
	}
}

// readAndWrite is a source of operations in two steps.
type readAndWrite struct{}

func (readAndWrite) Next(op *load.Op, _ load.Done) {
	op.Kind, op.Key, op.Value = load.ReadModifyWrite, []byte("k"), []byte("v")
}

func TestReadModifyWriteIsAGetAndAPut(t *testing.T) {
	clock := newFakeClock()
	var kinds []load.Kind
	m := phase(t, clock, load.Phase{Window: time.Second, Source: func(int) load.Source { return readAndWrite{} }}, func(op *load.Op) (load.Done, error) {
		kinds = append(kinds, op.Kind)
		clock.move(30 * time.Millisecond)
		return load.Done{}, nil
	})
	require.Equal(t, []load.Kind{load.Get, load.Put}, kinds[:2])
	require.EqualValues(t, 17, m.Latency[load.ReadModifyWrite].Count)
	require.InDelta(t, 60, m.Latency[load.ReadModifyWrite].Max.Seconds()*1e3, 0.1)
	require.Len(t, m.Latency, 1)
}
