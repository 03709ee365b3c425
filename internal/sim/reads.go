package sim

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// level draws how new the answer to a read of the store has to be.
func (c *client) level() model.ReadLevel {
	r, m := c.random, &c.seen
	switch n := r.IntN(20); {
	case n < 6:
		return model.Linearizable
	case n < 11:
		return model.Lease
	case n < 14:
		return model.Local
	case n < 15:
		return model.AtLeastIndex(model.Index(m.applied + r.Uint64N(2)))
	case n < 17:
		return model.AtLeastRevision(model.Revision(m.revision))
	}
	return model.MaxStaleness(between(r, time.Millisecond, time.Second))
}

// read gives what a level and the client's own settings make of a read: for the history, and for the way to a node.
func (c *client) read(level model.ReadLevel) (check.Read, retry.Request) {
	rules := retry.Request{Nearby: c.nearby, Anywhere: c.nearby || level.OfReplica()}
	switch level.Kind {
	case model.LevelLocal:
		return check.Read{Level: check.Local}, rules
	case model.LevelAtLeastIndex:
		return check.Read{Level: check.AtLeast, Index: model.Index(level.Bound)}, rules
	case model.LevelAtLeastRevision:
		return check.Read{Level: check.AtLeast, Revision: model.Revision(level.Bound)}, rules
	case model.LevelMaxStaleness:
		slowest := 0
		for _, skew := range c.world.Plan.Skew {
			slowest = min(slowest, skew)
		}
		return check.Read{Level: check.MaxStaleness, Staleness: int64(trueTime(level.Staleness(), slowest))}, rules
	}
	return check.Read{}, rules
}

// trueTime is at most how long something takes that lasts for d by a clock with a skew.
func trueTime(d time.Duration, skew int) time.Duration {
	return d*1_000_000/time.Duration(1_000_000+skew) + 1
}

// store gives a node's machine, and its name and life for the history.
func (l *lane) store() (*kv.Machine, check.Replica) {
	return l.groups[kvAt].Machine().(*recordedMachine).Machine, check.Replica{Node: string(l.id), Run: l.boots}
}

func (c *client) get() operation {
	key, level, at := c.key(), c.level(), model.Latest
	if c.random.IntN(12) == 0 {
		at = model.Revision(1 + c.random.Uint64N(c.seen.revision+2))
	}
	return c.lookup(key, level, at)
}

// lookup reads a key, as it was at a revision.
func (c *client) lookup(key []byte, level model.ReadLevel, at model.Revision) operation {
	read, rules := c.read(level)
	return operation{request: check.Get{Key: key, At: at, Read: read}, rules: rules, level: level, read: func(l *lane) reply {
		m, from := l.store()
		got, err := m.Get(key, at)
		if err != nil && !errors.Is(err, model.ErrNotFound) {
			return refusal(err, from)
		}
		return reply{result: check.Got{GetResult: got, Found: err == nil, From: from}}
	}}
}

func (c *client) scan() operation {
	r := c.random
	opts := model.RangeOptions{Prefix: []byte("key-"), Limit: r.IntN(6), Reverse: r.IntN(2) == 0, KeysOnly: r.IntN(6) == 0}
	opts.CountOnly = !opts.KeysOnly && r.IntN(4) == 0
	level := c.level()
	read, rules := c.read(level)
	return operation{request: check.Range{Opts: opts, Read: read}, rules: rules, level: level, read: func(l *lane) reply {
		m, from := l.store()
		got, err := m.Range(context.Background(), opts)
		if err != nil {
			return refusal(err, from)
		}
		return reply{result: check.Ranged{RangeResult: got, From: from}}
	}}
}

// readTxn is a transaction that only reads, so that it is none of the log.
func (c *client) readTxn() operation {
	a, b := c.key(), c.key()
	txn := model.If(model.Version(a).Greater(1)).Then(model.Get(a), model.Range(model.RangeOptions{Prefix: []byte("key-")})).Else(model.Get(b))
	level := model.Linearizable
	if c.random.IntN(2) == 0 {
		level = model.Lease
	}
	_, rules := c.read(level)
	return operation{request: check.Txn{Txn: txn}, rules: rules, level: level, read: func(l *lane) reply {
		m, from := l.store()
		got, err := m.ReadTxn(context.Background(), txn)
		if err != nil {
			return refusal(err, from)
		}
		return reply{result: check.TxnDone{TxnResult: got}}
	}}
}

// refusal is the reply that a machine's error makes. One that was closed because an image took its place has a successor, and is asked again.
func refusal(err error, from check.Replica) reply {
	var revision *model.RevisionError
	if errors.As(err, &revision) {
		return reply{result: check.RevisionRefused{RevisionError: *revision, From: from}}
	}
	return reply{err: serveError(err)}
}

// wait is what an operation waits for on a node.
type wait struct {
	// err: there is nothing to wait for.
	err error
	// pending is a proposal or a read round.
	pending *node.Pending
	// index has to be applied; again: and then it has to be seen what else.
	index raft.Index
	again bool
	// arrived is when the request did.
	arrived time.Duration
}

// submit hands an operation to a node.
func (o *operation) submit(l *lane) (w wait) {
	g := l.groups[o.group]
	w.arrived = l.world.Now()
	switch {
	case o.body != nil:
		w.pending, w.err = g.Submit(o.body, node.Checksum(o.body))
	case o.group == kvAt:
		o.reach(l, &w)
	case o.entry > g.Committed():
		if w.err = l.leading(g); w.err == nil {
			w.pending, w.err = g.SubmitRead()
		}
	}
	return w
}

// leading says why what only a leader does is not done here.
func (l *lane) leading(g *node.Group) error {
	if r := g.Role(); r.Leader != l.id {
		return &raft.NotLeaderError{Leader: r.Leader}
	}
	return nil
}

// reach finds out what a read of the store waits for, as the client port of a node does.
func (o *operation) reach(l *lane, w *wait) {
	g, reach := l.groups[kvAt], &l.world.reach
	if w.err = g.Serving(); w.err != nil {
		return
	}
	if !o.level.OfReplica() && !o.rules.Nearby {
		if w.err = l.leading(g); w.err != nil {
			return
		}
	}
	d := kv.DemandOf(g, o.level)
	switch {
	case d.Round:
		if w.pending, w.err = g.SubmitRead(); w.err == nil && g.Role().Role != raft.Leader {
			reach.add(followerAsked)
		}
		return
	case o.level.Kind == model.LevelLease:
		reach.add(readByLease)
		l.world.laws.reads(l, kvAt, w.arrived, d.Index)
	case o.level.Kind == model.LevelMaxStaleness:
		reach.add(readByEarlierRound)
		l.world.laws.reads(l, kvAt, w.arrived-trueTime(o.level.Staleness(), l.clock.skew), d.Index)
	}
	w.index, w.again = d.Index, d.Again
	if d.Index > g.Applied() {
		reach.add(readWaited)
		if !l.node.Admitted() {
			w.err = node.ErrNotAdmitted
		}
	}
}

// finish makes the answer of an operation that the node has carried out, or may carry out now. It reports whether there is one.
func (o *operation) finish(l *lane, w *wait) (reply, bool) {
	g := l.groups[o.group]
	switch {
	case w.err != nil:
		return reply{err: w.err}, true
	case w.pending != nil:
		out, known, err := w.pending.Poll()
		if !known || err != nil {
			return reply{err: err}, known
		}
		if o.body != nil {
			l.world.laws.acknowledges(l, o, out)
			return reply{result: o.answer(out)}, true
		}
		l.world.laws.reads(l, o.group, w.arrived, out.Index)
		return o.show(l), true
	case g.Role().Err != nil:
		return reply{err: g.Role().Err}, true
	}
	if g.Applied() >= w.index && w.again {
		d := kv.DemandOf(g, o.level)
		w.index, w.again = d.Index, d.Again
	}
	if g.Applied() < w.index {
		return reply{}, false
	}
	return o.show(l), true
}

// show reads what there is, if there is anything to be read.
func (o *operation) show(l *lane) reply {
	if err := l.groups[o.group].Serving(); err != nil {
		return reply{err: err}
	}
	return o.read(l)
}

// shows checks that an entry that a client reads had been committed (law 8). No other has to take its place for that.
func (k *laws) shows(l *lane, at int, id raft.EntryID) {
	if last := raft.Index(len(k.committed[at])); id.Index > last && !l.lost {
		k.world.violate(fmt.Errorf("law 8: %s shows a client entry %s of group %d, and %d entries have been committed", l.id, id, at+1, last))
	}
}

// reads checks that a read is served at or above everything that some replica had taken for committed at a time (law 8). No client has to notice.
func (k *laws) reads(l *lane, at int, by time.Duration, index raft.Index) {
	known := k.committed[at]
	n := sort.Search(len(known), func(i int) bool { return known[i].at > by })
	if index < raft.Index(n) {
		k.world.violate(fmt.Errorf("law 8: %s serves a read at entry %d of group %d, and %d had been committed by %v", l.id, index, at+1, n, by))
	}
}

// leases checks that a replica that would serve reads by its lease now knows everything that was committed (law 8).
func (k *laws) leases(l *lane, at int) {
	if k.world.Plan.Lease == 0 || !l.up() || l.groups[at] == nil {
		return
	}
	if index, ok := l.groups[at].LeaseRead(); ok {
		k.world.reach.add(leaseHeld)
		if n := len(k.committed[at]); index < raft.Index(n) {
			k.world.violate(fmt.Errorf("law 8: %s has a lease in group %d at entry %d, and %d is committed", l.id, at+1, index, n))
		}
	}
}
