package trio_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

func TestAGateHoldsFlushesUpWhileItIsShut(t *testing.T) {
	t.Parallel()
	var g trio.Gate
	require.NoError(t, g.Flush(func() error { return nil }))
	failed := errors.New("failed")
	require.ErrorIs(t, g.Flush(func() error { return failed }), failed)
	require.EqualValues(t, 1, g.Flushes(), "one that fails does not count")

	g.Stall()
	g.Stall() // once is enough
	resumed := false
	passed := make(chan bool)
	go func() {
		_ = g.Flush(func() error { passed <- resumed; return nil })
	}()
	resumed = true // whoever passes before Resume would not be ordered after this: the race detector sees it, and most likely the value
	g.Resume()
	require.True(t, <-passed)
	g.Resume()
	g.Pass()
}
