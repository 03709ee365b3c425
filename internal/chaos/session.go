package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/history"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
)

// session is a client that does one operation after the other.
type session struct {
	*workload
	client *client.Client
	// local is for local reads: it keeps to a node that need not lead.
	local *client.Client
	id, n int
	// seen are the keys of this generation as they were read last.
	generation int
	seen       map[string]history.Item
}

// mix is what a session does, and how often.
var mix = []struct {
	weight int
	do     func(*session, context.Context, *history.Op)
}{
	{24, (*session).put}, {16, (*session).get}, {8, (*session).getLocal}, {12, (*session).swap}, {12, (*session).txn}, {6, (*session).delete},
	{2, (*session).deletePrefix}, {6, (*session).list}, {24, (*session).append}, {4, (*session).logGet},
}

func (s *session) run() {
	total := 0
	for _, m := range mix {
		total += m.weight
	}
	for s.ctx.Err() == nil {
		if g := int(s.rec.Now() / generation); g != s.generation {
			s.generation = g
			clear(s.seen)
		}
		draw := rand.IntN(total)
		i := 0
		for ; draw >= mix[i].weight; i++ {
			draw -= mix[i].weight
		}
		s.operate(mix[i].do)
		timer := time.NewTimer(rand.N(maxPause))
		select {
		case <-timer.C:
		case <-s.ctx.Done():
		}
		timer.Stop()
	}
}

// operate does one operation and records it. It is not cut short by the end of the run.
func (s *session) operate(do func(*session, context.Context, *history.Op)) {
	s.n++
	op := history.Op{Client: s.id, Key: s.key()}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	op.Call = s.rec.Now()
	do(s, ctx, &op)
	op.Return = s.rec.Now()
	s.rec.Add(op)
	s.tally.count(&op)
}

func (s *session) prefix() string { return prefixOf(s.generation) }

func (s *session) key() string { return keyOf(s.generation) }

func prefixOf(generation int) string { return fmt.Sprintf("g%05d/", generation) }

// keyOf draws a key of a generation.
func keyOf(generation int) string {
	return fmt.Sprintf("%sk%d", prefixOf(generation), rand.IntN(keysPerGeneration))
}

// value is a value that nobody else writes.
func (s *session) value(kind string) string {
	return fmt.Sprintf("%s-%d-%d.%s", kind, s.id, s.n, strings.Repeat(".", rand.IntN(maxPadding)*rand.IntN(2)))
}

// short is a value as the history has it: the padding is given by its length, if it is as it should be.
func short(value string) string {
	id := strings.TrimRight(value, ".")
	return fmt.Sprintf("%s+%d", id, len(value)-len(id))
}

// end notes how an operation ended.
func (w *workload) end(op *history.Op, err error) (ok bool) {
	op.Outcome = history.OK
	if err == nil {
		return true
	}
	op.Error, op.Outcome = fmt.Sprintf("%.300v", err), history.Failed
	if errors.Is(err, client.ErrUncertain) {
		op.Outcome = history.Uncertain
	}
	if errors.Is(err, client.ErrCorrupt) || errors.Is(err, client.ErrFailed) {
		w.tally.violate(fmt.Sprintf("unexpected error: %s", op))
	}
	return false
}

func (s *session) put(ctx context.Context, op *history.Op) {
	value := s.value("v")
	op.Kind, op.Value = history.Put, short(value)
	revision, err := s.client.Put(ctx, []byte(op.Key), []byte(value))
	if s.end(op, err) {
		op.Revision = uint64(revision)
	}
}

func (s *session) get(ctx context.Context, op *history.Op) {
	s.read(ctx, op, s.client, client.Linearizable)
}

func (s *session) getLocal(ctx context.Context, op *history.Op) {
	op.Local = true
	s.read(ctx, op, s.local, client.Local)
}

func (s *session) read(ctx context.Context, op *history.Op, c *client.Client, level client.ReadLevel) {
	s.lookUp(ctx, op, c, level)
	for _, item := range op.Items {
		s.remember(item)
	}
}

// lookUp reads a key.
func (w *workload) lookUp(ctx context.Context, op *history.Op, c *client.Client, level client.ReadLevel) {
	op.Kind = history.Get
	got, err := c.GetWith(ctx, []byte(op.Key), client.GetOptions{Level: level})
	missing := errors.Is(err, client.ErrNotFound)
	if missing {
		err = nil
	}
	if !w.end(op, err) {
		return
	}
	op.Revision = uint64(got.Revision)
	if !missing {
		op.Items = []history.Item{itemOf(got.Item)}
	}
}

// itemOf gives an item as the history has it.
func itemOf(i client.Item) history.Item {
	return history.Item{Key: string(i.Key), Value: short(string(i.Value)), Create: uint64(i.CreateRevision), Mod: uint64(i.ModRevision), Version: i.Version}
}

// remember keeps what was read of a key.
func (s *session) remember(item history.Item) history.Item {
	if s.seen[item.Key].Mod < item.Mod {
		s.seen[item.Key] = item
	}
	return item
}

// expect fills in what a compare-and-swap expects: what was seen of the key, or nothing.
func (s *session) expect(op *history.Op) {
	if item, ok := s.seen[op.Key]; ok {
		op.Expected, op.ExpectedValue = item.Mod, item.Value
	}
}

func (s *session) swap(ctx context.Context, op *history.Op) {
	value := s.value("c")
	op.Kind, op.Value = history.Swap, short(value)
	s.expect(op)
	result, err := s.client.CompareAndSwap(ctx, []byte(op.Key), client.Revision(op.Expected), []byte(value))
	if !s.end(op, err) {
		return
	}
	op.Swapped, op.Revision = result.Swapped, uint64(result.Revision)
	s.afterSwap(op, result.Found, result.Current)
}

// afterSwap remembers what a key holds now.
func (s *session) afterSwap(op *history.Op, found bool, current client.Item) {
	delete(s.seen, op.Key)
	if !op.Swapped && found {
		op.Items = []history.Item{s.remember(itemOf(current))}
	}
}

func (s *session) txn(ctx context.Context, op *history.Op) {
	value, second := s.value("t"), s.value("u")
	op.Kind, op.Value = history.Txn, short(value)
	s.expect(op)
	key := []byte(op.Key)
	then := []client.Op{client.Put(key, []byte(value))}
	if other := s.key(); other != op.Key && rand.IntN(2) == 0 {
		op.Second, op.SecondValue = other, short(second)
		then = append(then, client.Put([]byte(other), []byte(second)))
	}
	result, err := s.client.Txn(ctx, client.If(client.ModRevision(key).Equals(client.Revision(op.Expected))).Then(then...).Else(client.Get(key)))
	if !s.end(op, err) {
		return
	}
	op.Swapped, op.Revision = result.Succeeded, uint64(result.Revision)
	s.afterSwap(op, !op.Swapped && result.Results[0].Found, result.Results[0].Item)
}

func (s *session) delete(ctx context.Context, op *history.Op) {
	op.Kind = history.Delete
	result, err := s.client.Delete(ctx, []byte(op.Key))
	if s.end(op, err) {
		op.Deleted, op.Revision = result.Deleted, uint64(result.Revision)
		delete(s.seen, op.Key)
	}
}

func (s *session) deletePrefix(ctx context.Context, op *history.Op) {
	op.Kind, op.Key, op.Prefix = history.DeletePrefix, "", s.prefix()
	result, err := s.client.DeletePrefix(ctx, []byte(op.Prefix))
	if s.end(op, err) {
		op.Deleted, op.Revision = result.Deleted, uint64(result.Revision)
		clear(s.seen)
	}
}

func (s *session) list(ctx context.Context, op *history.Op) {
	op.Kind, op.Key, op.Prefix, op.Local = history.Range, "", s.prefix(), rand.IntN(3) == 0
	c, opts := s.client, client.RangeOptions{Prefix: []byte(op.Prefix)}
	if op.Local {
		c, opts.Level = s.local, client.Local
	}
	result, err := c.Range(ctx, opts)
	if s.end(op, err) {
		op.Revision = uint64(result.Revision)
		for _, item := range result.Items {
			op.Items = append(op.Items, s.remember(itemOf(item)))
		}
	}
}

func (s *session) append(ctx context.Context, op *history.Op) {
	value := s.value("e")
	op.Kind, op.Key, op.Value = history.Append, "", short(value)
	at, err := s.client.Log(process.LogGroup).Append(ctx, []byte(value))
	if s.end(op, err) {
		op.Index, op.Term, op.Position = uint64(at.Index), at.Term, at.Position
		s.tally.appended(op.Index)
	}
}

// logGet reads an entry near the end of the log, there or not.
func (s *session) logGet(ctx context.Context, op *history.Op) {
	op.Kind, op.Key = history.LogGet, ""
	op.Index = uint64(max(1, int64(s.tally.lastIndex.Load())+3-rand.Int64N(50)))
	record, err := s.client.Log(process.LogGroup).Get(ctx, client.Index(op.Index))
	var compacted *client.CompactedError
	switch {
	case errors.Is(err, client.ErrNoEntry):
		op.Missing, err = true, nil
	case errors.As(err, &compacted):
		op.First, err = uint64(compacted.FirstIndex), nil
	}
	if s.end(op, err) && !op.Missing && op.First == 0 {
		found(op, record)
	}
}

// found fills in an entry that was read.
func found(op *history.Op, r client.Record) {
	op.Term, op.Position = r.Term, r.Position
	if op.Data = r.Kind == client.KindData; op.Data {
		op.Value = short(string(r.Body))
	}
}
