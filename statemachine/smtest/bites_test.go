package smtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// recorder is a testing.TB that notes a failure instead of failing the test.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	failed string // guarded by mu
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = fmt.Sprintf(format, args...)
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) FailNow() { runtime.Goexit() }

func (r *recorder) Logf(string, ...any) {}

// fails says whether f fails or panics, on a goroutine of its own.
func fails(t *testing.T, f func(testing.TB)) bool {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v", p)
			}
		}()
		f(r)
	}()
	<-done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed != ""
}

// broken is a model with one thing wrong.
type broken struct {
	*Model
	batch func(statemachine.Batch) statemachine.Batch
	view  func(statemachine.View) statemachine.View
	other func(*broken) statemachine.Engine
}

func (b *broken) Begin() statemachine.Batch {
	if b.batch == nil {
		return b.Model.Begin()
	}
	return b.batch(b.Model.Begin())
}

func (b *broken) View(rev statemachine.Revision) (statemachine.View, error) {
	v, err := b.Model.View(rev)
	if err != nil || b.view == nil {
		return v, err
	}
	return b.view(v), nil
}

// brokenOpener opens broken engines over restarts.
type brokenOpener struct{ like broken }

func (o brokenOpener) with(m *Model) statemachine.Engine {
	e := o.like
	e.Model = m
	if e.other != nil {
		return e.other(&e)
	}
	return &e
}

func (o brokenOpener) Open(testing.TB) statemachine.Engine { return o.with(NewModel()) }

func (o brokenOpener) Reopen(_ testing.TB, e statemachine.Engine) statemachine.Engine {
	return o.with(modelIn(e).Reopen())
}

func (o brokenOpener) Crash(_ testing.TB, e statemachine.Engine, rng *rand.Rand) statemachine.Engine {
	return o.with(modelIn(e).Crash(rng))
}

func modelIn(e statemachine.Engine) *Model { return e.(interface{ model() *Model }).model() }

func (b *broken) model() *Model { return b.Model }

type brokenBatch struct {
	statemachine.Batch
	put    func(key, value []byte, lease uint64) (statemachine.Item, error)
	get    func(key []byte) (statemachine.Item, bool, error)
	commit func(statemachine.Index) error
}

func (b *brokenBatch) Put(key, value []byte, lease uint64) (statemachine.Item, error) {
	if b.put != nil {
		return b.put(key, value, lease)
	}
	return b.Batch.Put(key, value, lease)
}

func (b *brokenBatch) Get(key []byte) (statemachine.Item, bool, error) {
	if b.get != nil {
		return b.get(key)
	}
	return b.Batch.Get(key)
}

func (b *brokenBatch) Commit(applied statemachine.Index) error {
	if b.commit != nil {
		return b.commit(applied)
	}
	return b.Batch.Commit(applied)
}

type brokenView struct {
	statemachine.View
	item  func(statemachine.Item) statemachine.Item
	opts  func(statemachine.RangeOptions) statemachine.RangeOptions
	event func(statemachine.Event) (statemachine.Event, bool)
}

func (v *brokenView) Get(key []byte) (statemachine.Item, bool, error) {
	item, ok, err := v.View.Get(key)
	if ok && v.item != nil {
		item = v.item(item)
	}
	return item, ok, err
}

func (v *brokenView) Range(opts statemachine.RangeOptions, fn func(statemachine.Item) bool) error {
	if v.opts != nil {
		opts = v.opts(opts)
	}
	return v.View.Range(opts, func(item statemachine.Item) bool {
		if v.item != nil {
			item = v.item(item)
		}
		return fn(item)
	})
}

func (v *brokenView) Events(from statemachine.Revision, fn func(statemachine.Event) bool) error {
	return v.View.Events(from, func(ev statemachine.Event) bool {
		keep := true
		if v.event != nil {
			ev, keep = v.event(ev)
		}
		return !keep || fn(ev)
	})
}

// Engines whose methods differ as a whole.
type (
	durableTooEarly  struct{ *broken }
	flushDoesNothing struct{ *broken }
	restoresAnything struct{ *broken }
	staleView        struct{ *broken }
	unstableImage    struct{ *broken }
	viewsDie         struct{ *broken }
)

func (e durableTooEarly) Durable() statemachine.Index { return e.Applied() }

func (e flushDoesNothing) Flush() error { return nil }

func (e restoresAnything) Restore(src statemachine.ChunkSource) error {
	_ = e.Model.Restore(src)
	return nil
}

func (e staleView) View(rev statemachine.Revision) (statemachine.View, error) {
	if rev == statemachine.Latest && e.Revision() > e.Compacted()+1 {
		rev = e.Revision() - 1
	}
	return e.broken.View(rev)
}

// lazyImage opens the image when it is read.
type lazyImage struct {
	e       statemachine.Engine
	applied statemachine.Index
	img     statemachine.Image
}

func (l *lazyImage) Applied() statemachine.Index { return l.applied }

func (l *lazyImage) Next() ([]byte, error) {
	if l.img == nil {
		var err error
		if l.img, err = l.e.Image(); err != nil {
			return nil, err
		}
	}
	return l.img.Next()
}

func (l *lazyImage) Close() error {
	if l.img == nil {
		return nil
	}
	return l.img.Close()
}

func (e unstableImage) Image() (statemachine.Image, error) {
	return &lazyImage{e: e.Model, applied: e.Applied()}, nil
}

// dyingView does not keep what it reads from compaction.
type dyingView struct {
	statemachine.View
	e *Model
}

func (v dyingView) Get(key []byte) (statemachine.Item, bool, error) {
	if v.View.Revision() < v.e.Compacted() {
		return statemachine.Item{}, false, statemachine.ErrCompacted
	}
	return v.View.Get(key)
}

func (e viewsDie) View(rev statemachine.Revision) (statemachine.View, error) {
	v, err := e.Model.View(rev)
	return dyingView{v, e.Model}, err
}

// mutants are engines with one fault each, of the kind that engines have had.
func mutants() map[string]broken {
	batch := func(change func(*brokenBatch)) broken {
		return broken{batch: func(b statemachine.Batch) statemachine.Batch {
			bb := &brokenBatch{Batch: b}
			change(bb)
			return bb
		}}
	}
	view := func(like brokenView) broken {
		return broken{view: func(v statemachine.View) statemachine.View {
			bv := like
			bv.View = v
			return &bv
		}}
	}
	return map[string]broken{
		"durable before it is":   {other: func(b *broken) statemachine.Engine { return durableTooEarly{b} }},
		"flush does nothing":     {other: func(b *broken) statemachine.Engine { return flushDoesNothing{b} }},
		"restores anything":      {other: func(b *broken) statemachine.Engine { return restoresAnything{b} }},
		"stale view":             {other: func(b *broken) statemachine.Engine { return staleView{b} }},
		"image reads what comes": {other: func(b *broken) statemachine.Engine { return unstableImage{b} }},
		"views die":              {other: func(b *broken) statemachine.Engine { return viewsDie{b} }},
		"batch does not read its writes": batch(func(b *brokenBatch) {
			b.get = func([]byte) (statemachine.Item, bool, error) { return statemachine.Item{}, false, nil }
		}),
		"applied index is off": batch(func(b *brokenBatch) {
			b.commit = func(applied statemachine.Index) error { return b.Batch.Commit(applied + 1) }
		}),
		"lease is lost": batch(func(b *brokenBatch) {
			b.put = func(key, value []byte, _ uint64) (statemachine.Item, error) { return b.Batch.Put(key, value, 0) }
		}),
		"keys end at a zero": batch(func(b *brokenBatch) {
			b.put = func(key, value []byte, lease uint64) (statemachine.Item, error) {
				if i := bytes.IndexByte(key, 0); i >= 0 && i < len(key)-1 {
					key = slices.Delete(bytes.Clone(key), i, i+1)
				}
				return b.Batch.Put(key, value, lease)
			}
		}),
		"deletes are no events": view(brokenView{event: func(ev statemachine.Event) (statemachine.Event, bool) { return ev, !ev.Deleted }}),
		"sub-revision is lost": view(brokenView{event: func(ev statemachine.Event) (statemachine.Event, bool) {
			ev.Sub = 0
			return ev, true
		}}),
		"version goes on": view(brokenView{item: func(item statemachine.Item) statemachine.Item {
			if item.Create > 4 {
				item.Version++
			}
			return item
		}}),
		"keys only is ignored": view(brokenView{opts: func(o statemachine.RangeOptions) statemachine.RangeOptions {
			o.KeysOnly = false
			return o
		}}),
		"upper bound is inclusive": view(brokenView{opts: func(o statemachine.RangeOptions) statemachine.RangeOptions {
			if o.To != nil {
				o.To = append(bytes.Clone(o.To), 0)
			}
			return o
		}}),
		"reverse drops the lower bound": view(brokenView{opts: func(o statemachine.RangeOptions) statemachine.RangeOptions {
			if o.Reverse {
				o.From = nil
			}
			return o
		}}),
	}
}

func TestEngineKitBites(t *testing.T) {
	for name, like := range mutants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, test := range engineTests {
				if fails(t, func(tb testing.TB) { test.run(tb, brokenOpener{like}) }) {
					return
				}
			}
			t.Error("no test of the kit fails")
		})
	}
	require.False(t, fails(t, func(tb testing.TB) { testRange(tb, brokenOpener{}) }), "nothing is wrong with this one")
}
