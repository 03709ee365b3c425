package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// operation is what a client does, from its invention to its end.
type operation struct {
	id      check.OpID
	group   int
	request check.Request
	// body is the entry of a write, nil for a read.
	body []byte
	// writes: it must not be done twice. anywhere: any replica may answer.
	writes, anywhere bool
	// read is what a read does once the node may serve it.
	read func(l *lane) reply
	// answer makes the result of a write.
	answer func(out node.Proposed) check.Result
}

// submit hands an operation to a node: it gives the answer, or what to wait for.
func (o *operation) submit(l *lane) (reply, *node.Pending) {
	g := l.groups[o.group]
	switch {
	case o.body != nil:
		p, err := g.Submit(o.body, node.Checksum(o.body))
		return reply{err: err}, p
	case o.anywhere:
		return o.read(l), nil
	}
	p, err := g.SubmitRead()
	return reply{err: err}, p
}

// finish makes the answer of an operation that the node has carried out, or may carry out now.
func (o *operation) finish(l *lane, out node.Proposed) reply {
	if o.body == nil {
		return o.read(l)
	}
	l.world.laws.acknowledges(l, o, out)
	return reply{result: o.answer(out)}
}

// invent draws an operation.
func (c *client) invent() operation {
	r := c.random
	switch n := r.IntN(100); {
	case n < 25:
		return c.put()
	case n < 42:
		return c.get(check.Linearizable)
	case n < 47:
		return c.get(check.Local)
	case n < 55:
		return c.swap()
	case n < 60:
		return c.remove()
	case n < 66:
		return c.txn()
	case n < 72:
		return c.scan()
	case n < 88:
		return c.append()
	case n < 93:
		return c.logGet()
	}
	return c.tail()
}

func (c *client) key() []byte { return fmt.Appendf(nil, "key-%d", c.random.IntN(c.world.Plan.Keys)) }

// value makes bytes that nobody else writes: a few, or so many that segments fill.
func (c *client) value() []byte {
	c.serial++
	v := fmt.Appendf(nil, "c%d-%d-", c.number, c.serial)
	size := c.random.IntN(100)
	switch n := c.random.IntN(12); {
	case n == 0 || c.world.Plan.Large && n < 6:
		size = c.random.IntN(10_000)
	case n < 3:
		size = c.random.IntN(2_000)
	}
	return append(v, bytes.Repeat([]byte{'.'}, size)...)
}

func (c *client) put() operation {
	key, value := c.key(), c.value()
	return operation{request: check.Put{Key: key, Value: value}, body: kv.AppendPut(nil, key, value), writes: true,
		answer: func(out node.Proposed) check.Result { return check.Revised{Revision: model.Revision(out.Result.Value)} }}
}

func (c *client) remove() operation {
	op, body := model.Op{}, []byte(nil)
	if key := c.key(); c.random.IntN(4) > 0 {
		op, body = model.Delete(key), kv.AppendDelete(nil, key)
	} else {
		to := []byte("key-9")
		op, body = model.DeleteRange(key, to), kv.AppendDeleteRange(nil, key, to)
	}
	return operation{request: check.Delete{Op: op}, body: body, writes: true, answer: func(out node.Proposed) check.Result {
		deleted, _ := out.Result.Data.(kv.Deleted)
		return check.Deleted{DeleteResult: model.DeleteResult{Revision: model.Revision(out.Result.Value), Deleted: uint64(deleted)}}
	}}
}

func (c *client) swap() operation {
	key, value := c.key(), c.value()
	expected := model.Revision(0)
	if c.random.IntN(5) > 0 {
		expected = model.Revision(c.revisions[string(key)])
	}
	txn := model.If(model.ModRevision(key).Equals(expected)).Then(model.Put(key, value)).Else(model.Get(key))
	return operation{request: check.Swap{Key: key, Expected: expected, Value: value}, body: kv.AppendTxn(nil, txn), writes: true,
		answer: func(out node.Proposed) check.Result {
			r := out.Result.Data.(*model.TxnResult)
			s := model.SwapResult{Swapped: r.Succeeded, Revision: r.Revision}
			if !r.Succeeded {
				s.Found, s.Current = r.Results[0].Found, r.Results[0].Item
			}
			return check.Swapped{SwapResult: s}
		}}
}

func (c *client) txn() operation {
	a, b := c.key(), c.key()
	if bytes.Equal(a, b) {
		b = []byte("key-other")
	}
	txn := model.If(model.ModRevision(a).NotEquals(model.Revision(c.revisions[string(b)]))).
		Then(model.Put(a, c.value()), model.Delete(b), model.Get(a)).Else(model.Put(b, c.value()), model.Range(model.RangeOptions{Prefix: []byte("key-")}))
	return operation{request: check.Txn{Txn: txn}, body: kv.AppendTxn(nil, txn), writes: true, answer: func(out node.Proposed) check.Result {
		return check.TxnDone{TxnResult: *out.Result.Data.(*model.TxnResult)}
	}}
}

// store gives a node's machine, and its name and life for the history.
func (l *lane) store() (*kv.Machine, check.Replica) {
	return l.groups[kvAt].Machine().(*recordedMachine).Machine, check.Replica{Node: string(l.id), Run: l.boots}
}

func (c *client) get(level check.Level) operation {
	key := c.key()
	return operation{request: check.Get{Key: key, Read: check.Read{Level: level}}, anywhere: level == check.Local, read: func(l *lane) reply {
		m, from := l.store()
		got, err := m.Get(key, model.Latest)
		if err != nil && !errors.Is(err, model.ErrNotFound) {
			return reply{err: serveError(err)}
		}
		return reply{result: check.Got{GetResult: got, Found: err == nil, From: from}}
	}}
}

func (c *client) scan() operation {
	opts := model.RangeOptions{Prefix: []byte("key-"), Limit: c.random.IntN(6), Reverse: c.random.IntN(2) == 0}
	level := check.Linearizable
	if c.random.IntN(3) == 0 {
		level = check.Local
	}
	return operation{request: check.Range{Opts: opts, Read: check.Read{Level: level}}, anywhere: level == check.Local, read: func(l *lane) reply {
		m, from := l.store()
		got, err := m.Range(context.Background(), opts)
		if err != nil {
			return reply{err: serveError(err)}
		}
		return reply{result: check.Ranged{RangeResult: got, From: from}}
	}}
}

// serveError is a machine's error: one that was closed because an image took its place has a successor, and is asked again.
func serveError(err error) error {
	if errors.Is(err, statemachine.ErrClosed) {
		return node.ErrClosed
	}
	return err
}

func (c *client) append() operation {
	body := c.value()
	return operation{group: logAt, request: check.Append{Body: body}, body: body, writes: true, answer: func(out node.Proposed) check.Result {
		return check.Appended{Index: uint64(out.Index), Position: uint64(out.Position)}
	}}
}

// logGet reads an entry: of the leader, after a round, which can say that there is none.
func (c *client) logGet() operation {
	index := raft.Index(1 + c.random.Uint64N(uint64(c.index)+3))
	return operation{group: logAt, request: check.LogGet{Index: uint64(index)}, read: func(l *lane) reply {
		rec, err := l.groups[logAt].Record(index)
		var compacted *ledger.CompactedError
		switch {
		case errors.Is(err, node.ErrNotCommitted):
			return reply{result: check.NoEntry{}}
		case errors.As(err, &compacted):
			return reply{result: check.LogCompacted{First: uint64(compacted.FirstIndex)}}
		case err != nil:
			return reply{err: err}
		}
		return reply{result: check.Entries{Entries: []check.Entry{entryOf(&rec)}}}
	}}
}

// tail reads what a replica has from an index on.
func (c *client) tail() operation {
	from := raft.Index(1 + c.random.Uint64N(uint64(c.index)+1))
	return operation{group: logAt, request: check.Tail{From: uint64(from), Level: check.Local, Limited: true}, anywhere: true, read: func(l *lane) reply {
		g := l.groups[logAt]
		reader := g.Ledger().Reader(from)
		defer reader.Close()
		records, err := reader.Batch(g.Applied(), 16<<10, nil)
		var compacted *ledger.CompactedError
		switch {
		case errors.As(err, &compacted):
			return reply{result: check.LogCompacted{First: uint64(compacted.FirstIndex)}}
		case err != nil && !errors.Is(err, io.EOF):
			return reply{err: err}
		}
		entries := make([]check.Entry, len(records))
		for i := range records {
			entries[i] = entryOf(&records[i])
		}
		return reply{result: check.Entries{Entries: entries}}
	}}
}

func entryOf(r *ledger.Record) check.Entry {
	return check.Entry{Index: uint64(r.ID.Index), Term: uint64(r.ID.Term), Position: uint64(r.Position), Data: r.Kind == raft.KindData, Body: bytes.Clone(r.Body)}
}

// learn keeps what later operations are made of.
func (c *client) learn(result check.Result) {
	switch r := result.(type) {
	case check.Got:
		c.revisions[string(c.op.request.(check.Get).Key)] = uint64(r.Item.ModRevision)
	case check.Revised:
		c.revisions[string(c.op.request.(check.Put).Key)] = uint64(r.Revision)
	case check.Swapped:
		c.revisions[string(c.op.request.(check.Swap).Key)] = uint64(r.Current.ModRevision)
	case check.Appended:
		c.index = max(c.index, raft.Index(r.Index))
	case check.LogCompacted:
		c.index = max(c.index, raft.Index(r.First))
	}
}

// tell puts what became of an operation into the trace.
func (c *client) tell(result check.Result, outcome string) {
	w := c.world
	w.trace.event(uint64(w.Now()), 3<<32|uint64(c.number)<<8|uint64(len(outcome)))
	if !w.trace.record {
		return
	}
	if result != nil {
		outcome = fmt.Sprintf("%T", result)
	}
	w.show(happening{what: clientDid, lane: c.number, text: fmt.Sprintf("%T at n%d after %v: %s", c.op.request, c.target.number+1, w.Now()-c.began, outcome)})
}
