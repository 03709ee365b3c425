package kv_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// fillKeys puts n keys that begin with prefix, some thousands in an entry.
func fillKeys(t testing.TB, m *kv.Machine, prefix string, n int) {
	t.Helper()
	var x model.Txn
	for i := range n {
		x.Success = append(x.Success, model.Put(fmt.Appendf(nil, "%s%06d", prefix, i), nil))
		if len(x.Success) == 8192 || i == n-1 {
			txn(t, m, x)
			x.Success = nil
		}
	}
}

// repeated is a transaction's branch of n times the same operation.
func repeated(op model.Op, n int) []model.Op {
	ops := make([]model.Op, n)
	for i := range ops {
		ops[i] = op
	}
	return ops
}

func TestVisitsOfATransactionAreBounded(t *testing.T) {
	const keys = 1024
	const fits = model.MaxTxnVisits / keys
	all := model.RangeOptions{Prefix: b("k"), CountOnly: true}
	descending := model.RangeOptions{Prefix: b("k"), Reverse: true, Limit: 1}
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			fillKeys(t, m, "k", keys)
			limited, ascending, empty := all, all, all
			limited.Limit = 8
			ascending.CountOnly, ascending.Limit = false, 1
			empty.Prefix = b("l")
			for _, c := range []struct {
				name    string
				ops     []model.Op
				refused bool
			}{
				{"counts that just fit", repeated(model.Range(all), fits), false},
				{"one count too many", repeated(model.Range(all), fits+1), true},
				{"descending ranges that just fit", repeated(model.Range(descending), fits), false},
				{"one descending range too many", repeated(model.Range(descending), fits+1), true},
				{"counts up to a limit that just fit", repeated(model.Range(limited), model.MaxTxnVisits/8), false},
				{"counts of nothing", repeated(model.Range(empty), model.MaxOps), false},
				{"ascending ranges end by themselves", repeated(model.Range(ascending), fits+1), false},
				{"a put counts in what follows", append([]model.Op{model.Put(b("x"), nil)}, repeated(model.Range(all), fits)...), true},
				{"a put counts in nothing before it", append(repeated(model.Range(all), fits), model.Put(b("x"), nil)), false},
				{"deletes count", append([]model.Op{model.DeletePrefix(b("k"))}, repeated(model.Range(all), fits)...), true},
				{"a delete gives nothing back", append([]model.Op{model.DeletePrefix(b("k"))}, repeated(model.Range(all), fits+1)...), true},
				{"a delete that just fits", append([]model.Op{model.DeletePrefix(b("k"))}, repeated(model.Range(all), fits-1)...), false},
			} {
				before := m.Revision()
				entry := kv.AppendTxn(nil, model.If(model.Version(b("no")).Equals(0)).Then(c.ops...))
				result := apply(t, m, entry)
				if c.refused {
					require.IsType(t, &model.InvalidError{}, result.Data, c.name)
					require.ErrorIs(t, result.Data.(error), model.ErrTooLarge, c.name)
					require.Equal(t, before, m.Revision(), "%s: refused before anything was written", c.name)
				} else {
					require.IsType(t, &model.TxnResult{}, result.Data, c.name)
				}
			}
			fillKeys(t, m, "k", keys)
			notTaken := model.If(model.Version(b("no")).Equals(1)).Then(repeated(model.Range(all), fits+1)...)
			require.False(t, txn(t, m, notTaken).Succeeded, "the branch that is not taken visits nothing")
		})
	}
}

// TestVisitsAreTheSameOnEveryEngine draws transactions about the bound over a history with overwrites, deletes and compactions: what is
// refused depends neither on the engine nor on how entries are put into batches.
func TestVisitsAreTheSameOnEveryEngine(t *testing.T) {
	seed := newSeed(t)
	g := generator{rand.New(rand.NewPCG(seed, 3))}
	o := newOracle()
	var entries []statemachine.Entry
	var wants []any
	refused := 0
	var many model.Txn // so that the bound on operations is not met first
	for i := range 60 {
		many = many.Then(model.Put(fmt.Appendf(nil, "many%d", i), []byte{}))
	}
	for i := range 20 {
		var c commandOf
		switch {
		case i == 0:
			c = commandOf{kv.AppendTxn(nil, many), func(o *oracle) any { return o.txn(many) }}
		case i%5 == 4:
			c = g.greedy(o)
		default:
			c = g.command(o.revision())
		}
		data := c.apply(o)
		if data == model.ErrTooLarge {
			refused++
		}
		wants = append(wants, data)
		entries = append(entries, statemachine.Entry{Index: statemachine.Index(i + 1), Body: c.body})
	}
	t.Logf("%d of 4 greedy transactions were over the bound", refused)
	for _, engine := range engines {
		for _, size := range []int{1, len(entries)} {
			m := engine.open(t)
			for from := 0; from < len(entries); from += size {
				batch := entries[from:min(from+size, len(entries))]
				results := make([]statemachine.Result, len(batch))
				require.NoError(t, m.Apply(batch, batch[len(batch)-1].Index, results))
				for i := range results {
					want := statemachine.Result{Value: results[i].Value, Data: wants[from+i]}
					requireResult(t, want, results[i])
				}
			}
			require.Equal(t, o.revision(), m.Revision())
		}
	}
}

// greedy is a transaction that visits about as many keys as it may, or a few too many.
func (g generator) greedy(o *oracle) commandOf {
	opts := model.RangeOptions{CountOnly: true, Reverse: g.rng.IntN(2) == 0, Limit: 20 * g.rng.IntN(3)}
	if g.rng.IntN(2) == 0 {
		opts = model.RangeOptions{Reverse: true, Limit: 1} // so that what is returned keeps to its own bound
	}
	t := model.Do(model.Put(b("a"), b("greedy")))
	one := visits(o.states[len(o.states)-1], model.Range(opts), 1)
	n := model.MaxTxnVisits/max(one, 1) + g.rng.IntN(3) - 1
	t = t.Then(repeated(model.Range(opts), min(n, model.MaxOps-2))...)
	if g.rng.IntN(2) == 0 {
		t = t.Then(model.DeleteRange(b("b"), b("c")))
	}
	return commandOf{kv.AppendTxn(nil, t), func(o *oracle) any {
		if !o.fits(t) {
			return model.ErrTooLarge
		}
		return o.txn(t)
	}}
}

// fits says whether the branch of a transaction that would be taken keeps to model.MaxTxnVisits.
func (o *oracle) fits(t model.Txn) bool {
	now := o.states[len(o.states)-1]
	total, puts := 0, 0
	for _, op := range o.branch(t) {
		switch op.Kind {
		case model.OpPut:
			puts++
		case model.OpRange, model.OpDeleteRange:
			total += visits(now, op, puts)
		}
	}
	return total <= model.MaxTxnVisits
}

// visits is what an operation on an interval counts towards model.MaxTxnVisits, after so many puts.
func visits(before map[string]model.Item, op model.Op, puts int) int {
	opts := op.Range
	if op.Kind == model.OpRange && !opts.CountOnly && !opts.Reverse {
		return 0
	}
	n := len(interval(before, opts)) + puts
	if opts.CountOnly && opts.Limit > 0 {
		n = min(n, opts.Limit)
	}
	return n
}
