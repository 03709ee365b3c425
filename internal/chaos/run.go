package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
	"github.com/ledgerkv/ledgerkv/internal/chaos/proxy"
)

// smallDisk is the node with the small disk, where one can be mounted.
const smallDisk, smallDiskBytes = "n3", 256 << 20

// limits make the nodes meet in minutes what others meet in days: logs that are trimmed, images, followers that return by one.
var limits = process.Limits{SegmentSize: 64 << 10, KeepBytes: 64 << 10, ImageEveryBytes: 128 << 10, ImageBytesPerSecond: 1 << 20}

const (
	// A storm, in which faults come, lasts this long, and a calm follows in which all is mended.
	leastStorm, mostStorm = 6 * time.Second, 20 * time.Second
	calm                  = 2 * time.Second
	// recoveryTimeout is how long the cluster may take to serve again once all is mended, convergeTimeout for all replicas to be the same.
	recoveryTimeout = 30 * time.Second
	convergeTimeout = 90 * time.Second
	// turnEvery is how often it is looked whether something is due.
	turnEvery = 20 * time.Millisecond
)

// world is a run under way.
type world struct {
	opts    options
	dir     string
	network *proxy.Network
	cluster *process.Cluster
	rec     *history.Recorder
	tally   *tally
	watch   *watch
	faults  *faults
	story   *os.File
	// beaten is when the run was last seen to go on.
	beaten   time.Duration
	workload *workload
	progress *progress
}

// run is a whole run. It fails when it could not be carried out; what was found wrong is in the report.
func run(ctx context.Context, o options) (report, error) {
	w := &world{opts: o, dir: o.dir, tally: newTally()}
	r, err := w.live(ctx)
	if err = errors.Join(err, w.close()); err != nil {
		return r, fmt.Errorf("%w\nwhat there is of the run is in %s", err, w.dir)
	}
	if len(r.violations) > 0 || o.keep || o.dir != "" {
		r.kept = w.dir
	} else if err := os.RemoveAll(w.dir); err != nil {
		return r, err
	}
	r.print(o.out)
	return r, nil
}

func (w *world) live(ctx context.Context) (report, error) {
	if err := w.prepare(ctx); err != nil {
		return report{}, err
	}
	if err := w.storms(ctx); err != nil {
		return report{}, err
	}
	return w.finish()
}

// prepare builds and starts everything.
func (w *world) prepare(ctx context.Context) (err error) {
	if w.dir == "" {
		if w.dir, err = os.MkdirTemp("", "ledgerkv-chaos-"); err != nil {
			return err
		}
	} else if err = os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if w.opts.program == "" {
		if w.opts.program, err = process.Build(ctx, w.dir); err != nil {
			return err
		}
	}
	if w.rec, err = history.NewRecorder(filepath.Join(w.dir, "history.jsonl")); err != nil {
		return err
	}
	if w.story, err = os.Create(filepath.Join(w.dir, "faults.log")); err != nil {
		return err
	}
	w.network = proxy.New()
	if err = w.makeCluster(); err != nil {
		return err
	}
	if err = w.cluster.StartAll(); err != nil {
		return err
	}
	if err = awaitLeaders(ctx, w.cluster); err != nil {
		return err
	}
	fmt.Fprintf(w.opts.out, "seed %d, engine %s, %d writers, %v, in %s\n", w.opts.seed, w.opts.engine, w.opts.writers, w.opts.length, w.dir)
	w.watch = startWatch(w.cluster, w.tally)
	w.faults = &faults{rng: rand.New(rand.NewPCG(w.opts.seed, 0)), cluster: w.cluster, network: w.network, watch: w.watch, tally: w.tally,
		now: w.rec.Now, story: w.story, down: map[string]bool{}, frozen: map[string]bool{}, cuts: map[[2]string]int{}}
	w.workload, err = startWorkload(w.rec, w.cluster.Endpoints, w.opts.writers, w.tally)
	w.progress = newProgress(w)
	return err
}

// makeCluster makes the nodes, with a small disk if the system allows it.
func (w *world) makeCluster() (err error) {
	s := process.Settings{Program: w.opts.program, Dir: w.dir, Engines: w.opts.engines(), Limits: limits, Front: w.network.Front,
		SmallDisk: smallDisk, SmallDiskBytes: smallDiskBytes}
	if probe, err := process.NewDisk(filepath.Join(w.dir, "probe"), 1<<20); err == nil {
		if err := probe.Close(); err != nil {
			return err
		}
	} else {
		w.tally.note("no disk was made full: %v", err)
		s.SmallDisk = ""
	}
	w.cluster, err = process.New(s)
	return err
}

// close ends everything, in the order in which one depends on the other.
func (w *world) close() error {
	var errs []error
	if w.progress != nil {
		w.progress.stop()
	}
	if w.workload != nil {
		w.workload.stop()
	}
	if w.watch != nil {
		w.watch.stop()
	}
	if w.cluster != nil {
		errs = append(errs, w.cluster.Close())
	}
	if w.network != nil {
		w.network.Close()
	}
	if w.rec != nil {
		errs = append(errs, w.rec.Close())
	}
	if w.story != nil {
		errs = append(errs, w.story.Close())
	}
	return errors.Join(errs...)
}

// storms is the time in which faults come. It ends early when ctx is done, or something was found wrong.
func (w *world) storms(ctx context.Context) error {
	end := w.rec.Now() + w.opts.length
	for n := 1; ctx.Err() == nil && w.rec.Now() < end && !w.tally.failed(); n++ {
		length := leastStorm + time.Duration(w.faults.rng.Int64N(int64(mostStorm-leastStorm)))
		w.progress.say(fmt.Sprintf("storm %d", n))
		w.faults.tell("storm %d for %v, %s", n, length.Round(time.Second), w.faults.newStorm())
		if err := w.storm(ctx, min(end, w.rec.Now()+length)); err != nil {
			return err
		}
		w.progress.say(fmt.Sprintf("calm %d", n))
		if err := w.heal(); err != nil {
			return err
		}
		w.compact()
		if err := w.turns(ctx, w.rec.Now()+calm, func() error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// standstill is a time between two turns in which the machine had no time for this program, and so little for the nodes that what they do in it
// says nothing of them.
const standstill = 500 * time.Millisecond

// beat notes that the run goes on, and that the machine stood still if it did.
func (w *world) beat() {
	now := w.rec.Now()
	if late := now - w.beaten; w.beaten > 0 && late > standstill {
		w.faults.begun = append(w.faults.begun, now)
		w.faults.tell("the machine stood still for %v", late.Round(time.Millisecond))
		w.tally.fault("(the machine stood still)")
	}
	w.beaten = now
}

// storm lets faults come until a time.
func (w *world) storm(ctx context.Context, until time.Duration) error {
	next := w.rec.Now()
	return w.turns(ctx, until, func() error {
		if w.rec.Now() < next || len(w.faults.active) >= w.faults.maxActive {
			return nil
		}
		next = w.rec.Now() + time.Duration(w.faults.rng.ExpFloat64()*float64(w.faults.meanPause))
		return w.faults.draw()
	})
}

// turns mends what is due, and does more, again and again until a time.
func (w *world) turns(ctx context.Context, until time.Duration, more func() error) error {
	ticker := time.NewTicker(turnEvery)
	defer ticker.Stop()
	for ctx.Err() == nil && w.rec.Now() < until && !w.tally.failed() {
		w.beat()
		if err := errors.Join(w.faults.mendDue(false), w.watch.revive(), more()); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// heal mends all faults and demands that the cluster serves writes again.
func (w *world) heal() error {
	if err := w.faults.mendDue(true); err != nil {
		return err
	}
	healed := w.rec.Now()
	ctx, cancel := context.WithTimeout(context.Background(), recoveryTimeout)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- w.workload.progressed(ctx) }()
	ticker := time.NewTicker(turnEvery)
	defer ticker.Stop()
	for {
		select {
		case err := <-served:
			if err != nil {
				w.tally.violate(fmt.Sprintf("%v after all faults were mended (at %v): %v", recoveryTimeout, healed, err))
			}
			return nil
		case <-ticker.C:
			w.beat()
			if err := w.watch.revive(); err != nil {
				return err
			}
		}
	}
}

// keepRevisions is how many revisions are kept when the store is compacted in a calm.
const keepRevisions = 500

func (w *world) compact() {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	last, err := w.cluster.Client.Range(ctx, client.RangeOptions{Limit: 1})
	if err == nil && last.Revision > keepRevisions {
		err = w.cluster.Client.Compact(ctx, last.Revision-keepRevisions)
	}
	if err != nil && !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, client.ErrUncertain) {
		w.tally.violate(fmt.Sprintf("compacting the store: %v", err))
	}
}

// finish mends everything, lets all replicas become the same, and checks what was seen.
func (w *world) finish() (report, error) {
	if err := w.heal(); err != nil {
		return report{}, err
	}
	w.progress.say("converging")
	w.workload.stop()
	ctx, cancel := context.WithTimeout(context.Background(), convergeTimeout)
	defer cancel()
	compared, err := w.converge(ctx)
	if err != nil {
		w.tally.violate(err.Error())
	}
	w.progress.say("checking")
	ops := w.rec.Ops()
	result := history.Check(ops, history.Options{})
	return w.report(ops, result, compared), nil
}

// converge waits until all replicas are the same, reads everything, and compares the states and, once the nodes are stopped, the ledgers.
func (w *world) converge(ctx context.Context) (compared map[string]int, err error) {
	for {
		look, cancel := context.WithTimeout(ctx, 2*time.Second)
		err = w.cluster.Converged(look)
		cancel()
		if err == nil || ctx.Err() != nil {
			break
		}
		if err := w.watch.revive(); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	nodes, err := w.cluster.Client.Status(ctx)
	if err != nil {
		return nil, err
	}
	var last client.Index
	for _, n := range nodes {
		for _, g := range n.Groups {
			if g.Name == process.LogGroup {
				last = g.Last
			}
		}
	}
	if err := w.workload.readAll(ctx, w.cluster.Client, w.opts.writers+2, last); err != nil {
		return nil, err
	}
	if err := w.cluster.SameState(ctx); err != nil {
		return nil, err
	}
	w.watch.stop()
	if err := w.cluster.StopAll(); err != nil {
		return nil, err
	}
	return w.cluster.SameLedgers()
}
