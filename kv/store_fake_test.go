package kv

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
)

// fakeReplica applies what is proposed at once.
type fakeReplica struct {
	current *Machine
	limit   int
	// reads are the levels of reads that are not local. failure, if set, is what proposals and reads fail with.
	reads   []ReadLevel
	failure error
	// onPropose, if set, is called for each proposal, and may refuse it.
	onPropose func() error
	// onMachine, if set, is called when the machine is asked for, the count of calls so far given.
	onMachine func(call int)
	calls     int
}

func (r *fakeReplica) propose(ctx context.Context, body []byte) (statemachine.Result, error) {
	if r.failure != nil {
		return statemachine.Result{}, r.failure
	}
	if r.onPropose != nil {
		if err := r.onPropose(); err != nil {
			return statemachine.Result{}, err
		}
	}
	if len(body) > r.limit {
		return statemachine.Result{}, errors.New("the store let a body through that is too long")
	}
	results := make([]statemachine.Result, 1)
	next := r.current.Applied() + 1
	err := r.current.Apply([]statemachine.Entry{{Index: next, Body: body}}, next, results)
	return results[0], err
}

func (r *fakeReplica) serving() error { return r.failure }

func (r *fakeReplica) reach(_ context.Context, level ReadLevel) error {
	r.reads = append(r.reads, level)
	return r.failure
}

func (r *fakeReplica) machine() *Machine {
	r.calls++
	if r.onMachine != nil {
		r.onMachine(r.calls)
	}
	return r.current
}

func (r *fakeReplica) maxBody() int { return r.limit }

func fakeStore() (*Store, *fakeReplica) {
	r := &fakeReplica{current: NewMachine(btree.New()), limit: 1 << 14}
	return &Store{replica: r}, r
}

var (
	ctx = context.Background()
	key = []byte("k")
)

func TestLocalReadsAskNobody(t *testing.T) {
	s, r := fakeStore()
	_, err := s.Put(ctx, key, nil)
	require.NoError(t, err)
	_, err = s.GetWith(ctx, key, GetOptions{Level: Local})
	require.NoError(t, err)
	_, err = s.Range(ctx, RangeOptions{Level: Local})
	require.NoError(t, err)
	_, err = s.View(ctx, GetOptions{Level: Local})
	require.NoError(t, err)
	require.Empty(t, r.reads)

	_, err = s.Get(ctx, key)
	require.NoError(t, err)
	_, err = s.Range(ctx, RangeOptions{})
	require.NoError(t, err)
	v, err := s.View(ctx, GetOptions{})
	require.NoError(t, err)
	_, err = v.Get(key)
	require.NoError(t, err)
	require.Len(t, r.reads, 3, "a view asks once")

	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = s.GetWith(gone, key, GetOptions{Level: Local})
	require.ErrorIs(t, err, context.Canceled)
}

func TestFailuresOfTheGroupAreReturned(t *testing.T) {
	s, r := fakeStore()
	for _, failure := range []error{ErrBusy, ErrUncertain, ErrDiskFull, ErrClosed, &NotLeaderError{Leader: "n2"}, &FailedError{Group: "kv", Err: errors.New("disk")}} {
		r.failure = failure
		for name, call := range map[string]func() error{
			"put":          func() error { _, err := s.Put(ctx, key, nil); return err },
			"delete":       func() error { _, err := s.Delete(ctx, key); return err },
			"delete range": func() error { _, err := s.DeleteRange(ctx, nil, nil); return err },
			"txn":          func() error { _, err := s.Txn(ctx, Do(Put(key, nil))); return err },
			"swap":         func() error { _, err := s.CompareAndSwap(ctx, key, 0, nil); return err },
			"compact":      func() error { return s.Compact(ctx, 1) },
			"get":          func() error { _, err := s.Get(ctx, key); return err },
			"range":        func() error { _, err := s.Range(ctx, RangeOptions{}); return err },
			"view":         func() error { _, err := s.View(ctx, GetOptions{}); return err },
		} {
			require.ErrorIs(t, call(), failure, name)
		}
	}
	require.Equal(t, statemachine.Index(0), r.current.Applied())
}

func TestInvalidRequestsAreNotProposed(t *testing.T) {
	s, r := fakeStore()
	long, twice := make([]byte, model.MaxKeyBytes+1), Do(Put(key, nil), Delete(key))
	for name, call := range map[string]func() error{
		"put without a key":   func() error { _, err := s.Put(ctx, nil, nil); return err },
		"put of a long key":   func() error { _, err := s.Put(ctx, long, nil); return err },
		"put of a long value": func() error { _, err := s.Put(ctx, key, make([]byte, r.limit)); return err },
		"delete":              func() error { _, err := s.Delete(ctx, nil); return err },
		"delete range":        func() error { _, err := s.DeleteRange(ctx, append(long, 'k'), nil); return err },
		"delete prefix":       func() error { _, err := s.DeletePrefix(ctx, append(long, 'k')); return err },
		"txn":                 func() error { _, err := s.Txn(ctx, twice); return err },
		"long txn":            func() error { _, err := s.Txn(ctx, Do(Put(key, make([]byte, r.limit)))); return err },
		"swap":                func() error { _, err := s.CompareAndSwap(ctx, nil, 0, nil); return err },
		"compact":             func() error { return s.Compact(ctx, 0) },
		"get":                 func() error { _, err := s.Get(ctx, nil); return err },
		"get with":            func() error { _, err := s.GetWith(ctx, key, GetOptions{Level: ReadLevel{Kind: 9}}); return err },
		"range":               func() error { _, err := s.Range(ctx, RangeOptions{Limit: -1}); return err },
		"view":                func() error { _, err := s.View(ctx, GetOptions{Level: ReadLevel{Kind: 9}}); return err },
	} {
		var invalid *InvalidError
		require.ErrorAs(t, call(), &invalid, name)
	}
	require.Equal(t, statemachine.Index(0), r.current.Applied())
	require.Zero(t, r.reads)
}

// TestLongestPut: what just fits is accepted.
func TestLongestPut(t *testing.T) {
	s, r := fakeStore()
	value := make([]byte, r.limit-envelopeHeaderSize-putHeaderSize-len(key))
	_, err := s.Put(ctx, key, value)
	require.NoError(t, err)
	_, err = s.Put(ctx, key, append(value, 0))
	require.ErrorIs(t, err, ErrTooLarge)
}

// TestReadsSurviveAnInstalledImage: the machine is replaced and closed between being asked for and being read.
func TestReadsSurviveAnInstalledImage(t *testing.T) {
	s, r := fakeStore()
	_, err := s.Put(ctx, key, []byte("v"))
	require.NoError(t, err)
	old, next := r.current, NewMachine(btree.New())
	img, err := old.Image()
	require.NoError(t, err)
	require.NoError(t, next.Restore(img))
	require.NoError(t, img.Close())
	r.onMachine = func(call int) {
		if call == 1 {
			require.NoError(t, old.Close())
		} else {
			r.current = next
		}
	}
	item, err := s.Get(ctx, key)
	require.NoError(t, err)
	require.Equal(t, []byte("v"), item.Value)
	require.Equal(t, 3, r.calls)
}

func TestReadsOfAClosedStore(t *testing.T) {
	s, r := fakeStore()
	v, err := s.View(ctx, GetOptions{})
	require.NoError(t, err)
	_, err = s.Put(ctx, key, nil)
	require.NoError(t, err)
	later, err := s.View(ctx, GetOptions{})
	require.NoError(t, err)
	require.NoError(t, r.current.Close())
	for name, call := range map[string]func() error{
		"get":            func() error { _, err := s.GetWith(ctx, key, GetOptions{Level: Local}); return err },
		"range":          func() error { _, err := s.Range(ctx, RangeOptions{Level: Local}); return err },
		"view":           func() error { _, err := s.View(ctx, GetOptions{Level: Local}); return err },
		"through a view": func() error { _, err := later.Get(key); return err },
	} {
		require.ErrorIs(t, call(), ErrClosed, name)
	}
	_, err = v.Get(key)
	require.ErrorIs(t, err, ErrNotFound, "revision 0 is known to be empty")
	require.NoError(t, s.Close(), "nothing was opened with it")
}

// TestViewOfTheEmptyStore: revision 0 is a revision to look at, though as an option it means the newest.
func TestViewOfTheEmptyStore(t *testing.T) {
	s, _ := fakeStore()
	v, err := s.View(ctx, GetOptions{})
	require.NoError(t, err)
	_, err = s.Put(ctx, key, nil)
	require.NoError(t, err)
	require.Equal(t, Revision(0), v.Revision())
	_, err = v.Get(key)
	require.ErrorIs(t, err, ErrNotFound)
	all, err := v.Range(t.Context(), RangeOptions{})
	require.NoError(t, err)
	require.Zero(t, all.Count)
	var invalid *InvalidError
	_, err = v.Get(nil)
	require.ErrorAs(t, err, &invalid)
	_, err = v.Range(t.Context(), RangeOptions{Limit: -1})
	require.ErrorAs(t, err, &invalid)
	_, err = v.Range(t.Context(), RangeOptions{Revision: 1})
	require.ErrorAs(t, err, &invalid)
}

// What a delete has removed before one of its steps failed is gone: its outcome is unknown then, whatever the step says.
func TestADeleteInStepsThatFailsIsUncertain(t *testing.T) {
	s, r := fakeStore()
	var txn Txn
	for i := range model.MaxDeleteKeys {
		txn.Success = append(txn.Success, model.Put(binary.BigEndian.AppendUint32(nil, uint32(i)), nil))
	}
	r.limit = 1 << 20
	_, err := s.Txn(ctx, txn)
	require.NoError(t, err)
	steps := 0
	r.onPropose = func() error {
		if steps++; steps > 1 {
			return ErrBusy
		}
		return nil
	}
	_, err = s.DeleteRange(ctx, nil, nil)
	require.ErrorIs(t, err, ErrUncertain)
	require.ErrorIs(t, err, ErrBusy)
	_, err = s.DeleteRange(ctx, nil, nil)
	require.ErrorIs(t, err, ErrBusy)
	require.NotErrorIs(t, err, ErrUncertain, "it was refused before anything was done")
}
