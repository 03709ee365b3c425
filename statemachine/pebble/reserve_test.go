package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine/pebble"
)

// smallDisk says how much is free on it: so much, less the reserve where there is one.
type smallDisk struct {
	vfs.FS
	free uint64
}

func (d *smallDisk) GetDiskUsage(dir string) (vfs.DiskUsage, error) {
	free := d.free
	if info, err := d.Stat(d.PathJoin(dir, "RESERVE")); err == nil {
		free -= min(free, uint64(info.Size()))
	}
	return vfs.DiskUsage{AvailBytes: free}, nil
}

func TestStartOnAFullDisk(t *testing.T) {
	d := &smallDisk{FS: vfs.NewMem(), free: 1 << 30}
	s, err := pebble.Open("store", pebble.Options{FS: d})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = d.Stat("store/RESERVE")
	require.NoError(t, err, "with plenty of space a reserve is put aside")

	d.free = 8 << 20 // all of it reserved
	s, err = pebble.Open("store", pebble.Options{FS: d})
	require.NoError(t, err, "the reserve is there for this")
	require.NoError(t, s.Close())
	_, err = d.Stat("store/RESERVE")
	require.Error(t, err)

	d.free = 1 << 20
	_, err = pebble.Open("store", pebble.Options{FS: d})
	require.ErrorIs(t, err, pebble.ErrNoSpace)
	require.ErrorContains(t, err, "free some space")

	d.free = 1 << 30
	s, err = pebble.Open("store", pebble.Options{FS: d})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}
