package btree

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPinThatComesTooLate: a reader that was held up between looking at the state and counting itself in, while a compaction
// went by, must not read what may be gone; and it must not hold anything back.
func TestPinThatComesTooLate(t *testing.T) {
	e := New()
	commit := func(compact bool) {
		b := e.Begin()
		rev := b.Advance()
		_, err := b.Put([]byte("a"), nil, 0)
		require.NoError(t, err)
		if compact {
			require.NoError(t, b.Compact(rev))
		}
		require.NoError(t, b.Commit(e.Applied()+1))
	}
	commit(false)
	seen := e.state.Load()
	commit(false)
	require.True(t, e.tryPin(seen), "a commit alone is no obstacle")
	seen.unpin()
	commit(true)
	require.False(t, e.tryPin(seen))
	require.EqualValues(t, e.Compacted(), e.floor())
	now := e.pin()
	commit(true)
	require.EqualValues(t, 3, e.floor(), "a reader holds back what was compacted since")
	now.unpin()
	require.EqualValues(t, 4, e.floor())
}
