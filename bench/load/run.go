package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Source gives a caller its operations, one after the other. It belongs to one goroutine.
type Source interface {
	// Next fills op with the next operation. The slices it gives must stay unchanged until the next call. before is what the previous one did, zero for
	// the first and after a failure.
	Next(op *Op, before Done)
}

// Phase is a stretch of load.
type Phase struct {
	// Workers is how many callers there are, at least 1: in a closed loop that many operations are under way at any time, in an open loop at most.
	Workers int
	// Rate is how many operations a second are to begin, evenly, in an open loop. 0: a closed loop.
	Rate float64
	// WarmUp is how long the load goes on before anything counts, Window how long it counts then.
	WarmUp, Window time.Duration
	// Source makes a worker's source. It is called from the goroutine that calls Run.
	Source func(worker int) Source
	// Clock is where time comes from. Default: SystemClock.
	Clock Clock
	// Device is a directory on the device whose flushes are counted; empty: they are not.
	Device string
	// Progress, if not nil, is called every half second of the window with how many operations have ended in it so far.
	Progress func(ended uint64)
}

// grace is how long operations that are under way at the end of the window are waited for.
const grace = 10 * time.Second

// Run drives a cluster through a phase and blocks until it is over, or ctx is done, which is an error. An operation that fails counts as such, and its caller pauses
// for 10 ms; ErrUnsupported ends the run. Operations that have not ended 10 s after the window are given up and count as failed.
func Run(ctx context.Context, cluster Cluster, p Phase) (Measure, error) {
	if p.Workers < 1 || p.Window <= 0 || p.WarmUp < 0 || p.Rate < 0 {
		return Measure{}, fmt.Errorf("load: expected at least one worker, a window above 0, and a warm-up and a rate of at least 0; got %d, %v, %v, %v",
			p.Workers, p.Window, p.WarmUp, p.Rate)
	}
	if p.Clock == nil {
		p.Clock = SystemClock()
	}
	r := &run{Phase: p, cluster: cluster, began: p.Clock.Now()}
	r.recorder = newRecorder(r.began+p.WarmUp, p.Window, min(p.Workers, 2*runtime.GOMAXPROCS(0)))
	usage := r.drive(ctx)
	if err := ctx.Err(); err != nil {
		return Measure{}, err
	}
	if r.unsupported.Load() {
		return Measure{}, ErrUnsupported
	}
	m, err := r.recorder.measure()
	m.Usage, m.Began = usage, r.opened
	return m, err
}

// run is a phase on its way.
type run struct {
	Phase
	cluster  Cluster
	recorder *recorder
	began    time.Duration
	opened   time.Time    // the window, by the time of day
	next     atomic.Int64 // open loop: the number of the next operation
	// unsupported: an operation was refused because there is no such one.
	unsupported atomic.Bool
}

// drive starts the workers, watches the window and waits for all of them. It gives what the window cost.
func (r *run) drive(ctx context.Context) Usage {
	ops, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	for i := range r.Workers {
		c := caller{run: r, cancel: cancel, source: r.Source(i), op: Op{Worker: i}}
		workers.Add(1)
		go func() {
			defer workers.Done()
			if r.Rate > 0 {
				c.open(ops)
			} else {
				c.closed(ops)
			}
		}()
	}
	usage := r.watch(ops)
	overdue := time.AfterFunc(grace, cancel)
	defer overdue.Stop()
	workers.Wait()
	return usage
}

// watch waits for the end of the window, tells of progress, and gives what the window cost.
func (r *run) watch(ctx context.Context) Usage {
	r.Clock.Wait(ctx, r.recorder.start)
	r.opened = time.Now().Round(0) // without what only this process knows of it
	before := readMeter(r.cluster, r.Device)
	for at := r.recorder.start; at < r.recorder.stop && ctx.Err() == nil; {
		at = min(at+500*time.Millisecond, r.recorder.stop)
		r.Clock.Wait(ctx, at)
		if r.Progress != nil && ctx.Err() == nil {
			r.Progress(r.recorder.ended())
		}
	}
	return readMeter(r.cluster, r.Device).since(before)
}

// caller is one of the callers of a run.
type caller struct {
	*run
	cancel context.CancelFunc
	source Source
	op     Op
	before Done
}

// closed does one operation after the other until the window ends.
func (c *caller) closed(ctx context.Context) {
	for now := c.Clock.Now(); now < c.recorder.stop && ctx.Err() == nil; {
		now = c.do(ctx, now, false)
	}
}

// open takes the next operation that is due, waits for its time if that has not come, and does it. Its latency counts from that time however late it begins, so that
// what stalls the callers shows in the latencies of all that should have begun meanwhile.
func (c *caller) open(ctx context.Context) {
	for ctx.Err() == nil {
		due := c.began + time.Duration(float64(c.next.Add(1)-1)/c.Rate*float64(time.Second))
		if due >= c.recorder.stop {
			return
		}
		c.Clock.Wait(ctx, due)
		if ctx.Err() != nil {
			return
		}
		c.do(ctx, due, c.Clock.Now()-due > time.Millisecond)
	}
}

// do does the next operation, counts it, and gives the time at which it ended.
func (c *caller) do(ctx context.Context, begun time.Duration, late bool) time.Duration {
	c.source.Next(&c.op, c.before)
	kind := c.op.Kind
	done, err := c.call(ctx)
	ended := c.Clock.Now()
	c.recorder.add(c.op.Worker, outcome{kind: kind, begun: begun, ended: ended, late: late, done: done, err: err})
	c.before = done
	if err == nil {
		return ended
	}
	c.before = Done{}
	if errors.Is(err, ErrUnsupported) {
		c.unsupported.Store(true)
		c.cancel()
	}
	c.Clock.Wait(ctx, ended+10*time.Millisecond)
	return c.Clock.Now()
}

// call hands the operation to the cluster; one that reads, modifies and writes in two steps.
func (c *caller) call(ctx context.Context) (Done, error) {
	if c.op.Kind != ReadModifyWrite {
		return c.cluster.Do(ctx, &c.op)
	}
	c.op.Kind = Get
	if _, err := c.cluster.Do(ctx, &c.op); err != nil {
		return Done{}, err
	}
	c.op.Kind = Put
	return c.cluster.Do(ctx, &c.op)
}

// Watch lets a cluster be for a while, and then gives what a window of doing nothing costs. It blocks until that is over, or ctx is done, which is an error.
func Watch(ctx context.Context, cluster Cluster, device string, settle, window time.Duration) (Usage, error) {
	clock := SystemClock()
	clock.Wait(ctx, settle)
	before := readMeter(cluster, device)
	clock.Wait(ctx, settle+window)
	return readMeter(cluster, device).since(before), ctx.Err()
}
