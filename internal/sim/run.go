package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

// Outcome is what became of a run.
type Outcome struct {
	// Violation is the first law that was broken; nil when none was.
	Violation error
	// Hash is the trace's: the same for two runs of one plan.
	Hash uint64
	// Events is how many things happened, Virtual how long the run took in virtual time.
	Events  uint64
	Virtual time.Duration
	// Operations is how many operations the clients began.
	Operations int
	Reached    Reached
	// Undecided: the clients' history is good key by key, and the checker could not decide within its bound on work whether all keys fit at once.
	Undecided bool
	// Trace is what happened, if it was asked for.
	Trace *Trace
}

// RunOptions say what is kept of a run.
type RunOptions struct {
	// Trace: what happens is kept.
	Trace bool
	// Logger receives what the nodes log. Default: nothing.
	Logger *slog.Logger
}

// Run carries a plan out. A panic of the code under test is a violation, too.
func Run(p Plan, o RunOptions) (out Outcome) {
	w := NewWorld(p, o.Trace, o.Logger)
	defer func() {
		if r := recover(); r != nil {
			out = w.outcome(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	return w.outcome(w.play())
}

func (w *World) outcome(err error) Outcome {
	if err != nil {
		w.note(happening{what: lawBroken, text: err.Error()})
	}
	out := Outcome{Violation: err, Hash: w.trace.hash, Events: w.events, Virtual: w.Now(), Operations: w.history.Len(), Undecided: w.unsettled, Reached: w.reach}
	if w.trace.record {
		out.Trace = &Trace{Plan: w.Plan, all: w.trace.all}
	}
	return out
}

const (
	// leaderWithin is how soon a healed quorum has to have leaders: ten election timeouts.
	leaderWithin = 10 * electionTimeout
	// convergeWithin is how soon healed nodes have to hold the same, all images sent.
	convergeWithin = 60 * time.Second
)

// play is a run: faults, then a quorum alone, then all.
func (w *World) play() error {
	w.calm = !w.Plan.Rough
	w.begin()
	if err := w.found(); err != nil {
		return err
	}
	end := w.Now() + w.Plan.Length
	if err := w.run("the end of the faults", w.Plan.Length+time.Second, func() bool { return w.Now() >= end }); err != nil {
		return err
	}
	quorum := w.healQuorum()
	for _, phase := range []struct {
		name  string
		lanes []*lane
		all   bool
	}{{"a quorum alone", quorum, false}, {"all nodes", w.healthy(), true}} {
		w.note(happening{what: phaseBegan, text: phase.name + " healed"})
		w.raise(phase.lanes)
		if phase.all {
			w.raise(w.wiped()) // to see that they stay out
		}
		if err := w.settle(phase.name, phase.lanes); err != nil {
			return err
		}
		w.reach.add(quorumHealed)
	}
	if err := w.rest(); err != nil {
		return err
	}
	return w.compareAll()
}

// settle waits until nodes that were healed lead, agree and serve.
func (w *World) settle(name string, lanes []*lane) error {
	// What was lost before has to be noticed without anything new; and what is new has to get through.
	errands := w.errands()
	for _, step := range []struct {
		name   string
		within time.Duration
		done   func() bool
	}{
		{"leaders of ", leaderWithin + startWithin, func() bool { return w.led(lanes) }},
		{"convergence of ", convergeWithin, func() bool { return w.converged(lanes) }},
		{"a write in each group of ", servedWithin, func() bool { return w.served(errands, lanes) }},
		{"convergence after a write of ", convergeWithin, func() bool { return w.converged(lanes) }},
	} {
		if err := w.run(step.name+name, step.within, step.done); err != nil {
			return err
		}
	}
	return nil
}

// startWithin is how long it may take until a node that failed to start is tried again.
const startWithin = time.Second

// healQuorum ends all faults and the weather, takes down whoever is not in a random quorum of those that have lost nothing, and lets the
// clients finish.
func (w *World) healQuorum() []*lane {
	for i := range w.Plan.Faults {
		if c := &w.chosen[i]; c.lane != nil || len(c.ways) > 0 || c.client != nil || c.plot != nil {
			w.mend(i)
		}
	}
	w.calm = true
	w.network.HealAll()
	w.network.SetFaults(transport.ManualFaults{})
	for _, c := range w.clients {
		c.stopped = true
	}
	for _, l := range w.lanes {
		l.paused, l.stalled = 0, 0
		l.full = false
		l.disk.SetCapacity(0)
		l.disk.Mend()
		for _, x := range l.loops {
			x.held = 0
		}
	}
	well := w.healthy()
	w.random.Shuffle(len(well), func(i, j int) { well[i], well[j] = well[j], well[i] })
	var quorum []*lane
	for _, l := range well {
		if !w.founded() || w.undecided() || w.promoting(l) || !w.spared(func(x *lane) bool { return slices.Contains(quorum, x) }) { // the foundation takes all of them, and so may a change that is under way
			quorum = append(quorum, l)
		}
	}
	for _, l := range w.lanes {
		if !slices.Contains(quorum, l) && l.up() {
			l.die(w.random.IntN(2) == 0)
		}
		l.starts++ // nobody starts but whom raise starts
	}
	return quorum
}

// healthy are the lanes that have lost nothing.
func (w *World) healthy() []*lane {
	var well []*lane
	for _, l := range w.lanes {
		if l.well() {
			well = append(well, l)
		}
	}
	return well
}

// wiped are the lanes that came back with an empty disk.
func (w *World) wiped() []*lane {
	return slices.DeleteFunc(slices.Clone(w.lanes), func(l *lane) bool { return !l.foreign })
}

// raise starts the lanes that are down, and starts again those that have a replica that stopped.
func (w *World) raise(lanes []*lane) {
	for _, l := range lanes {
		if l.up() && l.stopped() {
			l.die(true)
		}
		if !l.up() {
			l.restartIn(time.Millisecond)
		}
	}
}

// led says whether both groups have a leader among the lanes that can serve.
func (w *World) led(lanes []*lane) bool {
	for at := range groupCount {
		if w.leader(lanes, at) == nil {
			return false
		}
	}
	return true
}

func (w *World) leader(lanes []*lane, at int) *lane {
	var leader *lane
	term := raft.Term(0)
	for _, l := range lanes {
		if l.up() {
			if r := l.groups[at].Role(); r.Ready && r.Term > term {
				leader, term = l, r.Term
			}
		}
	}
	return leader
}

// converged says whether all lanes that are members have applied the same in both groups, with nothing under way: no joint configuration, and no
// learner that waits for its vote.
func (w *World) converged(lanes []*lane) bool {
	for _, c := range w.clients {
		if c.stage != resting {
			return false
		}
	}
	for at := range groupCount {
		leader := w.leader(lanes, at)
		if leader == nil {
			return false
		}
		want, c := leader.groups[at].Ledger().Last().Index, leader.groups[at].Members()
		if c.Configuration.Joint || leader.groups[at].Committed() < c.ID.Index {
			return false
		}
		for _, l := range lanes {
			m, is := c.Configuration.Member(l.id)
			if is && m.Promote {
				return false
			}
			if !is {
				continue
			}
			if !l.up() || l.groups[at].Applied() != want || l.groups[at].Ledger().Last().Index != want || l.groups[at].Committed() != want {
				return false
			}
		}
	}
	return true
}

// compareAll holds the replicas that have converged against each other, and what the clients saw against what can be.
func (w *World) compareAll() error {
	for _, l := range w.lanes {
		l.disk.Mend()
	}
	for _, l := range w.lanes {
		if l.foreign && l.up() {
			w.reach.add(wipedStayedOut)
		}
	}
	if err := w.compareStates(w.members(kvAt)); err != nil {
		return err
	}
	for at := range groupCount {
		if err := w.compareLogs(w.members(at), at); err != nil {
			return err
		}
	}
	for i, l := range w.members(kvAt) {
		if err := w.dumpStore(l, -1-i); err != nil {
			return err
		}
	}
	for i, l := range w.members(logAt) {
		if err := w.dumpLog(l, -1-len(w.lanes)-i); err != nil {
			return err
		}
	}
	report, err := w.history.Check()
	w.unsettled = report.Undecided
	return err
}

// members are the lanes that have lost nothing and are members of a group.
func (w *World) members(at int) []*lane {
	c := w.laws.members[at].last().Configuration
	return slices.DeleteFunc(w.healthy(), func(l *lane) bool {
		_, is := c.Member(l.id)
		return !is
	})
}

// dumpStore writes what a replica of the store holds into the history, as the last read.
func (w *World) dumpStore(l *lane, reader int) error {
	m, from := l.store()
	all, err := m.Range(context.Background(), model.RangeOptions{})
	if err != nil {
		return fmt.Errorf("%s: reading the store: %w", l.id, err)
	}
	w.history.DumpStore(reader, int64(w.Now()), from, all.Revision, all.Items)
	return nil
}

// dumpLog does so with a replica of the log.
func (w *World) dumpLog(l *lane, reader int) error {
	records, err := l.records(logAt)
	if err != nil {
		return err
	}
	entries := make([]check.Entry, len(records))
	for i := range records {
		entries[i] = entryOf(&records[i])
	}
	w.history.DumpLog(reader, int64(w.Now()), uint64(l.groups[logAt].Ledger().Base().ID.Index)+1, entries)
	return nil
}

// compareStates demands the same state of all machines, which have applied the same.
func (w *World) compareStates(lanes []*lane) error {
	var first [32]byte
	for i, l := range lanes {
		img, err := l.groups[kvAt].Machine().Image()
		if err != nil {
			return fmt.Errorf("%s: %w", l.id, err)
		}
		hash, err := image.Hash(img)
		if err := errors.Join(err, img.Close()); err != nil {
			return fmt.Errorf("%s: hashing the state: %w", l.id, err)
		}
		if i == 0 {
			first = hash
		}
		if hash != first {
			return fmt.Errorf("law 10: the state of %s is %x, that of %s is %x", l.id, hash, lanes[0].id, first)
		}
	}
	return nil
}

// compareLogs demands the same bytes at the same positions of all logs, over the range that two of them hold.
func (w *World) compareLogs(lanes []*lane, at int) error {
	longest := lanes[0]
	for _, l := range lanes {
		if l.groups[at].Ledger().Base().ID.Index < longest.groups[at].Ledger().Base().ID.Index {
			longest = l
		}
	}
	want, err := longest.records(at)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		got, err := l.records(at)
		if err != nil {
			return err
		}
		if len(got) > len(want) {
			return fmt.Errorf("law 9: %s has %d entries of group %d, %s, whose log begins no later, %d", l.id, len(got), at+1, longest.id, len(want))
		}
		for i := range got {
			a, b := &want[len(want)-len(got)+i], &got[i]
			if !bytes.Equal(a.Raw, b.Raw) || a.Position != b.Position {
				return fmt.Errorf("law 9: entry %s of group %d at %s, %d bytes at %d, is %s at %s, %d bytes at %d", a.ID, at+1, longest.id, len(a.Raw), a.Position,
					b.ID, l.id, len(b.Raw), b.Position)
			}
		}
	}
	return nil
}

// records reads all that a replica's log holds.
func (l *lane) records(at int) ([]ledger.Record, error) {
	log := l.groups[at].Ledger()
	reading := log.Reader(log.Base().ID.Index + 1)
	defer reading.Close()
	var all []ledger.Record
	for last := log.Last().Index; ; {
		n := len(all)
		var err error
		if all, err = reading.Batch(last, 1<<20, all); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: reading the log of group %d behind %d: %w", l.id, at+1, n, err)
		}
		if len(all) == n {
			return all, nil
		}
		for i := n; i < len(all); i++ { // the reader's memory is its own
			r := &all[i]
			r.Raw = bytes.Clone(r.Raw)
			r.Body = r.Raw[raft.RecordHeaderSize : raft.RecordHeaderSize+len(r.Body)]
		}
	}
}

// trimmed tells the history that the log's head may go from now on.
func (w *World) trimmed(keep raft.Index) {
	id := w.history.Invoke(-100, int64(w.Now()), check.Trim{First: uint64(keep)})
	w.history.Return(id, int64(w.Now()), check.Done{})
}
