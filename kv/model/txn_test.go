package model_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the randomised tests; 0 takes a new one")

// newRand gives the random source of a test and logs its seed.
func newRand(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("run again with -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestTxnBuildersLeaveTheirReceiverAlone(t *testing.T) {
	base := model.If(model.Version(key).Equals(0)).Then(model.Put(key, nil))
	first := base.Then(model.Get([]byte("a"))).Else(model.Get([]byte("b")))
	second := base.If(model.Version(key).Less(9)).Then(model.Get([]byte("c")))

	require.Len(t, base.Success, 1)
	require.Empty(t, base.Failure)
	require.Equal(t, []model.Op{model.Put(key, nil), model.Get([]byte("a"))}, first.Success)
	require.Equal(t, []model.Op{model.Get([]byte("b"))}, first.Failure)
	require.Len(t, first.Compares, 1)
	require.Equal(t, []model.Op{model.Put(key, nil), model.Get([]byte("c"))}, second.Success)
	require.Len(t, second.Compares, 2)
	require.Equal(t, model.Txn{Success: []model.Op{model.Delete(key)}}, model.Do(model.Delete(key)))
}

func TestTxnValidate(t *testing.T) {
	long := make([]byte, model.MaxKeyBytes+1)
	for name, txn := range map[string]model.Txn{
		"empty":                  {},
		"a key in both branches": model.If().Then(model.Put(key, nil)).Else(model.Delete(key)),
		"reads of one key":       model.Do(model.Get(key), model.Put(key, nil), model.Get(key), model.Range(model.RangeOptions{})),
		"neighbours":             model.Do(model.DeleteRange([]byte("a"), []byte("b")), model.Put([]byte("b"), nil), model.DeleteRange([]byte("b\x00"), []byte("c")), model.DeletePrefix([]byte("c"))),
		"an empty interval":      model.Do(model.DeleteRange([]byte("b"), []byte("a")), model.Put([]byte("b"), nil)),
	} {
		require.NoError(t, txn.Validate(), name)
	}
	for _, c := range []struct {
		name  string
		txn   model.Txn
		field string
		is    error
	}{
		{"comparison", model.If(model.Version(key).Equals(1), model.Version(nil).Equals(1)), "if comparison 2: key", nil},
		{"put", model.Do(model.Put(long, nil)), "then operation 1: key", model.ErrTooLarge},
		{"delete", model.Do(model.Delete(nil)), "then operation 1: key", nil},
		{"get", model.If().Else(model.Put(key, nil), model.Get(nil)), "else operation 2: key", nil},
		{"lease", model.Do(model.Op{Kind: model.OpPut, Key: key, Lease: 1}), "then operation 1: lease", model.ErrUnsupported},
		{"kind", model.Do(model.Op{Kind: 6, Key: key}), "then operation 1: operation", nil},
		{"no kind", model.Do(model.Op{}), "then operation 1: operation", nil},
		{"delete with a limit", model.Do(model.Op{Kind: model.OpDeleteRange, Range: model.RangeOptions{Limit: 1}}), "then operation 1: range", nil},
		{"past revision", model.Do(model.Range(model.RangeOptions{Revision: 1})), "then operation 1: revision", model.ErrUnsupported},
		{"level", model.Do(model.Range(model.RangeOptions{Level: model.Local})), "then operation 1: level", model.ErrUnsupported},
		{"max bytes", model.Do(model.Range(model.RangeOptions{MaxBytes: 1})), "then operation 1: max bytes", model.ErrUnsupported},
		{"range", model.Do(model.Range(model.RangeOptions{Limit: -1})), "then operation 1: limit", nil},
		{"two puts", model.Do(model.Put(key, nil), model.Put(key, nil)), "then operations", model.ErrDuplicateWrite},
		{"put and delete", model.If().Else(model.Put(key, nil), model.Delete(key)), "else operations", model.ErrDuplicateWrite},
		{"put in a deleted range", model.Do(model.Put(key, nil), model.DeletePrefix([]byte("k"))), "then operations", model.ErrDuplicateWrite},
		{"ranges overlap", model.Do(model.DeleteRange([]byte("a"), []byte("c")), model.DeleteRange([]byte("b"), nil)), "then operations", model.ErrDuplicateWrite},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.txn.Validate()
			var invalid *model.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, c.field, invalid.Field)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
		})
	}
}

func TestTxnLimits(t *testing.T) {
	full := model.Txn{Compares: make([]model.Compare, model.MaxOps), Success: make([]model.Op, model.MaxOps), Failure: make([]model.Op, model.MaxOps)}
	for i := range model.MaxOps {
		k := fmt.Appendf(nil, "%06d", i)
		full.Compares[i], full.Success[i], full.Failure[i] = model.Version(k).Equals(0), model.Put(k, nil), model.Get(k)
	}
	require.GreaterOrEqual(t, model.MaxOps, 10_000)
	require.NoError(t, full.Validate())
	for name, over := range map[string]model.Txn{
		"comparisons":        full.If(model.Version(key).Equals(0)),
		"success operations": full.Then(model.Get(key)),
		"failure operations": full.Else(model.Get(key)),
	} {
		require.ErrorIs(t, over.Validate(), model.ErrTooLarge, name)
	}
}

// TestDuplicateWritesAreFound compares the answer with one that tries every key.
func TestDuplicateWritesAreFound(t *testing.T) {
	rng := newRand(t)
	alphabet := []string{"a", "a\x00", "a\x01", "ab", "b", "b\xff", "c", "\xff", "\xff\xff"}
	pick := func() []byte { return []byte(alphabet[rng.IntN(len(alphabet))]) }
	refused := 0
	for range 20_000 {
		var ops []model.Op
		writes := map[string]int{}
		for range 1 + rng.IntN(4) {
			var op model.Op
			switch rng.IntN(5) {
			case 0:
				op = model.Put(pick(), nil)
			case 1:
				op = model.Delete(pick())
			case 2:
				op = model.DeleteRange(pick(), pick())
			case 3:
				op = model.DeletePrefix(pick())
			case 4:
				op = model.DeleteRange(pick(), nil)
			}
			ops = append(ops, op)
			for _, k := range alphabet {
				if writesKey(op, []byte(k)) {
					writes[k]++
				}
			}
		}
		twice := false
		for _, n := range writes {
			twice = twice || n > 1
		}
		err := model.Do(ops...).Validate()
		if twice {
			refused++
			require.ErrorIs(t, err, model.ErrDuplicateWrite, "%v", ops)
		} else if err != nil {
			// Two intervals may overlap between the letters of the alphabet; then both are intervals.
			require.ErrorIs(t, err, model.ErrDuplicateWrite)
			require.True(t, overlapBetweenLetters(ops), "%v", ops)
		}
	}
	require.NotZero(t, refused)
}

func writesKey(op model.Op, k []byte) bool {
	if op.Kind != model.OpDeleteRange {
		return bytes.Equal(op.Key, k)
	}
	from, to := op.Range.Bounds()
	return bytes.Compare(k, from) >= 0 && (to == nil || bytes.Compare(k, to) < 0)
}

// overlapBetweenLetters says whether two intervals of ops have a key in common: the greater of their beginnings.
func overlapBetweenLetters(ops []model.Op) bool {
	for i, a := range ops {
		for _, b := range ops[:i] {
			if a.Kind != model.OpDeleteRange || b.Kind != model.OpDeleteRange {
				continue
			}
			from, _ := a.Range.Bounds()
			if other, _ := b.Range.Bounds(); bytes.Compare(other, from) > 0 {
				from = other
			}
			if writesKey(a, from) && writesKey(b, from) {
				return true
			}
		}
	}
	return false
}
