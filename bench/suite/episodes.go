package suite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// episodes are workloads that measure how long something takes, or what nothing costs.
func episodes() []workload {
	return []workload{
		{Workload: describe("restart", "Restart of a single node", "A node is filled with so many puts of 1 KiB, closed and opened again: from the opening to the first linearizable read's answer.",
			report.BySize, report.Duration),
			kinds: []load.Kind{load.Put, load.Get}, shapes: []load.Shape{load.OneNode}, points: sizes(10_000, 100_000, 1_000_000), quick: sizes(10_000), valueBytes: largeValue,
			operable: true, fresh: true, measure: measureRestart},
		{Workload: describe("recovery", "Recovery of a killed follower", "One of three processes is killed, so many puts of 1 KiB after the start, and started again at once: until it has applied all that was committed.",
			report.BySize, report.Duration),
			kinds: []load.Kind{load.Put}, shapes: []load.Shape{load.ThreeProcessesRemote}, points: sizes(10_000, 100_000), valueBytes: largeValue,
			operable: true, fresh: true, measure: measureRecovery},
		{Workload: describe("catch-up-log", "Catching up by the log", "A follower is closed, so many puts of 1 KiB are done, and it is opened again: until it has applied them all.", report.BySize, report.Duration),
			kinds: []load.Kind{load.Put}, shapes: embedded, points: sizes(10_000, 50_000), quick: sizes(10_000), valueBytes: largeValue,
			operable: true, fresh: true, measure: measureCatchUp},
		{Workload: describe("catch-up-image", "Catching up by an image", "The same, with so little log kept that an image has to be made, sent and installed.", report.BySize, report.Duration),
			kinds: []load.Kind{load.Put}, shapes: embedded, points: sizes(20_000, 200_000), quick: sizes(20_000), valueBytes: largeValue, setup: load.Setup{SmallLog: true},
			operable: true, fresh: true, measure: measureCatchUp},
		{Workload: describe("failover", "Failover gap", "Three processes serve 32 remote callers, whose puts give up after half a second and begin anew; the leader is killed, or stopped, or its disk stalls: the longest time "+
			"from then on without an answer.", report.ByLabel, report.Duration),
			kinds: []load.Kind{load.Put}, shapes: []load.Shape{load.ThreeProcessesRemote}, points: labels(string(load.Kill), string(load.Freeze), string(load.StallDisk)),
			quick: labels(string(load.Kill), string(load.Freeze), string(load.StallDisk)), valueBytes: smallValue, keys: manyKeys, operable: true, fresh: true, measure: measureFailover},
		{Workload: describe("idle", "Idle cost", "Nobody does anything: processor time and memory of three nodes with so many groups, once they have had time to fall silent.", report.ByGroups, report.CPUShare),
			kinds: []load.Kind{load.Put}, shapes: embedded, points: groupsOf(0, 1, 100, 1000), fresh: true, measure: measureIdle},
	}
}

// operated starts a cluster with so many puts in it, and gives it as an Operator as well.
func (c *cell) operated(ctx context.Context, puts uint64, p report.Point) (load.Cluster, load.Operator, error) {
	cluster, err := c.start(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	operator, ok := cluster.(load.Operator)
	if !ok {
		return nil, nil, errors.Join(load.ErrUnsupported, c.stop(cluster))
	}
	if err := c.put(ctx, cluster, 0, puts, p); err != nil {
		return nil, nil, errors.Join(err, c.stop(cluster))
	}
	return cluster, operator, nil
}

// put puts keys with the numbers [first, first+n), once each.
func (c *cell) put(ctx context.Context, cluster load.Cluster, first, n uint64, p report.Point) error {
	if err := c.tell(message{Point: p, Doing: fmt.Sprintf("putting %d", n)}); err != nil {
		return err
	}
	f := filler{cluster: cluster, first: first, keys: n, batch: 1, valueBytes: c.work.valueBytes, seed: c.Seed + first}
	if err := f.fill(ctx); err != nil {
		return fmt.Errorf("putting %d keys: %w", n, err)
	}
	return nil
}

// took is the Measure of an episode: the median of its repetitions, and the longest.
func took(times []time.Duration) load.Measure {
	var ms []float64
	for _, t := range times {
		ms = append(ms, t.Seconds()*1e3)
	}
	s := report.SpreadOf(ms)
	return load.Measure{Values: map[string]float64{string(report.Duration): s.Median, "max_ms": s.Max, "repeats": float64(s.Runs)}}
}

// repeat does an episode as often as the cell wants, with a limit on each, and gives its times.
func (c *cell) repeat(ctx context.Context, p report.Point, episode func(ctx context.Context) (time.Duration, error)) (load.Measure, error) {
	var times []time.Duration
	for i := range max(c.Repeats, 1) {
		if err := c.tell(message{Point: p, Doing: fmt.Sprintf("time %d of %d", i+1, max(c.Repeats, 1))}); err != nil {
			return load.Measure{}, err
		}
		step, cancel := context.WithTimeout(ctx, stepTimeout)
		t, err := episode(step)
		cancel()
		if err != nil {
			return load.Measure{}, err
		}
		times = append(times, t)
	}
	return took(times), nil
}

// measureRestart closes and opens a single node.
func measureRestart(ctx context.Context, c *cell, p report.Point) (load.Measure, error) {
	cluster, operator, err := c.operated(ctx, p.Size, p)
	if err != nil {
		return load.Measure{}, err
	}
	m, err := c.repeat(ctx, p, func(ctx context.Context) (time.Duration, error) {
		if err := operator.Stop(ctx, 0); err != nil {
			return 0, err
		}
		began := time.Now()
		if err := operator.Start(ctx, 0); err != nil {
			return 0, err
		}
		done, err := cluster.Do(ctx, &load.Op{Kind: load.Get, Key: load.AppendKey(nil, 0)})
		if err == nil && done.Items != 1 {
			err = errors.New("a key that was put before the restart is gone")
		}
		return time.Since(began), err
	})
	return m, errors.Join(err, c.stop(cluster))
}

// measureRecovery kills a follower and starts it again.
func measureRecovery(ctx context.Context, c *cell, p report.Point) (load.Measure, error) {
	cluster, operator, err := c.operated(ctx, p.Size, p)
	if err != nil {
		return load.Measure{}, err
	}
	m, err := c.repeat(ctx, p, func(ctx context.Context) (time.Duration, error) {
		follower, err := aFollower(ctx, operator)
		if err != nil {
			return 0, err
		}
		if err := operator.Break(ctx, follower, load.Kill); err != nil {
			return 0, err
		}
		began := time.Now()
		err = errors.Join(operator.Mend(ctx, follower), operator.CaughtUp(ctx, follower))
		return time.Since(began), err
	})
	return m, errors.Join(err, c.stop(cluster))
}

// measureCatchUp opens a follower that was away.
func measureCatchUp(ctx context.Context, c *cell, p report.Point) (load.Measure, error) {
	size := p.Size
	cluster, operator, err := c.operated(ctx, size, p)
	if err != nil {
		return load.Measure{}, err
	}
	done := size
	m, err := c.repeat(ctx, p, func(ctx context.Context) (time.Duration, error) {
		follower, err := aFollower(ctx, operator)
		if err != nil {
			return 0, err
		}
		if err := operator.Stop(ctx, follower); err != nil {
			return 0, err
		}
		if err := c.put(ctx, cluster, done, size, p); err != nil {
			return 0, err
		}
		done += size
		began := time.Now()
		if err := operator.Start(ctx, follower); err != nil {
			return 0, err
		}
		err = operator.CaughtUp(ctx, follower)
		return time.Since(began), err
	})
	return m, errors.Join(err, c.stop(cluster))
}

// aFollower names a node that doesn't lead.
func aFollower(ctx context.Context, o load.Operator) (int, error) {
	leader, err := o.Leader(ctx)
	return (leader + 1) % 3, err
}

// settle is how long idle groups get to fall silent.
const settle = 11 * time.Second

// measureIdle watches nodes with which nobody does anything.
func measureIdle(ctx context.Context, c *cell, p report.Point) (load.Measure, error) {
	cluster, err := c.start(ctx, p.Groups)
	if err != nil {
		return load.Measure{}, err
	}
	if err := c.tell(message{Point: p, Doing: "waiting until it is quiet"}); err != nil {
		return load.Measure{}, errors.Join(err, c.stop(cluster))
	}
	wait := time.Duration(float64(settle) * min(1, c.Scale*10)) // less in a short run, whose figures say less
	usage, err := load.Watch(ctx, cluster, c.Dir, wait, c.Window)
	m := load.Measure{Window: c.Window, Usage: usage}
	return m, errors.Join(err, c.stop(cluster))
}
