package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// pass scrubs once over all that is sealed, and gives how many bytes that were and what was found.
func (r *rig) pass(s *Scrubber) (bytes int, damage []error) {
	r.t.Helper()
	for {
		n, err := s.Next()
		if n == 0 {
			require.NoError(r.t, err)
			return bytes, damage
		}
		require.LessOrEqual(r.t, n, thinnedBytes+waypointBytes+int(r.l.MaxRecordSize()))
		if bytes += n; err != nil {
			damage = append(damage, err)
		}
	}
}

// sealedBytes is how many bytes of records the sealed segments hold.
func (r *rig) sealedBytes() (n int) {
	segs := r.l.idx.segs
	for _, s := range segs[:max(len(segs), 1)-1] {
		n += int(s.tip.End - s.points[0].pos)
	}
	return n
}

// TestScrubReadsWhatIsSealed: all of it, from the disk although it is in memory, only what is durable, and again from the start.
func TestScrubReadsWhatIsSealed(t *testing.T) {
	r := newRig(t, func(o *Options) { o.SegmentSize, o.TailBytes = 4*minSegmentSize, 1<<30 })
	s := r.l.Scrubber()
	n, damage := r.pass(s)
	require.Zero(t, n)
	require.Empty(t, damage)
	r.append(1, 400, 2000)
	r.write(nil)
	n, _ = r.pass(s)
	require.Zero(t, n, "nothing is durable")
	r.flush()
	read := r.disk.Ops()
	want := r.sealedBytes()
	require.Greater(t, want, 3*minSegmentSize)
	for range 2 {
		n, damage = r.pass(s)
		require.Empty(t, damage)
		require.Equal(t, want, n)
	}
	require.Equal(t, read, r.disk.Ops(), "nothing was written")
	require.NoError(t, r.l.Close())
	_, err := s.Next()
	require.ErrorIs(t, err, ErrClosed)
}

// TestScrubFindsEveryFlip flips a byte of what is sealed, at one place after the other: each is found, and nothing but it.
func TestScrubFindsEveryFlip(t *testing.T) {
	r := newRig(t)
	over(r)
	r.evict()
	r.provision()
	require.Greater(t, len(r.l.idx.segs), 3)
	s := r.l.Scrubber()
	path := r.l.names.segment(1, 1)
	seg := r.l.idx.segs[1]
	end := fileOffset(seg.tip.End, r.l.size)
	require.Less(t, end, int64(pageSize+r.l.size-fillerSize), "there is a filler")
	want, _ := r.pass(s)
	for off := int64(pageSize); off < end+fillerSize; off += 131 {
		require.NoError(t, r.disk.Flip(path, off, 1<<(off%8)))
		n, damage := r.pass(s)
		require.Equal(t, want, n, "it goes on behind the damage")
		require.Len(t, damage, 1, "offset %d", off)
		var corrupt *CorruptionError
		require.ErrorAs(t, damage[0], &corrupt)
		require.Equal(t, path, corrupt.Path)
		require.LessOrEqual(t, corrupt.Offset, off)
		require.NoError(t, r.disk.Flip(path, off, 1<<(off%8)))
	}
	require.NoError(t, r.disk.Flip(path, end+5, 1))
	_, damage := r.pass(s)
	require.Len(t, damage, 1, "the filler")
	require.NoError(t, r.disk.Flip(path, end+5, 1))

	r.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpRead}, Path: "0000000000000002.seg", Count: 1})
	_, damage = r.pass(s)
	require.Len(t, damage, 1)
	require.ErrorIs(t, damage[0], disk.ErrIO)
	r.l.files.idle()
	require.NoError(t, r.disk.Remove(path))
	_, damage = r.pass(s)
	require.NotEmpty(t, damage, "the file is gone")
	require.NoError(t, r.l.Failed(), "the ledger can still serve what is sound")
	_, err := r.l.Record(r.l.Last().Index)
	require.NoError(t, err)
}

// TestScrubWaitsForTheFiller: where a truncation made a segment end, the disk holds the old record until the filler in its place is written.
func TestScrubWaitsForTheFiller(t *testing.T) {
	r := newRig(t)
	r.append(1, 31, 2000)
	r.append(1, 1, 100)
	r.flush()
	require.NoError(t, r.l.Truncate(32))
	r.append(2, 1, 10_000)
	require.Len(t, r.l.idx.segs, 2)
	s := r.l.Scrubber()
	_, damage := r.pass(s)
	require.Empty(t, damage)
	r.flush()
	n, damage := r.pass(s)
	require.Empty(t, damage)
	require.Equal(t, r.sealedBytes(), n)
}

// TestScrubMeetsChange: truncation, trim and reset under a scrubber are no damage.
func TestScrubMeetsChange(t *testing.T) {
	r := newRig(t)
	over(r)
	r.flush()
	s := r.l.Scrubber()
	for range 2 {
		_, err := s.Next()
		require.NoError(t, err)
	}
	require.NoError(t, r.l.Truncate(90))
	r.append(7, 150, 900)
	_, damage := r.pass(s)
	require.Empty(t, damage, "the disk still has what was truncated")
	r.flush()
	n, damage := r.pass(s)
	require.Empty(t, damage)
	require.Equal(t, r.sealedBytes(), n)
	_, err := s.Next()
	require.NoError(t, err)
	_, done, err := r.l.Trim(200)
	require.NoError(t, err)
	require.True(t, done)
	r.provision()
	_, damage = r.pass(s)
	require.Empty(t, damage)
	n, damage = r.pass(s)
	require.Empty(t, damage)
	require.Equal(t, r.sealedBytes(), n)

	reset, err := r.l.PrepareReset(raft.Base{ID: raft.EntryID{Index: 1000, Term: 9}, Position: 5 * minSegmentSize, Format: 1, Configuration: testBoot})
	require.NoError(t, err)
	require.NoError(t, r.l.CommitReset(reset, 2))
	r.append(9, 100, 2000)
	r.flush()
	_, damage = r.pass(s)
	require.Empty(t, damage)
	n, _ = r.pass(s)
	require.Equal(t, r.sealedBytes(), n)
}
