package ledger

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
)

// TestOldSegmentsKeepFewWaypoints: what the index takes in memory does not grow with the log as the sidecars do, and everything is found all the
// same, before and after a restart.
func TestOldSegmentsKeepFewWaypoints(t *testing.T) {
	const size, seed = 1 << 20, 3
	r := newRig(t, func(o *Options) { o.SegmentSize = size })
	for range fullSegments + 4 {
		r.append(1, size/20_000, 20_000)
		r.append(1, size/20_000, 100)
		r.evict()
		r.provision()
	}
	look := func(when string) {
		segs := r.l.idx.segs
		old := len(segs) - fullSegments
		require.Greater(t, old, 3)
		for n, s := range segs[:len(segs)-1] {
			if n < old {
				require.LessOrEqual(t, len(s.points), size/thinnedBytes, when)
			} else {
				require.Greater(t, len(s.points), size/waypointBytes/2, when)
			}
			raw, err := fs.ReadFile(r.disk, r.l.names.sidecar(1, s.number))
			require.NoError(t, err)
			whole, err := decodeSidecar(raw)
			require.NoError(t, err)
			require.Greater(t, len(whole.points), size/waypointBytes/2, "the sidecar has all")
		}
		r.find(seed)
		n, damage := r.pass(r.l.Scrubber())
		require.Empty(t, damage)
		require.Equal(t, r.sealedBytes(), n)
	}
	look("as it grew")
	require.NoError(t, r.l.Close())
	r.open()
	look("from sidecars")
	require.NoError(t, r.l.Close())
	require.NoError(t, r.disk.Remove(r.l.names.sidecar(1, 1)))
	r.open()
	r.provision()
	look("from a sidecar made again")

	// A truncation far back makes an old segment the last one again.
	require.NoError(t, r.l.Truncate(r.l.idx.segs[1].first.Index+300))
	r.append(2, 500, 9000)
	r.flush()
	r.provision()
	r.find(seed)
	r.reopen()
	r.check()
}

// find reads entries here and there, by index and by position.
func (r *rig) find(seed uint64) {
	r.t.Helper()
	r.t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, seed))
	for range 60 {
		i := raft.Index(rng.Uint64N(uint64(r.l.Last().Index)) + 1)
		rec, err := r.l.Record(i)
		require.NoError(r.t, err)
		require.Equal(r.t, i, rec.ID.Index)
		require.Equal(r.t, bodyFor(rec.ID, len(rec.Body)), rec.Body)
		at, err := r.l.RecordAt(rec.Position)
		require.NoError(r.t, err)
		require.Equal(r.t, rec.ID, at.ID)
		below := r.l.IndexAt(rec.Position)
		require.LessOrEqual(r.t, below, i)
		from, err := r.l.Record(below)
		require.NoError(r.t, err)
		require.LessOrEqual(r.t, uint64(rec.Position-from.Position), uint64(thinnedBytes+waypointBytes+20_064))
	}
}
