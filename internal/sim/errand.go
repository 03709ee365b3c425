package sim

import (
	"errors"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// errand is what the world itself asks a node for: a write, or a read (inquire).
type errand struct {
	world  *World
	group  int
	op     operation
	lane   *lane
	life   int
	wait   wait
	again  time.Duration // the next attempt
	served bool
}

const (
	// servedWithin is how soon a healed group that has a leader has to have carried out a write.
	servedWithin = 10 * electionTimeout
	// errandEvery is the pause between two attempts.
	errandEvery = 50 * time.Millisecond
)

// errands makes one for each group: one that has been healed has to carry it out, as a leader that refuses all writes is none.
func (w *World) errands() []*errand {
	var all []*errand
	for at := range groupCount {
		all = append(all, &errand{world: w, group: at})
	}
	return all
}

// served goes on with the errands, and says whether all of them were met.
func (w *World) served(errands []*errand, lanes []*lane) bool {
	all := true
	for _, d := range errands {
		if d.asked() {
			d.poll()
		}
		if leader := w.leader(lanes, d.group); !d.asked() && !d.served && leader != nil && w.Now() >= d.again {
			d.ask(leader)
		}
		all = all && d.served
	}
	return all
}

// burst asks a node for many writes at once, as if so many clients did. Of the store's few do: what became of each has to be found out by what is read.
func (w *World) burst(l *lane, at, many int) {
	if at == kvAt {
		many = min(many, 5)
	}
	for range many {
		if d := (&errand{world: w, group: at}); d.ask(l) {
			l.errands = append(l.errands, d)
		}
	}
}

// ask asks a node. It reports whether there is something to wait for.
func (d *errand) ask(l *lane) bool {
	author := d.world.clients[0]
	if d.op = author.put(); d.group == logAt {
		d.op = author.append()
	}
	return d.submit(l)
}

// inquire asks a leader what is the latest, by a round.
func (w *World) inquire(l *lane, at int) {
	asker := w.clients[0]
	d := &errand{world: w, group: at, op: asker.lookup(asker.key(), model.Linearizable, model.Latest)}
	if d.op.rules = (retry.Request{}); at == logAt {
		d.op = asker.entry(l.groups[at].Committed() + 1)
	}
	if d.submit(l) {
		l.errands = append(l.errands, d)
	}
}

// submit hands the operation to a node. It reports whether there is something to wait for.
func (d *errand) submit(l *lane) bool {
	w := d.world
	w.callers++
	d.op.id = w.history.Invoke(len(w.clients)+w.callers, int64(w.Now()), d.op.request)
	d.lane, d.life, d.wait = l, l.life, d.op.submit(l)
	if d.wait.err != nil {
		d.fail(d.wait.err)
	}
	return d.asked()
}

// asked says that a node has been asked and its answer is waited for.
func (d *errand) asked() bool { return d.wait.pending != nil }

// poll looks what became of an errand. It reports whether that is known.
func (d *errand) poll() bool {
	r, known := d.op.finish(d.lane, &d.wait)
	switch {
	case known && r.err == nil:
		d.served, d.wait = true, wait{}
		d.world.history.Return(d.op.id, int64(d.world.Now()), r.result)
	case known:
		d.fail(r.err)
	case d.lane.life != d.life:
		d.fail(errBroken)
	}
	return !d.asked()
}

// fail ends an errand that was not carried out, or of which nobody knows.
func (d *errand) fail(err error) {
	w := d.world
	d.wait, d.again = wait{}, w.Now()+errandEvery
	var elsewhere *raft.NotLeaderError
	if d.op.body == nil || errors.As(err, &elsewhere) || errors.Is(err, node.ErrBusy) || errors.Is(err, node.ErrDiskFull) {
		w.history.Fail(d.op.id, int64(w.Now()))
	} else {
		w.history.Lose(d.op.id, int64(w.Now()))
	}
}
