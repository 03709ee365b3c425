package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

// TestUnsyncedNodeFileIsSettled: the sync of the node file's name fails, the process ends, and its successor reads the file. The pin that it
// sees must survive a power cut.
func TestUnsyncedNodeFileIsSettled(t *testing.T) {
	d := disk.New(1)
	require.NoError(t, d.MkdirAll("data"))
	fresh := func() UUID { return UUID{1} }
	id, err := loadIdentity(d, "data", ClusterID("c"), "n1", false, fresh)
	require.NoError(t, err)
	d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpSyncDir}, Count: 1})
	require.ErrorIs(t, id.withPin("n2", UUID{2}).save(d, "data"), disk.ErrIO)

	d = d.KillProcess()
	id, err = loadIdentity(d, "data", ClusterID("c"), "n1", false, fresh)
	require.NoError(t, err)
	seen, pinned := id.pinned("n2")
	require.True(t, pinned)

	id, err = loadIdentity(d.Crash(disk.Cut{Keep: disk.Nothing}), "data", ClusterID("c"), "n1", false, fresh)
	require.NoError(t, err)
	again, pinned := id.pinned("n2")
	require.True(t, pinned, "the pin that the process acted upon is gone")
	require.Equal(t, seen, again)
}
