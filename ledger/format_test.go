package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// The format in force is what the last Format entry says, through a truncation, a trim and a restart.
func TestFormatInForce(t *testing.T) {
	r := newRig(t)
	require.Equal(t, uint32(FormatInitial), r.l.Format())
	r.append(1, 3, 100)
	r.appendKind(1, raft.KindFormat, []byte{2, 0, 0, 0}) // 4
	r.flush()
	r.append(1, 1, 100)
	r.appendKind(1, raft.KindFormat, []byte{3, 0, 0, 0}) // 6
	r.flush()
	require.Equal(t, uint32(3), r.l.Format())
	require.NoError(t, r.l.Truncate(6))
	require.Equal(t, uint32(2), r.l.Format())
	r.append(2, 3, 100) // 6 to 8
	r.flush()
	for range 2 {
		for i, want := range []uint32{1, 1, 1, 1, 2, 2, 2, 2, 2} {
			require.Equal(t, want, r.l.FormatAt(raft.Index(i)), "behind %d", i)
		}
		require.Equal(t, uint32(2), r.l.Format())
		r.reopen()
	}
	r.append(2, 40, 3000)
	r.flush()
	base, moved, err := r.l.Trim(r.l.Last().Index)
	require.NoError(t, err)
	require.True(t, moved)
	require.Equal(t, uint32(2), base.Format)
	require.Equal(t, uint32(2), r.l.FormatAt(1), "below the base it is the base's")
	r.reopen()
	require.Equal(t, uint32(2), r.l.Format())
}

// Whoever does not know the format in force leaves the log alone, in whatever way it came into force.
func TestAnUnknownFormatIsRefused(t *testing.T) {
	for name, raise := range map[string]func(r *rig){
		"by an entry": func(r *rig) {
			r.append(1, 3, 100)
			r.appendKind(1, raft.KindFormat, []byte{2, 0, 0, 0})
			r.append(1, 3, 100)
			r.flush()
		},
		"by a base": func(r *rig) {
			reset, err := r.l.PrepareReset(raft.Base{ID: raft.EntryID{Index: 100, Term: 3}, Position: 8000, Format: 2, Configuration: testBoot})
			require.NoError(t, err)
			require.NoError(t, r.l.CommitReset(reset, 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			raise(r)
			left := r.disk.Crash(disk.Cut{Keep: disk.Nothing})
			r.onto(left)
			for _, known := range []uint32{0, 1} {
				older := r.opts
				older.Format = known
				ops := left.Ops()
				_, err := Open(older)
				var unknown *FormatError
				require.ErrorAs(t, err, &unknown)
				require.Contains(t, unknown.What, "entries of format 2 are in force")
				require.Equal(t, ops, left.Ops(), "something was written")
			}
			r.opts.Format = 2
			r.open()
			require.Equal(t, uint32(2), r.l.Format())
		})
	}
}
