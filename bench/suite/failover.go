package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

const (
	// failoverCallers put all the time, each giving a put up after failoverPatience.
	failoverCallers  = 32
	failoverPatience = 500 * time.Millisecond
	// steadyFor is how long puts have to be answered before the fault, and after it, for the gap to be over.
	steadyFor = time.Second
	// failoverLimit is how long a gap is waited for.
	failoverLimit = time.Minute
)

// measureFailover lets a fault befall the leader while puts go on.
func measureFailover(ctx context.Context, c *cell, p report.Point) (load.Measure, error) {
	cluster, operator, err := c.operated(ctx, scaled(c.work.keys, c.Scale), p)
	if err != nil {
		return load.Measure{}, err
	}
	m, err := c.repeat(ctx, p, func(ctx context.Context) (time.Duration, error) {
		return gap(ctx, cluster, operator, load.Fault(p.Label), c)
	})
	return m, errors.Join(err, c.stop(cluster))
}

// gap breaks the leader, gives the longest silence from then on, mends it and waits until it has caught up.
func gap(ctx context.Context, cluster load.Cluster, operator load.Operator, fault load.Fault, c *cell) (time.Duration, error) {
	callers, stop := context.WithCancel(ctx)
	defer stop()
	a := &acks{began: time.Now()}
	var all sync.WaitGroup
	for i := range failoverCallers {
		all.Go(func() { a.put(callers, cluster, c, i) })
	}
	defer all.Wait()
	defer stop()
	if err := a.steady(ctx, 0); err != nil {
		return 0, fmt.Errorf("before the fault: %w", err)
	}
	leader, err := operator.Leader(ctx)
	if err != nil {
		return 0, err
	}
	broken := time.Since(a.began)
	if err := operator.Break(ctx, leader, fault); err != nil {
		return 0, err
	}
	if err := a.steady(ctx, broken); err != nil {
		return 0, fmt.Errorf("after the fault: %w", err)
	}
	silence := a.longestSilence(broken)
	stop()
	all.Wait()
	return silence, errors.Join(operator.Mend(ctx, leader), operator.CaughtUp(ctx, leader))
}

// acks are the times at which puts were answered, since began.
type acks struct {
	began time.Time
	mu    sync.Mutex
	at    []ack
}

// ack is a put that was answered.
type ack struct{ begun, ended time.Duration }

// put puts until ctx is done.
func (a *acks) put(ctx context.Context, cluster load.Cluster, c *cell, worker int) {
	t := traffic{mix: mix{{load.Put, 1}}, keys: scaled(c.work.keys, c.Scale), valueBytes: c.work.valueBytes, seed: c.Seed}
	source, op := t.source(worker), load.Op{Worker: worker}
	clock := load.SystemClock()
	for ctx.Err() == nil {
		source.Next(&op, load.Done{})
		begun := time.Since(a.began)
		one, cancel := context.WithTimeout(ctx, failoverPatience)
		_, err := cluster.Do(one, &op)
		cancel()
		if err != nil {
			clock.Wait(ctx, clock.Now()+time.Millisecond)
			continue
		}
		a.mu.Lock()
		a.at = append(a.at, ack{begun, time.Since(a.began)})
		a.mu.Unlock()
	}
}

// steady waits until a put that has begun after a time was answered, and others for a second after that.
func (a *acks) steady(ctx context.Context, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, failoverLimit)
	defer cancel()
	clock := load.SystemClock()
	for ctx.Err() == nil {
		clock.Wait(ctx, clock.Now()+10*time.Millisecond)
		a.mu.Lock()
		first := slices.IndexFunc(a.at, func(x ack) bool { return x.begun >= after })
		done := first >= 0 && a.at[len(a.at)-1].ended >= a.at[first].ended+steadyFor
		a.mu.Unlock()
		if done {
			return nil
		}
	}
	return fmt.Errorf("no answers for a second on end: %w", ctx.Err())
}

// longestSilence is the longest time after a moment in which nothing was answered.
func (a *acks) longestSilence(from time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	times := []time.Duration{from}
	for _, x := range a.at {
		if x.ended > from {
			times = append(times, x.ended)
		}
	}
	slices.Sort(times)
	longest := time.Duration(0)
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i]-times[i-1])
	}
	return longest
}
