package kv_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/image"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the randomised tests; 0 takes a new one")

// newSeed gives the seed of a test and logs it.
func newSeed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("run again with -seed=%d", seed)
	return seed
}

// generator makes commands over a few keys, so that they meet.
type generator struct{ rng *rand.Rand }

var fewKeys = []string{"a", "a\x00", "a\x00\x00", "a\xff", "ab", "b", "b/1", "b/2", "b/3", "c", "\x00", "\xff", "\xff\xff"}

func (g generator) key() []byte { return []byte(fewKeys[g.rng.IntN(len(fewKeys))]) }

func (g generator) value() []byte { return fmt.Appendf([]byte{}, "%d", g.rng.IntN(5))[g.rng.IntN(2):] }

func (g generator) interval() model.RangeOptions {
	switch g.rng.IntN(4) {
	case 0:
		return model.RangeOptions{Prefix: g.key()[:1]}
	case 1:
		return model.RangeOptions{From: g.key()}
	case 2:
		return model.RangeOptions{To: g.key()}
	}
	return model.RangeOptions{From: g.key(), To: g.key()}
}

func (g generator) rangeOptions() model.RangeOptions {
	opts := g.interval()
	opts.Limit = g.rng.IntN(6) // 0: none
	opts.Reverse = g.rng.IntN(2) == 0
	opts.KeysOnly = g.rng.IntN(4) == 0
	opts.CountOnly = g.rng.IntN(4) == 0
	return opts
}

func (g generator) op() model.Op {
	switch g.rng.IntN(8) {
	case 0, 1, 2:
		return model.Put(g.key(), g.value())
	case 3:
		return model.Delete(g.key())
	case 4:
		o := g.interval()
		return model.Op{Kind: model.OpDeleteRange, Range: o}
	case 5:
		return model.Range(g.rangeOptions())
	}
	return model.Get(g.key())
}

func (g generator) compare(now model.Revision) model.Compare {
	c := model.Compare{Target: model.Target(1 + g.rng.IntN(4)), Operator: model.Operator(1 + g.rng.IntN(4)), Key: g.key()}
	switch c.Target {
	case model.TargetVersion:
		c.Number = g.rng.Uint64N(3)
	case model.TargetValue:
		c.Value = g.value()
	default:
		c.Number = g.rng.Uint64N(uint64(now) + 2)
	}
	return c
}

func (g generator) txn(now model.Revision) model.Txn {
	var t model.Txn
	for range g.rng.IntN(3) {
		t = t.If(g.compare(now))
	}
	for range g.rng.IntN(4) {
		t = t.Then(g.op())
	}
	for range g.rng.IntN(4) {
		t = t.Else(g.op())
	}
	return t
}

func (g generator) command(now model.Revision) commandOf {
	switch g.rng.IntN(12) {
	case 0, 1, 2:
		key, value := g.key(), g.value()
		return commandOf{kv.AppendPut(nil, key, value), func(o *oracle) any { o.txn(model.Do(model.Put(key, value))); return nil }}
	case 3:
		key := g.key()
		return commandOf{kv.AppendDelete(nil, key), func(o *oracle) any { return deletion(o.txn(model.Do(model.Delete(key)))) }}
	case 4:
		from, to := g.key(), g.key()
		return commandOf{kv.AppendDeleteRange(nil, from, to), func(o *oracle) any { return deletion(o.txn(model.Do(model.DeleteRange(from, to)))) }}
	case 5:
		rev := 1 + model.Revision(g.rng.Uint64N(uint64(now)+2))
		return commandOf{kv.AppendCompact(nil, rev), func(o *oracle) any {
			if err := o.compact(rev); err != nil {
				return &model.RevisionError{Asked: rev, Bound: o.revision(), Err: err}
			}
			return nil
		}}
	case 6:
		body := kv.AppendPut(nil, g.key(), g.value())
		return commandOf{body[:g.rng.IntN(len(body))], func(*oracle) any { return model.ErrMalformed }}
	}
	t := g.txn(now)
	return commandOf{kv.AppendTxn(nil, t), func(o *oracle) any {
		if err := t.Validate(); err != nil {
			return model.ErrDuplicateWrite // the only fault that the generator makes
		}
		return o.txn(t)
	}}
}

// TestMachineDoesWhatTheModelSays applies random commands in random batches and compares every result and, after each batch, what
// is read at random revisions.
func TestMachineDoesWhatTheModelSays(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			seed := newSeed(t)
			g := generator{rand.New(rand.NewPCG(seed, 1))}
			m := engine.open(t)
			o := newOracle()
			index := statemachine.Index(0)
			for range 400 {
				var entries []statemachine.Entry
				var wants []statemachine.Result
				for range g.rng.IntN(6) {
					c := g.command(o.revision())
					index += statemachine.Index(1 + g.rng.IntN(2)) // some entries have no body for the machine
					entries = append(entries, statemachine.Entry{Index: index, Body: c.body})
					data := c.apply(o)
					wants = append(wants, statemachine.Result{Value: uint64(o.revision()), Data: data})
				}
				index += statemachine.Index(g.rng.IntN(2))
				results := make([]statemachine.Result, len(entries))
				require.NoError(t, m.Apply(entries, index, results))
				for i, want := range wants {
					requireResult(t, want, results[i])
				}
				require.Equal(t, index, m.Applied())
				require.Equal(t, o.revision(), m.Revision())
				require.Equal(t, o.compacted, m.Compacted())
				compareReads(t, g, o, m)
			}
		})
	}
}

func requireResult(t *testing.T, want, got statemachine.Result) {
	t.Helper()
	require.Equal(t, want.Value, got.Value)
	switch data := want.Data.(type) {
	case *model.RevisionError:
		require.Equal(t, data, got.Data)
	case error:
		require.IsType(t, &model.InvalidError{}, got.Data)
		require.ErrorIs(t, got.Data.(error), data)
	case *model.TxnResult:
		require.IsType(t, data, got.Data)
		for _, r := range []*model.TxnResult{data, got.Data.(*model.TxnResult)} {
			if len(r.Results) == 0 {
				r.Results = nil
			}
		}
		require.Equal(t, data, got.Data)
	default:
		require.Equal(t, data, got.Data)
	}
}

// compareReads reads a key and a range at a random revision.
func compareReads(t *testing.T, g generator, o *oracle, m *kv.Machine) {
	t.Helper()
	rev := model.Revision(g.rng.Uint64N(uint64(o.revision()) + 2))
	opts := g.rangeOptions()
	opts.Revision = rev
	key := g.key()
	got, err := m.Get(key, rev)
	ranged, rangeErr := m.Range(t.Context(), opts)
	at := rev
	switch {
	case rev == model.Latest:
		at = o.revision()
	case rev > o.revision():
		want := &model.RevisionError{Asked: rev, Bound: o.revision(), Err: model.ErrFutureRevision}
		require.Equal(t, want, err)
		require.Equal(t, want, rangeErr)
		return
	case rev < o.compacted:
		want := &model.RevisionError{Asked: rev, Bound: o.compacted, Err: model.ErrCompacted}
		require.Equal(t, want, err)
		require.Equal(t, want, rangeErr)
		return
	}
	want := model.GetResult{Revision: at, Applied: model.Index(m.Applied())}
	item, found := o.states[at][string(key)]
	if found {
		want.Item = item
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, model.ErrNotFound)
	}
	require.Equal(t, want, got)
	wantRange := readRange(o.states[at], opts)
	wantRange.Revision, wantRange.Applied = at, model.Index(m.Applied())
	require.NoError(t, rangeErr)
	require.Equal(t, wantRange, ranged)
}

// TestBatchingDoesNotMatter applies the same entries in different batches to every engine: results and state are the same.
func TestBatchingDoesNotMatter(t *testing.T) {
	seed := newSeed(t)
	g := generator{rand.New(rand.NewPCG(seed, 2))}
	o := newOracle()
	var entries []statemachine.Entry
	for i := range 600 {
		c := g.command(o.revision())
		c.apply(o)
		entries = append(entries, statemachine.Entry{Index: statemachine.Index(i + 1), Body: c.body})
	}
	var hash string
	var results []statemachine.Result
	for _, engine := range engines {
		for _, size := range []int{1, 7, len(entries)} {
			m := engine.open(t)
			var got []statemachine.Result
			for rest := entries; len(rest) > 0; {
				batch := rest[:min(size, len(rest))]
				rest = rest[len(batch):]
				r := make([]statemachine.Result, len(batch))
				require.NoError(t, m.Apply(batch, batch[len(batch)-1].Index, r))
				got = append(got, r...)
			}
			if results == nil {
				results, hash = got, stateHash(t, m)
			}
			require.Equal(t, results, got, "%s in batches of %d", engine.name, size)
			require.Equal(t, hash, stateHash(t, m), "%s in batches of %d", engine.name, size)
		}
	}
}

// stateHash is the hash of a machine's image.
func stateHash(t *testing.T, m *kv.Machine) string {
	t.Helper()
	img, err := m.Image()
	require.NoError(t, err)
	hash, err := image.Hash(img)
	require.NoError(t, err)
	require.NoError(t, img.Close())
	return fmt.Sprintf("%x", hash)
}
