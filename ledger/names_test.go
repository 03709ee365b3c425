package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// TestUnsyncedLengthIsSettled: the flush of a grown segment file fails, the process ends, and its successor finds the file as long as it was to be.
// What it writes there and flushes must survive a power cut (found by simulator seed 214).
func TestUnsyncedLengthIsSettled(t *testing.T) {
	r := newRig(t, func(o *Options) { o.ChunkBytes = minSegmentSize / 16 })
	r.provision()
	r.append(1, 4, 1000)
	r.flush()
	before := r.l.space.end.Load()
	r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Count: 1})
	for err := error(nil); err == nil; {
		_, err = r.l.Provision()
	}
	require.Error(t, r.l.Idle(), "the ledger is latched")

	r.onto(r.disk.KillProcess())
	r.open()
	require.Greater(t, r.l.space.end.Load(), before, "the file was to grow")
	for uint64(r.l.End()) <= before { // and no further than the space that was found
		r.append(2, 1, 1000)
		r.flush()
	}
	tip := r.l.Tip()
	r.onto(r.disk.Crash(disk.Cut{Keep: disk.Nothing}))
	r.open()
	require.Equal(t, tip, r.l.Tip())
	r.check()
}

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
	w, _ := r.l.Cut(nil)
	err := r.l.Write(w) // it fills the segment, so that the next file is made first
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
