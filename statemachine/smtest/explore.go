package smtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

const (
	exploreRuns  = 12
	exploreSteps = 400
)

// testMetamorphic does the same random things to an engine and to a model, and compares all answers.
func testMetamorphic(t testing.TB, open Opener) {
	rng := seeded(t)
	for run := range exploreRuns {
		x := newExplorer(rng, open.Open(t))
		x.fresh = func() statemachine.Engine { return open.Open(t) }
		if re, ok := open.(Reopener); ok {
			x.reopen = func(e statemachine.Engine, crash bool) statemachine.Engine {
				if crash {
					return re.Crash(t, e, rng)
				}
				return re.Reopen(t, e)
			}
		}
		require.NoError(t, x.run(exploreSteps), "run %d", run)
	}
}

// explorer holds an engine and the model that it is compared with.
type explorer struct {
	rng    *rand.Rand
	engine statemachine.Engine
	model  *Model
	views  []viewPair
	images []imagePair
	keys   []string

	fresh  func() statemachine.Engine
	reopen func(e statemachine.Engine, crash bool) statemachine.Engine // nil for an engine in memory
}

type viewPair struct{ engine, model statemachine.View }

type imagePair struct{ engine, model statemachine.Image }

func newExplorer(rng *rand.Rand, e statemachine.Engine) *explorer {
	x := &explorer{rng: rng, engine: e, model: NewModel(), keys: slices.Clone(oddKeys)}
	for i := range 1 << rng.IntN(9) {
		x.keys = append(x.keys, fmt.Sprintf("key/%03d", i))
	}
	return x
}

// run does a number of random things and says where the engine first differed.
func (x *explorer) run(steps int) error {
	for n := range steps {
		name, do := x.pick()
		if err := do(); err != nil {
			return fmt.Errorf("step %d, %s: %w", n, name, err)
		}
		if err := x.compareNumbers(); err != nil {
			return fmt.Errorf("step %d, after %s: %w", n, name, err)
		}
	}
	for _, v := range x.views {
		if err := errors.Join(v.engine.Close(), v.model.Close()); err != nil {
			return err
		}
	}
	return x.engine.Close()
}

func (x *explorer) pick() (string, func() error) {
	switch n := x.rng.IntN(100); {
	case n < 40:
		return "batch", x.batch
	case n < 55:
		return "open view", x.openView
	case n < 80:
		return "read view", x.readView
	case n < 90:
		return "close view", x.closeView
	case n < 93:
		return "open image", x.openImage
	case n < 97:
		return "read image", x.readImage
	case n < 98:
		return "restore", x.restore
	case n < 99:
		return "flush", x.flush
	default:
		return "end", x.end
	}
}

func (x *explorer) compareNumbers() error {
	e, m := x.engine, x.model
	if e.Applied() != m.Applied() || e.Revision() != m.Revision() || e.Compacted() != m.Compacted() {
		return fmt.Errorf("applied, revision, compacted are %d %d %d, expected %d %d %d",
			e.Applied(), e.Revision(), e.Compacted(), m.Applied(), m.Revision(), m.Compacted())
	}
	if e.Durable() > e.Applied() {
		return fmt.Errorf("durable %d is above applied %d", e.Durable(), e.Applied())
	}
	return nil
}

func (x *explorer) key() string { return x.keys[x.rng.IntN(len(x.keys))] }

// bound gives a random bound of a range: none, a key, or something next to one.
func (x *explorer) bound() []byte {
	switch x.rng.IntN(6) {
	case 0, 1:
		return nil
	case 2:
		return []byte(x.key() + "\x00")
	default:
		return []byte(x.key())
	}
}

// differ compares two answers, both with their errors.
func differ(what string, got, want any, gotErr, wantErr error) error {
	for _, kind := range []error{statemachine.ErrCompacted, statemachine.ErrFutureRevision, nil} {
		if errors.Is(gotErr, kind) != errors.Is(wantErr, kind) {
			return fmt.Errorf("%s: got error %v, expected %v", what, gotErr, wantErr)
		}
	}
	if gotErr == nil && got != want {
		return fmt.Errorf("%s: got %v, expected %v", what, got, want)
	}
	return nil
}

// differLists is differ for what was visited, in order: it tells the first place where the lists part.
func differLists(what string, got, want []string, gotErr, wantErr error) error {
	n := 0
	for n < len(got) && n < len(want) && got[n] == want[n] {
		n++
	}
	at := func(list []string) string { return append(slices.Clone(list), "the end")[n] }
	return differ(fmt.Sprintf("%s: of %d, number %d", what, len(got), n), at(got), at(want), gotErr, wantErr)
}

// batch commits a batch of up to four revisions.
func (x *explorer) batch() error {
	b, m := x.engine.Begin(), x.model.Begin()
	for range x.rng.IntN(5) {
		if got, want := b.Advance(), m.Advance(); got != want {
			return fmt.Errorf("advanced to %d, expected %d", got, want)
		}
		for _, i := range x.rng.Perm(len(x.keys))[:x.rng.IntN(min(len(x.keys), 12))] {
			if err := x.change(b, m, x.keys[i]); err != nil {
				return err
			}
		}
		if err := x.readBatch(b, m); err != nil {
			return err
		}
	}
	if x.rng.IntN(4) == 0 {
		low, high := x.model.Compacted(), x.model.Revision()
		rev := low + statemachine.Revision(x.rng.Uint64N(uint64(high-low)+4))
		if x.rng.IntN(10) == 0 {
			rev = low / 2
		}
		if err := differ(fmt.Sprintf("compact at %d", rev), nil, nil, b.Compact(rev), m.Compact(rev)); err != nil {
			return err
		}
	}
	applied := x.model.Applied() + 1 + statemachine.Index(x.rng.IntN(3))
	return errors.Join(b.Commit(applied), m.Commit(applied))
}

// change does the same to one key in both batches.
func (x *explorer) change(b, m statemachine.Batch, key string) error {
	if x.rng.IntN(3) == 0 {
		got, gotErr := b.Delete([]byte(key))
		want, wantErr := m.Delete([]byte(key))
		return differ(fmt.Sprintf("delete %q", key), got, want, gotErr, wantErr)
	}
	value := bytes.Repeat([]byte{byte(x.rng.IntN(256))}, x.rng.IntN(40))
	if x.rng.IntN(50) == 0 {
		value = bytes.Repeat(value, 1000)
	}
	lease := uint64(x.rng.IntN(3))
	got, gotErr := b.Put([]byte(key), value, lease)
	want, wantErr := m.Put([]byte(key), value, lease)
	return differ(fmt.Sprintf("put %q", key), itemText(got), itemText(want), gotErr, wantErr)
}

func (x *explorer) readBatch(b, m statemachine.Batch) error {
	key := x.key()
	if err := compareGet(b, m, key); err != nil {
		return fmt.Errorf("in the batch: %w", err)
	}
	from, to, limit := x.bound(), x.bound(), x.rng.IntN(30)+1
	scan := func(b statemachine.Batch) (all []string, err error) {
		err = b.Range(from, to, func(item statemachine.Item) bool {
			all = append(all, itemText(item))
			return len(all) < limit
		})
		return all, err
	}
	got, gotErr := scan(b)
	want, wantErr := scan(m)
	return differLists(fmt.Sprintf("in the batch: range [%q, %q) limit %d", from, to, limit), got, want, gotErr, wantErr)
}

type getter interface {
	Get(key []byte) (statemachine.Item, bool, error)
}

func compareGet(e, m getter, key string) error {
	got, gotOK, gotErr := e.Get([]byte(key))
	want, wantOK, wantErr := m.Get([]byte(key))
	if gotOK != wantOK {
		return fmt.Errorf("get %q: found %v, expected %v", key, gotOK, wantOK)
	}
	return differ(fmt.Sprintf("get %q", key), itemText(got), itemText(want), gotErr, wantErr)
}

func (x *explorer) openView() error {
	rev := statemachine.Latest
	if x.rng.IntN(2) == 0 {
		low, high := x.model.Compacted(), x.model.Revision()
		rev = low + statemachine.Revision(x.rng.Uint64N(uint64(high-low)+3))
		if x.rng.IntN(10) == 0 {
			rev = low / 2
		}
	}
	got, gotErr := x.engine.View(rev)
	want, wantErr := x.model.View(rev)
	if err := differ(fmt.Sprintf("view at %d", rev), nil, nil, gotErr, wantErr); err != nil || gotErr != nil {
		return err
	}
	if got.Revision() != want.Revision() || got.Applied() != want.Applied() {
		return fmt.Errorf("view at %d: revision and applied are %d %d, expected %d %d", rev, got.Revision(), got.Applied(), want.Revision(), want.Applied())
	}
	x.views = append(x.views, viewPair{got, want})
	return nil
}

func (x *explorer) readView() error {
	if len(x.views) == 0 {
		return nil
	}
	v := x.views[x.rng.IntN(len(x.views))]
	if err := compareGet(v.engine, v.model, x.key()); err != nil {
		return err
	}
	opts := statemachine.RangeOptions{From: x.bound(), To: x.bound(), Reverse: x.rng.IntN(2) == 0, KeysOnly: x.rng.IntN(2) == 0}
	limit := x.rng.IntN(100) + 1
	scan := func(v statemachine.View) (all []string, err error) {
		err = v.Range(opts, func(item statemachine.Item) bool {
			all = append(all, itemText(item))
			return len(all) < limit
		})
		return all, err
	}
	got, gotErr := scan(v.engine)
	want, wantErr := scan(v.model)
	name := fmt.Sprintf("range [%q, %q) reverse %v keys only %v limit %d at %d", opts.From, opts.To, opts.Reverse, opts.KeysOnly, limit, v.model.Revision())
	if err := differLists(name, got, want, gotErr, wantErr); err != nil {
		return err
	}
	return x.compareEvents(v, limit)
}

func (x *explorer) compareEvents(v viewPair, limit int) error {
	from := statemachine.Revision(x.rng.Uint64N(uint64(v.model.Revision()) + 3))
	list := func(v statemachine.View) (all []string, err error) {
		err = v.Events(from, func(ev statemachine.Event) bool {
			all = append(all, eventText(ev))
			return len(all) < limit
		})
		return all, err
	}
	got, gotErr := list(v.engine)
	want, wantErr := list(v.model)
	return differLists(fmt.Sprintf("events from %d limit %d at %d", from, limit, v.model.Revision()), got, want, gotErr, wantErr)
}

func (x *explorer) closeView() error {
	if len(x.views) == 0 {
		return nil
	}
	i := x.rng.IntN(len(x.views))
	v := x.views[i]
	x.views = slices.Delete(x.views, i, i+1)
	return errors.Join(v.engine.Close(), v.model.Close())
}

func (x *explorer) openImage() error {
	got, gotErr := x.engine.Image()
	want, wantErr := x.model.Image()
	if err := errors.Join(gotErr, wantErr); err != nil {
		return err
	}
	x.images = append(x.images, imagePair{got, want})
	return nil
}

// readImage reads an image that was opened some time ago.
func (x *explorer) readImage() error {
	if len(x.images) == 0 {
		return nil
	}
	img := x.images[0]
	x.images = slices.Delete(x.images, 0, 1)
	_, err := compareImages(img)
	return err
}

func compareImages(img imagePair) ([][]byte, error) {
	got, gotErr := readAll(img.engine)
	want, wantErr := readAll(img.model)
	if err := errors.Join(gotErr, wantErr); err != nil {
		return nil, err
	}
	if img.engine.Applied() != img.model.Applied() || !slices.EqualFunc(got, want, bytes.Equal) {
		return nil, fmt.Errorf("the image at %d differs from the model's at %d", img.engine.Applied(), img.model.Applied())
	}
	return got, nil
}

func readAll(img statemachine.Image) (chunks [][]byte, err error) {
	for {
		chunk, err := img.Next()
		if err == io.EOF {
			return chunks, img.Close()
		}
		if err != nil {
			return nil, err
		}
		chunks = append(chunks, bytes.Clone(chunk))
	}
}

// restore goes on with a new engine made from the image of the old, and a model made from the engine's.
func (x *explorer) restore() error {
	if x.fresh == nil {
		return nil
	}
	if err := x.openImage(); err != nil {
		return err
	}
	chunks, err := compareImages(x.images[len(x.images)-1])
	if err != nil {
		return err
	}
	if err := x.forget(); err != nil {
		return err
	}
	if err := x.engine.Close(); err != nil {
		return err
	}
	x.engine, x.model = x.fresh(), NewModel()
	return errors.Join(x.engine.Restore(Source(chunks)), x.model.Restore(Source(chunks)))
}

// forget closes all views and images.
func (x *explorer) forget() error {
	var errs []error
	for _, v := range x.views {
		errs = append(errs, v.engine.Close(), v.model.Close())
	}
	for _, img := range x.images {
		errs = append(errs, img.engine.Close(), img.model.Close())
	}
	x.views, x.images = nil, nil
	return errors.Join(errs...)
}

func (x *explorer) flush() error {
	applied := x.engine.Applied()
	if err := errors.Join(x.engine.Flush(), x.model.Flush()); err != nil {
		return err
	}
	if x.reopen != nil && x.engine.Durable() != applied {
		return fmt.Errorf("durable is %d after a flush at %d", x.engine.Durable(), applied)
	}
	return nil
}

// end ends the engine and goes on with what it left.
func (x *explorer) end() error {
	if x.reopen == nil {
		return nil
	}
	crash := x.rng.IntN(2) == 0
	if err := x.forget(); err != nil {
		return err
	}
	durable := x.engine.Durable()
	x.engine = x.reopen(x.engine, crash)
	left := x.engine.Applied()
	if left < durable {
		return fmt.Errorf("applied is %d, but %d was durable", left, durable)
	}
	fallen, ok := x.model.fallBackTo(left)
	if !ok {
		return fmt.Errorf("applied is %d, which is that of none of the batches %d", left, x.model.known())
	}
	x.model = fallen
	return nil
}
