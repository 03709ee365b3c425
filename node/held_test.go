package node_test

import (
	"errors"
	"io"
	"log/slog"
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
)

// heldGroups are what the tests' node holds: a log and a machine.
func heldGroups() []node.GroupOptions {
	return []node.GroupOptions{
		{ID: 1, Name: "log", SegmentSize: 1 << 16},
		{ID: 2, Name: "machine", SegmentSize: 1 << 17, Factory: tallies{}},
	}
}

const groupTwo = "data/groups/0000000000000002"

// openHeld opens a node on a disk without any goroutine, and groups on it. It gives what opening each group gave.
func openHeld(d *disk.Disk, groups ...node.GroupOptions) (errs []error, err error) {
	n, err := node.Open(node.Options{Dir: "data", FS: d, Seed: 1, Manual: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		_, err := n.OpenGroup(g)
		errs = append(errs, err)
	}
	return errs, n.Close()
}

// opensAll requires that the node and all groups open.
func opensAll(t *testing.T, d *disk.Disk, groups ...node.GroupOptions) {
	t.Helper()
	errs, err := openHeld(d, groups...)
	require.NoError(t, err)
	require.NoError(t, errors.Join(errs...))
}

// TestLostGroupIsNotMadeAnew: a replica that was there and is gone has forgotten votes and acknowledged entries. It is refused, and the other
// groups are served.
func TestLostGroupIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(d *disk.Disk) error{
		"the directory":        func(d *disk.Disk) error { return d.Rename(groupTwo, "elsewhere") },
		"the group file":       func(d *disk.Disk) error { return d.Remove(path.Join(groupTwo, "GROUP")) },
		"the directory of all": func(d *disk.Disk) error { return d.Rename("data/groups", "elsewhere") },
	} {
		d := disk.New(1)
		opensAll(t, d, heldGroups()...)
		require.NoError(t, lose(d), what)
		errs, err := openHeld(d, heldGroups()...)
		require.NoError(t, err, what)
		if what != "the directory of all" {
			require.NoError(t, errs[0], what)
		}
		var corrupt *ledger.CorruptionError
		require.ErrorAs(t, errs[1], &corrupt, what)
		require.Equal(t, path.Join(groupTwo, "GROUP"), corrupt.Path)
		require.ErrorContains(t, errs[1], `group 2 "machine"`)
		require.ErrorContains(t, errs[1], "if it was moved")
		_, err = d.Stat(path.Join(groupTwo, "GROUP"))
		require.ErrorIs(t, err, fs.ErrNotExist, "nothing was made")
		if what == "the directory" {
			require.NoError(t, d.Rename("elsewhere", groupTwo))
			opensAll(t, d, heldGroups()...)
		}
	}
}

// TestGroupStaysWhatItIs: id, name, kind and segment size are fixed when a group is made. More groups than before are no mistake, nor are fewer.
func TestGroupStaysWhatItIs(t *testing.T) {
	t.Parallel()
	d := disk.New(1)
	opensAll(t, d, heldGroups()...)
	for what, g := range map[string]node.GroupOptions{
		"another name":         {ID: 1, Name: "other", SegmentSize: 1 << 16},
		"another id":           {ID: 9, Name: "log", SegmentSize: 1 << 16},
		"another kind":         {ID: 1, Name: "log", SegmentSize: 1 << 16, Factory: tallies{}},
		"another segment size": {ID: 1, Name: "log", SegmentSize: 1 << 17},
		"the default size":     {ID: 2, Name: "machine", Factory: tallies{}},
	} {
		ops := 0
		d.Before = func(op disk.Op) error {
			if op.Seq != 0 && op.Path != "data/LOCK" && op.Kind != disk.OpSyncDir {
				ops++
			}
			return nil
		}
		errs, err := openHeld(d, g)
		d.Before = nil
		require.NoError(t, err, what)
		var mismatch *node.GroupMismatchError
		require.ErrorAs(t, errs[0], &mismatch, what)
		require.Equal(t, g.Name, mismatch.Asked.Name, what)
		require.NotEqual(t, mismatch.Held, mismatch.Asked, what)
		require.ErrorContains(t, errs[0], "mend the configuration", what)
		require.Zero(t, ops, "%s: names were synced, and nothing was written", what)
	}
	opensAll(t, d, heldGroups()[1])
	opensAll(t, d, append(heldGroups(), node.GroupOptions{ID: 3, Name: "more"})...)
	opensAll(t, d, heldGroups()...)

	id, err := node.ReadIdentity(d, "data")
	require.NoError(t, err)
	require.Equal(t, []node.HeldGroup{
		{ID: 1, Name: "log", SegmentSize: 1 << 16},
		{ID: 2, Name: "machine", Machine: true, SegmentSize: 1 << 17},
		{ID: 3, Name: "more", SegmentSize: 64 << 20},
	}, id.Groups)
	require.False(t, id.Admitted)
	require.Equal(t, node.ClusterID("ledgerkv"), id.Cluster)
}

// TestPowerCutWhileGroupsAreMade cuts the power before each operation of a first start, in several ways: the next start makes what is
// missing, and never takes a group that was not complete for one that was lost. What was open is there. The same for a process that is killed.
func TestPowerCutWhileGroupsAreMade(t *testing.T) {
	t.Parallel()
	d := disk.New(1)
	crashes := 0
	d.Before = func(op disk.Op) error {
		if op.Seq == 0 {
			return nil
		}
		for seed := range uint64(6) {
			cut := disk.Cut{Seed: seed, Garbage: seed%2 == 0, Keep: []disk.Keep{disk.Nothing, disk.Everything, disk.Any}[min(seed, 2)]}
			crashes++
			after := d.Crash(cut)
			errs, err := openHeld(after, heldGroups()...)
			require.NoError(t, err, "before %+v, cut %+v", op, cut)
			require.NoError(t, errors.Join(errs...), "before %+v, cut %+v", op, cut)
			id, err := node.ReadIdentity(after, "data")
			require.NoError(t, err)
			require.Len(t, id.Groups, 2)
		}
		// The process is killed, what the next one lists it has found in the page cache only, and then the power is cut.
		killed := d.KillProcess()
		errs, err := openHeld(killed, heldGroups()...)
		require.NoError(t, errors.Join(append(errs, err)...), "killed before %+v", op)
		errs, err = openHeld(killed.Crash(disk.Cut{Keep: disk.Nothing}), heldGroups()...)
		require.NoError(t, errors.Join(append(errs, err)...), "killed before %+v, and the power cut after a restart", op)
		return nil
	}
	opensAll(t, d, heldGroups()...)
	d.Before = nil
	require.Greater(t, crashes, 100)
	id, err := node.ReadIdentity(d.Crash(disk.Cut{Keep: disk.Nothing}), "data")
	require.NoError(t, err)
	require.Len(t, id.Groups, 2, "a group that is open is listed, durably")
}

// TestGroupThatCannotBeListed: a group whose place in the node file is not durable is not opened.
func TestGroupThatCannotBeListed(t *testing.T) {
	t.Parallel()
	d := disk.New(1)
	opensAll(t, d, heldGroups()[0])
	undo := d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Path: "NODE.tmp"})
	errs, err := openHeld(d, heldGroups()...)
	require.NoError(t, err)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], disk.ErrIO)
	undo()
	opensAll(t, d, heldGroups()...)
}
