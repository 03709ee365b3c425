package smtest_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

func TestModelsOutliveTheirHandles(t *testing.T) {
	var s smtest.Models
	commit := func(m *smtest.Model, n int) {
		for range n {
			b := m.Begin()
			b.Advance()
			require.NoError(t, b.Commit(m.Applied()+1))
		}
	}
	a, b := statemachine.Place{Group: 1, Epoch: 1}, statemachine.Place{Group: 2, Epoch: 7}
	first := s.Open(b)
	commit(first, 3)
	commit(s.Open(statemachine.Place{Group: 2, Epoch: 3}), 1)
	commit(s.Open(a), 2)
	require.Equal(t, []uint64{3, 7}, s.Epochs(2))
	require.Equal(t, []uint64{1}, s.Epochs(1))
	require.Empty(t, s.Epochs(3))

	again := s.Open(b)
	require.EqualValues(t, 3, again.Applied(), "a clean end loses nothing")
	_, err := first.View(statemachine.Latest)
	require.ErrorIs(t, err, statemachine.ErrClosed)
	require.Zero(t, first.Applied())
	require.Zero(t, first.Durable())
	require.ErrorIs(t, first.Flush(), statemachine.ErrClosed)

	s.Drop(b)
	s.Drop(b)
	require.Equal(t, []uint64{3}, s.Epochs(2))
	_, err = again.Image()
	require.ErrorIs(t, err, statemachine.ErrClosed)
	require.Zero(t, s.Open(b).Applied(), "what was dropped is gone")
}

// TestModelsCrash sees that crashes reach every batch that they may, and none that they may not, and that the same seed does the
// same again.
func TestModelsCrash(t *testing.T) {
	place := statemachine.Place{Group: 1, Epoch: 1}
	crash := func(seed uint64) (durable, left statemachine.Index) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var s smtest.Models
		m := s.Open(place)
		for i := range 10 {
			b := m.Begin()
			b.Advance()
			require.NoError(t, b.Commit(statemachine.Index(i+1)))
			if i == 3 {
				require.NoError(t, m.Flush())
			}
			if i == 6 {
				s.Settle(rng)
			}
		}
		durable = m.Durable()
		s.Crash(rng)
		m = s.Open(place)
		require.EqualValues(t, m.Applied(), m.Revision(), "the numbers are of one batch")
		require.Equal(t, m.Applied(), m.Durable())
		return durable, m.Applied()
	}
	settled, left := map[statemachine.Index]bool{}, map[statemachine.Index]bool{}
	for seed := range uint64(300) {
		d, l := crash(seed)
		d2, l2 := crash(seed)
		require.Equal(t, []statemachine.Index{d, l}, []statemachine.Index{d2, l2})
		require.LessOrEqual(t, d, l)
		settled[d], left[l] = true, true
	}
	require.Len(t, settled, 4, "durable is 4 to 7")
	require.Len(t, left, 7, "4 to 10 are left")
}
