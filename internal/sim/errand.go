package sim

import (
	"time"

	"github.com/ledgerkv/ledgerkv/node"
)

// errand is a write that a group that has been healed has to carry out: a leader that refuses all of them is none.
type errand struct {
	group   int
	op      operation
	lane    *lane
	life    int
	pending *node.Pending
	again   time.Duration // the next attempt
	served  bool
}

const (
	// servedWithin is how soon a healed group that has a leader has to have carried out a write.
	servedWithin = 10 * electionTimeout
	// errandEvery is the pause between two attempts.
	errandEvery = 50 * time.Millisecond
)

// errands makes one for each group.
func (w *World) errands() []*errand {
	var all []*errand
	for at := range groupCount {
		all = append(all, &errand{group: at})
	}
	return all
}

// served goes on with the errands, and says whether all of them were met.
func (w *World) served(errands []*errand, lanes []*lane) bool {
	all := true
	for _, d := range errands {
		if !d.served {
			d.run(w, lanes)
		}
		all = all && d.served
	}
	return all
}

// run goes on with an errand: it asks the leader, or looks what became of that.
func (d *errand) run(w *World, lanes []*lane) {
	if d.pending == nil {
		if leader := w.leader(lanes, d.group); leader != nil && w.Now() >= d.again {
			d.ask(w, leader)
		}
		return
	}
	out, known, err := d.pending.Poll()
	switch {
	case known && err == nil:
		d.served, d.pending = true, nil
		w.history.Return(d.op.id, int64(w.Now()), d.op.finish(d.lane, out).result)
	case known || d.lane.life != d.life:
		d.pending, d.again = nil, w.Now()+errandEvery
		w.history.Lose(d.op.id, int64(w.Now()))
	}
}

// ask asks a leader.
func (d *errand) ask(w *World, leader *lane) {
	author := w.clients[0]
	if d.op = author.put(); d.group == logAt {
		d.op = author.append()
	}
	d.op.id = w.history.Invoke(len(w.clients)+d.group, int64(w.Now()), d.op.request)
	reply, pending := d.op.submit(leader)
	d.lane, d.life, d.pending = leader, leader.life, pending
	if reply.err != nil {
		d.pending, d.again = nil, w.Now()+errandEvery
		w.history.Fail(d.op.id, int64(w.Now()))
	}
}
