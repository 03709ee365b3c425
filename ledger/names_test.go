package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// TestUnsyncedNameIsSettled: the sync of a new segment file's name fails, the process ends, and its successor finds the file. What it appends
// to it and flushes must survive a power cut (found by simulator seed 7).
func TestUnsyncedNameIsSettled(t *testing.T) {
	r := newRig(t)
	body := int(r.opts.SegmentSize/4) - raft.RecordHeaderSize
	r.provision()
	r.append(1, 3, body)
	r.flush()
	r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpSyncDir}, Count: 1})
	r.append(1, 1, body)
	r.write(nil)
	_, err := r.l.Flush()
	for more := true; more && err == nil; {
		more, err = r.l.Provision()
	}
	require.ErrorIs(t, err, disk.ErrIO)
	require.Error(t, r.l.Idle(), "the ledger is latched")

	r.onto(r.disk.KillProcess())
	r.open()
	for range 4 {
		r.append(2, 1, body)
		r.flush()
	}
	tip := r.l.Tip()
	r.onto(r.disk.Crash(disk.Cut{Keep: disk.Nothing}))
	r.open()
	require.Equal(t, tip, r.l.Tip())
	r.check()
}
