package disk

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRenamedTwiceHasOneName: of a file that was renamed twice, unsynced, a power cut leaves one name, each of the three now and then.
func TestRenamedTwiceHasOneName(t *testing.T) {
	d := New(1)
	f, err := d.Create("a")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, d.SyncDir("."))
	require.NoError(t, d.Rename("a", "b"))
	require.NoError(t, d.Rename("b", "c"))
	seen := map[string]int{}
	for seed := range uint64(500) {
		names, err := d.Crash(Cut{Seed: seed}).List(".")
		require.NoError(t, err)
		require.Len(t, names, 1, "seed %d", seed)
		seen[names[0]]++
	}
	require.Len(t, seen, 3, "%v", seen)
}
