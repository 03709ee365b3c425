package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
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
	rules   retry.Request
	// body is the entry of a write, nil for a read, and answer makes the result of one.
	body   []byte
	answer func(out node.Proposed) check.Result
	// level is how new a read of the store has to be, and entry what one of the log wants the leader's word for if it is not there.
	level model.ReadLevel
	entry raft.Index
	// read is what a read does once the node may serve it.
	read func(l *lane) reply
}

// invent draws an operation.
func (c *client) invent() operation {
	op := c.draw(c.random.IntN(100))
	op.rules.Group = groupName(op.group)
	if op.body == nil {
		op.rules.Repeatable = true
	} else {
		op.rules.Writes = true
	}
	return op
}

func (c *client) draw(n int) operation {
	switch {
	case n < 23:
		return c.put()
	case n < 45:
		return c.get()
	case n < 52:
		return c.swap()
	case n < 57:
		return c.remove()
	case n < 62:
		return c.txn()
	case n < 70:
		return c.scan()
	case n < 73:
		return c.readTxn()
	case n < 74:
		return c.compact()
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
	return operation{request: check.Put{Key: key, Value: value}, body: kv.AppendPut(nil, key, value),
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
	return operation{request: check.Delete{Op: op}, body: body, answer: func(out node.Proposed) check.Result {
		deleted, _ := out.Result.Data.(kv.Deleted)
		return check.Deleted{DeleteResult: model.DeleteResult{Revision: model.Revision(out.Result.Value), Deleted: uint64(deleted)}}
	}}
}

func (c *client) swap() operation {
	key, value := c.key(), c.value()
	expected := model.Revision(0)
	if c.random.IntN(5) > 0 {
		expected = model.Revision(c.seen.revisions[string(key)])
	}
	txn := model.If(model.ModRevision(key).Equals(expected)).Then(model.Put(key, value)).Else(model.Get(key))
	return operation{request: check.Swap{Key: key, Expected: expected, Value: value}, body: kv.AppendTxn(nil, txn),
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
	txn := model.If(model.ModRevision(a).NotEquals(model.Revision(c.seen.revisions[string(b)])), model.Version(b).Less(uint64(1+c.random.IntN(4)))).
		Then(model.Put(a, c.value()), model.Delete(b), model.Get(a)).Else(model.Put(b, c.value()), model.Range(model.RangeOptions{Prefix: []byte("key-")}))
	return operation{request: check.Txn{Txn: txn}, body: kv.AppendTxn(nil, txn), answer: func(out node.Proposed) check.Result {
		return check.TxnDone{TxnResult: *out.Result.Data.(*model.TxnResult)}
	}}
}

// serveError is a machine's error: one that was closed because an image took its place has a successor, and is asked again.
func serveError(err error) error {
	if errors.Is(err, statemachine.ErrClosed) {
		return node.ErrClosed
	}
	return err
}

// compact makes old revisions unreadable. It may be done twice.
func (c *client) compact() operation {
	revision := model.Revision(1 + c.random.Uint64N(c.seen.revision+1))
	return operation{request: check.Compact{Revision: revision}, rules: retry.Request{Repeatable: true}, body: kv.AppendCompact(nil, revision),
		answer: func(out node.Proposed) check.Result {
			if refused, ok := out.Result.Data.(*model.RevisionError); ok {
				return check.RevisionRefused{RevisionError: *refused}
			}
			return check.Done{}
		}}
}

func (c *client) append() operation {
	body := c.value()
	return operation{group: logAt, request: check.Append{Body: body}, body: body, answer: func(out node.Proposed) check.Result {
		return check.Appended{Index: uint64(out.Index), Position: uint64(out.Position)}
	}}
}

// logGet reads an entry: of any replica that has it. That there is none takes the leader's word, after a round.
func (c *client) logGet() operation {
	return c.entry(raft.Index(1 + c.random.Uint64N(uint64(c.seen.index)+3)))
}

// entry reads an entry of the log. Whether there is one the leader decides.
func (c *client) entry(index raft.Index) operation {
	return operation{group: logAt, request: check.LogGet{Index: uint64(index)}, entry: index, read: func(l *lane) reply {
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
		l.world.laws.shows(l, logAt, rec.ID)
		return reply{result: check.Entries{Entries: []check.Entry{entryOf(&rec)}}}
	}}
}

// tail reads what a replica has from an index on.
func (c *client) tail() operation {
	from := raft.Index(1 + c.random.Uint64N(uint64(c.seen.index)+1))
	rules := retry.Request{Anywhere: true, Nearby: c.nearby}
	return operation{group: logAt, request: check.Tail{From: uint64(from), Level: check.Local, Limited: true}, rules: rules, read: func(l *lane) reply {
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
	m := &c.seen
	newest := func(revision model.Revision, applied model.Index) {
		m.revision, m.applied = max(m.revision, uint64(revision)), max(m.applied, uint64(applied))
	}
	switch r := result.(type) {
	case check.Got:
		m.revisions[string(c.op.request.(check.Get).Key)] = uint64(r.Item.ModRevision)
		newest(r.Revision, r.Applied)
	case check.Ranged:
		newest(r.Revision, r.Applied)
	case check.Revised:
		m.revisions[string(c.op.request.(check.Put).Key)] = uint64(r.Revision)
		newest(r.Revision, 0)
	case check.Swapped:
		m.revisions[string(c.op.request.(check.Swap).Key)] = uint64(r.Current.ModRevision)
		newest(r.Revision, 0)
	case check.Appended:
		m.index = max(m.index, raft.Index(r.Index))
	case check.LogCompacted:
		m.index = max(m.index, raft.Index(r.First))
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
