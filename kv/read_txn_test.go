package kv_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// TestTransactionsThatReadGiveTheSameOnAView: beside the log they give what they would give in it.
func TestTransactionsThatReadGiveTheSameOnAView(t *testing.T) {
	seed := newSeed(t)
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			g := generator{rand.New(rand.NewPCG(seed, 5))}
			m := engine.open(t)
			for range 300 {
				apply(t, m, kv.AppendTxn(nil, g.txn(m.Revision())))
				x := g.txn(m.Revision())
				writes := func(op model.Op) bool { return op.Kind != model.OpGet && op.Kind != model.OpRange }
				x.Success, x.Failure = slices.DeleteFunc(x.Success, writes), slices.DeleteFunc(x.Failure, writes)
				require.True(t, x.ReadOnly())
				applied, revision := m.Applied(), m.Revision()
				got, err := m.ReadTxn(t.Context(), x)
				require.NoError(t, err)
				require.Equal(t, applied, m.Applied(), "nothing was applied")
				require.EqualValues(t, applied, got.Applied)
				got.Applied = 0
				requireResult(t, apply(t, m, kv.AppendTxn(nil, x)), statemachine.Result{Value: uint64(revision), Data: &got})
			}
		})
	}
}

// TestTransactionsThatReadAreBounded: as in the log, ranges are cut and gets are refused.
func TestTransactionsThatReadAreBounded(t *testing.T) {
	s := open(t, t.TempDir(), kv.BTree)
	defer func() { require.NoError(t, s.Close()) }()
	ctx := testContext(t)
	value := bytes.Repeat(b("v"), 1<<20)
	var gets []kv.Op
	for i := range model.MaxTxnReadBytes>>20 + 1 {
		key := fmt.Appendf(nil, "k%03d", i)
		_, err := s.Put(ctx, key, value)
		require.NoError(t, err)
		gets = append(gets, kv.Get(key))
	}
	_, err := s.Txn(ctx, kv.Do(gets...))
	require.ErrorIs(t, err, kv.ErrTooLarge)
	got, err := s.Txn(ctx, kv.Do(gets[0], kv.Range(kv.RangeOptions{Reverse: true}), kv.Range(kv.RangeOptions{CountOnly: true})))
	require.NoError(t, err)
	require.True(t, got.Results[0].Found)
	require.True(t, got.Results[1].Range.More)
	require.Equal(t, fmt.Appendf(nil, "k%03d", len(gets)-1), got.Results[1].Range.Items[0].Key)
	require.Equal(t, len(gets), got.Results[2].Range.Count)
}

// TestReadsAtEveryLevelOnEveryReplica: what was written before is seen on followers, too, and what a read says of its state is true.
func TestReadsAtEveryLevelOnEveryReplica(t *testing.T) {
	ctx := testContext(t)
	c := newCluster(t)
	leader, others := c.leader(ctx)
	key := b("k")
	for i := range 5 {
		for _, s := range append(others, leader) {
			value := fmt.Appendf(nil, "%d", i)
			rev, err := leader.Put(ctx, key, value)
			require.NoError(t, err)
			written := leader.Group().Applied()
			for _, level := range []kv.ReadLevel{kv.Linearizable, kv.Lease, kv.AtLeastRevision(rev), kv.AtLeastIndex(kv.Index(written)), kv.MaxStaleness(0)} {
				got, err := s.GetWith(ctx, key, kv.GetOptions{Level: level})
				require.NoError(t, err, level)
				require.Equal(t, value, got.Item.Value, level)
				require.Equal(t, rev, got.Revision, level)
				require.GreaterOrEqual(t, got.Applied, kv.Index(written), level)
				all, err := s.Range(ctx, kv.RangeOptions{Level: level, CountOnly: true})
				require.NoError(t, err, level)
				require.Equal(t, kv.RangeResult{Count: 1, Revision: rev, Applied: got.Applied}, all, level)
				both, err := s.Txn(ctx, kv.If(kv.Value(key).Equals(value)).Then(kv.Get(key)).At(level))
				require.NoError(t, err, level)
				require.True(t, both.Succeeded, level)
				require.Equal(t, got.Item, both.Results[0].Item, level)
				require.Equal(t, got.Applied, both.Applied, level)
			}
		}
	}
}

// TestReadsWaitForWhatTheyDemand: a revision and an index that are not there yet are waited for, and no longer than the caller wants.
func TestReadsWaitForWhatTheyDemand(t *testing.T) {
	onOneNode(t, func(ctx context.Context, t *testing.T, s *kv.Store) {
		_, err := s.Put(ctx, b("a"), b("0"))
		require.NoError(t, err)
		next := kv.Index(s.Group().Applied()) + 3
		for _, level := range []kv.ReadLevel{kv.AtLeastRevision(4), kv.AtLeastIndex(next)} {
			soon, cancel := context.WithTimeout(ctx, time.Millisecond)
			_, err := s.GetWith(soon, b("a"), kv.GetOptions{Level: level})
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded, level)
		}
		type answer struct {
			result kv.GetResult
			err    error
		}
		answers := make(chan answer, 2)
		for _, level := range []kv.ReadLevel{kv.AtLeastRevision(4), kv.AtLeastIndex(next)} {
			go func() {
				r, err := s.GetWith(ctx, b("a"), kv.GetOptions{Level: level})
				answers <- answer{r, err}
			}()
		}
		_, err = s.Delete(ctx, b("missing")) // an entry without a revision
		require.NoError(t, err)
		for i := range 3 {
			_, err = s.Put(ctx, b("a"), fmt.Appendf(nil, "%d", i+1))
			require.NoError(t, err)
		}
		for range 2 {
			a := <-answers
			require.NoError(t, a.err)
			require.GreaterOrEqual(t, a.result.Applied, next)
			require.GreaterOrEqual(t, a.result.Revision, kv.Revision(3))
		}
	})
}

// TestLeaseReadsNeedNoRound: while the lease holds, the leader answers though nobody else can be asked any more.
func TestLeaseReadsNeedNoRound(t *testing.T) {
	ctx := testContext(t)
	c := newClusterWith(t, func(o *node.Options, g *node.GroupOptions) {
		o.ElectionTimeout, o.HeartbeatInterval = 10*time.Second, 100*time.Millisecond
		g.Lease = 10 * time.Second
	})
	leader, _ := c.leader(ctx)
	_, err := leader.Put(ctx, b("a"), b("1"))
	require.NoError(t, err)
	for leased := false; !leased; {
		_, leased = leader.Group().LeaseRead()
		_, err := leader.Get(ctx, b("a")) // a round brings promises
		require.NoError(t, err)
	}
	c.isolate(leader)
	got, err := leader.GetWith(ctx, b("a"), kv.GetOptions{Level: kv.Lease})
	require.NoError(t, err)
	require.Equal(t, b("1"), got.Item.Value)
	_, err = leader.Range(ctx, kv.RangeOptions{Level: kv.MaxStaleness(time.Nanosecond)})
	require.NoError(t, err, "a lease proves freshness, too")
}

func TestLevelsOfTransactions(t *testing.T) {
	var invalid *kv.InvalidError
	require.ErrorAs(t, kv.Do(kv.Put(b("a"), nil)).At(kv.Local).Validate(), &invalid)
	require.Equal(t, "level", invalid.Field)
	require.NoError(t, kv.Do(kv.Get(b("a"))).At(kv.Local).Validate())
	for _, level := range []kv.ReadLevel{{Kind: model.LevelLease, Bound: 1}, {Kind: 6}, kv.MaxStaleness(-1)} {
		require.ErrorAs(t, kv.GetOptions{Level: level}.Validate(), &invalid, level)
		require.ErrorAs(t, kv.Do().At(level).Validate(), &invalid, level)
	}
	require.Equal(t, []string{"lease", "at least index 7", "at least revision 8", "at most 1s old"},
		[]string{kv.Lease.String(), kv.AtLeastIndex(7).String(), kv.AtLeastRevision(8).String(), kv.MaxStaleness(time.Second).String()})
}
