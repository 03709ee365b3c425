package kv_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
)

// engines are what the machine is tested on.
var engines = []struct {
	name string
	open func(testing.TB) *kv.Machine
}{
	{"btree", func(t testing.TB) *kv.Machine { return machine(t, btree.New()) }},
	{"pebble", func(t testing.TB) *kv.Machine { return onDisk(t) }},
}

// onDisk makes a machine in a directory of its own.
func onDisk(t testing.TB) *kv.Machine {
	factory, err := kv.NewFactory(kv.Pebble, kv.EngineOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, factory.Close()) })
	m, err := factory.Open(statemachine.Place{Group: 1, Epoch: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m.(*kv.Machine)
}

// machine makes a machine that is closed at the end of the test.
func machine(t testing.TB, engine statemachine.Engine) *kv.Machine {
	m := kv.NewMachine(engine)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// apply applies one entry and gives its result.
func apply(t testing.TB, m *kv.Machine, body []byte) statemachine.Result {
	t.Helper()
	results := make([]statemachine.Result, 1)
	next := m.Applied() + 1
	require.NoError(t, m.Apply([]statemachine.Entry{{Index: next, Body: body}}, next, results))
	return results[0]
}

// txn applies a transaction that is carried out.
func txn(t testing.TB, m *kv.Machine, x model.Txn) *model.TxnResult {
	t.Helper()
	require.NoError(t, x.Validate())
	data := apply(t, m, kv.AppendTxn(nil, x)).Data
	require.IsType(t, &model.TxnResult{}, data)
	return data.(*model.TxnResult)
}

func b(s string) []byte { return []byte(s) }

func TestRevisionsCountTransactionsThatWrite(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			result := func(v uint64, data any) statemachine.Result { return statemachine.Result{Value: v, Data: data} }
			require.Equal(t, result(0, nil), apply(t, m, kv.AppendDelete(nil, b("a"))), "nothing was there")
			require.Equal(t, result(1, nil), apply(t, m, kv.AppendPut(nil, b("a"), b("1"))))
			require.Equal(t, result(2, nil), apply(t, m, kv.AppendPut(nil, b("a"), b("1"))), "the same value again is a change")
			require.Equal(t, result(3, kv.Deleted(1)), apply(t, m, kv.AppendDelete(nil, b("a"))))
			require.Equal(t, result(3, nil), apply(t, m, kv.AppendDelete(nil, b("a"))))
			require.Equal(t, result(3, nil), apply(t, m, kv.AppendDeleteRange(nil, nil, nil)))

			read := txn(t, m, model.If(model.Version(b("a")).Equals(0)).Then(model.Get(b("a")), model.Delete(b("a"))).Else(model.Put(b("a"), nil)))
			require.True(t, read.Succeeded)
			require.Equal(t, model.Revision(3), read.Revision, "its branch wrote nothing")

			wrote := txn(t, m, model.Do(model.Put(b("a"), b("2")), model.Put(b("b"), b("3"))))
			require.Equal(t, model.Revision(4), wrote.Revision, "one revision for both")
			got, err := m.Get(b("a"), model.Latest)
			require.NoError(t, err)
			require.Equal(t, model.Item{Key: b("a"), Value: b("2"), CreateRevision: 4, ModRevision: 4, Version: 1}, got.Item, "a key put again after a delete begins anew")
			require.Equal(t, result(5, kv.Deleted(2)), apply(t, m, kv.AppendDeleteRange(nil, b("a"), b("c"))))
		})
	}
}

func TestOperationsSeeWhatTheOnesBeforeThemDid(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			txn(t, m, model.Do(model.Put(b("a"), b("old")), model.Put(b("b"), b("old")), model.Put(b("c"), b("old"))))
			r := txn(t, m, model.If(model.Value(b("a")).Equals(b("old"))).Then(
				model.Get(b("a")),
				model.Put(b("a"), b("new")),
				model.Get(b("a")),
				model.DeleteRange(b("b"), b("c")),
				model.Get(b("b")),
				model.Range(model.RangeOptions{Reverse: true}),
			)).Results
			require.Equal(t, b("old"), r[0].Item.Value)
			require.Equal(t, model.Item{Key: b("a"), Value: b("new"), CreateRevision: 1, ModRevision: 2, Version: 2}, r[2].Item)
			require.Equal(t, uint64(1), r[3].Deleted)
			require.False(t, r[4].Found)
			require.Equal(t, 2, r[5].Range.Count)
			require.Equal(t, []string{"c", "a"}, []string{string(r[5].Range.Items[0].Key), string(r[5].Range.Items[1].Key)})
			require.Equal(t, model.Revision(2), r[5].Range.Revision)
		})
	}
}

func TestRefusedEntriesChangeNothing(t *testing.T) {
	m := machine(t, btree.New())
	apply(t, m, kv.AppendPut(nil, b("a"), b("1")))
	twice := model.Do(model.Put(b("b"), nil), model.Put(b("a"), nil), model.DeletePrefix(b("a")))
	future := kv.AppendCompact(nil, 2)
	for name, c := range map[string]struct {
		body []byte
		is   error
	}{
		"rubbish":             {b("rubbish!"), model.ErrUnsupported},
		"nothing":             {nil, model.ErrMalformed},
		"a key written twice": {kv.AppendTxn(nil, twice), model.ErrDuplicateWrite},
		"a future revision":   {future, model.ErrFutureRevision},
		"a long key":          {kv.AppendPut(nil, make([]byte, model.MaxKeyBytes+1), nil), model.ErrTooLarge},
	} {
		r := apply(t, m, c.body)
		require.Equal(t, uint64(1), r.Value, name)
		require.Implements(t, (*error)(nil), r.Data, name)
		require.ErrorIs(t, r.Data.(error), c.is, name)
	}
	require.Equal(t, model.Revision(1), m.Revision())
	all, err := m.Range(t.Context(), model.RangeOptions{})
	require.NoError(t, err)
	require.Equal(t, 1, all.Count)
	require.Equal(t, model.Index(6), all.Applied, "refused entries are applied all the same")
}

func TestCompactionMayBeAskedForAgain(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			for i := range 5 {
				apply(t, m, kv.AppendPut(nil, b("a"), fmt.Append(nil, i)))
			}
			for range 2 {
				require.Equal(t, statemachine.Result{Value: 5}, apply(t, m, kv.AppendCompact(nil, 3)))
				require.Equal(t, model.Revision(3), m.Compacted())
			}
			require.Equal(t, statemachine.Result{Value: 5}, apply(t, m, kv.AppendCompact(nil, 2)), "below is compacted already")
			require.Equal(t, model.Revision(3), m.Compacted())
			_, err := m.Get(b("a"), 2)
			require.Equal(t, &model.RevisionError{Asked: 2, Bound: 3, Err: model.ErrCompacted}, err)
			got, err := m.Get(b("a"), 3)
			require.NoError(t, err)
			require.Equal(t, b("2"), got.Item.Value)
		})
	}
}

func TestDeleteOfManyKeys(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			for _, n := range []int{255, 256, 257, 1000} {
				x := model.Do(model.Put(b("j"), nil), model.Put(b("l"), nil))
				for i := range n {
					x.Success = append(x.Success, model.Put(fmt.Appendf(nil, "k%05d", i), nil))
				}
				txn(t, m, x)
				require.Equal(t, kv.Deleted(n), apply(t, m, kv.AppendDeleteRange(nil, b("k"), b("l"))).Data)
				left, err := m.Range(t.Context(), model.RangeOptions{CountOnly: true})
				require.NoError(t, err)
				require.Equal(t, 2, left.Count)
			}
		})
	}
}

// fillMiB puts n values of about a MiB.
func fillMiB(t *testing.T, m *kv.Machine, n int) {
	for i := range n {
		apply(t, m, kv.AppendPut(nil, fmt.Appendf(nil, "big%d", i), make([]byte, 1<<20-200)))
	}
}

func TestReadsOfATransactionAreBounded(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			fillMiB(t, m, 6)
			var gets []model.Op
			for i := range 6 {
				gets = append(gets, model.Get(fmt.Appendf(nil, "big%d", i)))
			}
			require.Len(t, txn(t, m, model.Do(gets[:4]...)).Results, 4, "they fit")

			before := m.Revision()
			refused := apply(t, m, kv.AppendTxn(nil, model.Do(model.Put(b("x"), nil)).Then(gets[:5]...)))
			require.IsType(t, &model.InvalidError{}, refused.Data)
			require.ErrorIs(t, refused.Data.(error), model.ErrTooLarge)
			require.Equal(t, before, m.Revision(), "refused before anything was written")
			own := model.Do(model.Put(b("x"), make([]byte, 3<<20)), model.Get(b("x")), model.Get(b("x")))
			require.ErrorIs(t, apply(t, m, kv.AppendTxn(nil, own)).Data.(error), model.ErrTooLarge, "its own writes count")
			small := model.Do(model.Put(b("big0"), nil), model.Put(b("big1"), nil)).Then(gets...)
			require.Len(t, txn(t, m, small).Results, 8, "what it has made small counts as small")

			fillMiB(t, m, 6)
			forward := txn(t, m, model.Do(model.Range(model.RangeOptions{Prefix: b("big")}), model.Range(model.RangeOptions{Prefix: b("big")})))
			first, second := forward.Results[0].Range, forward.Results[1].Range
			require.Equal(t, 4, first.Count)
			require.True(t, first.More)
			require.Equal(t, b("big0"), first.Items[0].Key)
			require.Equal(t, 0, second.Count, "they share the bound")
			require.True(t, second.More)

			reverse := txn(t, m, model.Do(model.Range(model.RangeOptions{Prefix: b("big"), Reverse: true}))).Results[0].Range
			require.Equal(t, 4, reverse.Count)
			require.True(t, reverse.More)
			require.Equal(t, b("big5"), reverse.Items[0].Key)
			require.Equal(t, b("big2"), reverse.Items[3].Key)
			keys := txn(t, m, model.Do(model.Range(model.RangeOptions{Prefix: b("big"), Reverse: true, KeysOnly: true}))).Results[0].Range
			require.Equal(t, 6, keys.Count)
			require.False(t, keys.More)
		})
	}
}

func TestRangesAreBoundedInBytes(t *testing.T) {
	m := machine(t, btree.New())
	for i := range 10 {
		apply(t, m, kv.AppendPut(nil, fmt.Append(nil, i), make([]byte, 99))) // counts 64 + 1 + 99
	}
	for _, c := range []struct {
		maxBytes, limit, count int
		more                   bool
	}{
		{1, 0, 1, true}, // the first item whatever its size
		{2 * 164, 0, 2, true},
		{2*164 + 163, 0, 2, true},
		{10 * 164, 0, 10, false},
		{10 * 164, 3, 3, true},
		{1 << 30, 0, 10, false},
	} {
		r, err := m.Range(t.Context(), model.RangeOptions{MaxBytes: c.maxBytes, Limit: c.limit})
		require.NoError(t, err)
		require.Equal(t, c.count, r.Count, "%+v", c)
		require.Equal(t, c.more, r.More, "%+v", c)
	}
}

func TestReadsRefuseWhatTheyCannotDo(t *testing.T) {
	m := machine(t, btree.New())
	var invalid *model.InvalidError
	_, err := m.Get(nil, model.Latest)
	require.ErrorAs(t, err, &invalid)
	_, err = m.Range(t.Context(), model.RangeOptions{Limit: -1})
	require.ErrorAs(t, err, &invalid)
}

// TestResultsOutliveTheState: what was read stays as it was when the key changes.
func TestResultsOutliveTheState(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			apply(t, m, kv.AppendPut(nil, b("a"), b("1")))
			got, err := m.Get(b("a"), model.Latest)
			require.NoError(t, err)
			all, err := m.Range(t.Context(), model.RangeOptions{})
			require.NoError(t, err)
			inTxn := txn(t, m, model.Do(model.Get(b("a")), model.Range(model.RangeOptions{})))
			want := got.Item
			for _, item := range []model.Item{got.Item, all.Items[0], inTxn.Results[0].Item, inTxn.Results[1].Range.Items[0]} {
				require.Equal(t, want, item)
				item.Key[0], item.Value[0] = 'x', 'x' // they are the caller's
				_ = append(item.Key, 'y')
				require.Equal(t, b("x"), item.Value)
				want = model.Item{Key: b("a"), Value: b("1"), CreateRevision: 1, ModRevision: 1, Version: 1}
				again, err := m.Get(b("a"), model.Latest)
				require.NoError(t, err)
				require.Equal(t, want, again.Item)
			}
		})
	}
}

// TestEntriesAreNotKept: the memory of the entries is used again by the log.
func TestEntriesAreNotKept(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			body := kv.AppendTxn(nil, model.Do(model.Put(b("a"), b("1")), model.Get(b("a"))))
			original := bytes.Clone(body)
			results := make([]statemachine.Result, 1)
			require.NoError(t, m.Apply([]statemachine.Entry{{Index: 1, Body: body}}, 1, results))
			require.Equal(t, original, body)
			clear(body)
			require.Equal(t, b("1"), results[0].Data.(*model.TxnResult).Results[1].Item.Value)
			got, err := m.Get(b("a"), model.Latest)
			require.NoError(t, err)
			require.Equal(t, b("1"), got.Item.Value)
		})
	}
}

func TestEntriesAreAppliedOnceAndInOrder(t *testing.T) {
	m := machine(t, btree.New())
	put := func(i statemachine.Index) statemachine.Entry {
		return statemachine.Entry{Index: i, Body: kv.AppendPut(nil, b("a"), nil)}
	}
	require.NoError(t, m.Apply([]statemachine.Entry{put(1), put(3)}, 5, make([]statemachine.Result, 2)))
	for name, c := range map[string]struct {
		entries []statemachine.Entry
		applied statemachine.Index
		results int
	}{
		"an entry applied already":  {[]statemachine.Entry{put(5)}, 6, 1},
		"entries out of order":      {[]statemachine.Entry{put(7), put(6)}, 8, 2},
		"an entry twice":            {[]statemachine.Entry{put(6), put(6)}, 8, 2},
		"applied below the entries": {[]statemachine.Entry{put(6), put(7)}, 6, 2},
		"applied going back":        {nil, 4, 0},
		"too few results":           {[]statemachine.Entry{put(6)}, 6, 0},
	} {
		require.Error(t, m.Apply(c.entries, c.applied, make([]statemachine.Result, c.results)), name)
	}
	require.Equal(t, statemachine.Index(5), m.Applied())
	require.Equal(t, model.Revision(2), m.Revision())
	require.NoError(t, m.Apply(nil, 9, nil), "entries without a body for the machine move the index")
	require.Equal(t, statemachine.Index(9), m.Applied())
}

// failingEngine fails to commit, as a full or broken disk does.
type failingEngine struct {
	statemachine.Engine
	err error
}

type failingBatch struct {
	statemachine.Batch
	err error
}

func (e *failingEngine) Begin() statemachine.Batch { return failingBatch{e.Engine.Begin(), e.err} }

func (b failingBatch) Commit(statemachine.Index) error { return b.err }

func TestAnEngineThatFailedIsNotUsedAgain(t *testing.T) {
	broken := errors.New("broken disk")
	m := machine(t, &failingEngine{btree.New(), broken})
	entries := []statemachine.Entry{{Index: 1, Body: kv.AppendPut(nil, b("a"), nil)}}
	for range 2 {
		require.ErrorIs(t, m.Apply(entries, 1, make([]statemachine.Result, 1)), broken)
	}
	require.Equal(t, statemachine.Index(0), m.Applied())
}

func TestImageCarriesTheStateOver(t *testing.T) {
	for _, from := range engines {
		for _, to := range engines {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				source, target := from.open(t), to.open(t)
				for i := range 50 {
					apply(t, source, kv.AppendPut(nil, fmt.Append(nil, i%7), fmt.Append(nil, i)))
				}
				apply(t, source, kv.AppendDelete(nil, b("3")))
				apply(t, source, kv.AppendCompact(nil, 20))
				img, err := source.Image()
				require.NoError(t, err)
				require.NoError(t, target.Restore(img))
				require.NoError(t, img.Close())
				require.Equal(t, source.Applied(), target.Applied())
				require.Equal(t, stateHash(t, source), stateHash(t, target))
				more := kv.AppendPut(nil, b("3"), b("again"))
				require.Equal(t, apply(t, source, more), apply(t, target, more))
				for _, rev := range []model.Revision{20, 35, 50, 51, 52} {
					want, err := source.Range(t.Context(), model.RangeOptions{Revision: rev})
					require.NoError(t, err)
					got, err := target.Range(t.Context(), model.RangeOptions{Revision: rev})
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
			})
		}
	}
}

func TestCloseWaitsForReads(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			m := engine.open(t)
			apply(t, m, kv.AppendPut(nil, b("a"), b("1")))
			var readers sync.WaitGroup
			started := make(chan struct{}, 4)
			for range 4 {
				readers.Go(func() {
					for once := true; ; once = false {
						_, err := m.Get(b("a"), model.Latest)
						if errors.Is(err, statemachine.ErrClosed) {
							return
						}
						if err != nil {
							t.Errorf("reading while the machine is closed: %v", err)
							return
						}
						if once {
							started <- struct{}{}
						}
					}
				})
			}
			for range 4 {
				<-started
			}
			require.NoError(t, m.Close())
			readers.Wait()
			_, err := m.Range(t.Context(), model.RangeOptions{})
			require.ErrorIs(t, err, statemachine.ErrClosed)
			require.NoError(t, m.Close(), "closing again does nothing")
		})
	}
}

func TestRestoreOfACutImageFails(t *testing.T) {
	m := machine(t, btree.New())
	require.Error(t, m.Restore(noChunks{}))
}

type noChunks struct{}

func (noChunks) Next() ([]byte, error) { return nil, io.EOF }
