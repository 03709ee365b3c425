package limits_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/limits"
)

func TestAllLimitsAreMeasuredAndNothingStays(t *testing.T) {
	dir := t.TempDir()
	all, err := limits.Measure(t.Context(), dir, 30*time.Millisecond)
	require.NoError(t, err)
	names := map[string]bool{}
	for _, l := range all {
		require.Positive(t, l.Value, l.Title)
		require.Contains(t, []string{"µs", "/s", "MB/s"}, l.Unit)
		names[l.Name] = true
	}
	for _, name := range []string{limits.Flush4K, limits.Flush64K, limits.Flush64KThree, limits.SeqWrite, limits.RoundTrip, limits.CachedRead, limits.EngineBTree, limits.EnginePebble} {
		require.True(t, names[name], name)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestLimitsEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all, err := limits.Measure(ctx, t.TempDir(), time.Hour)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, all)
}
