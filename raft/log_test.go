package raft

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainLog is entryLog written the obvious way: a list of everything.
type plainLog struct {
	base    EntryID
	entries []EntryID
	sizes   []uint32
}

func (l *plainLog) id(i Index) EntryID {
	if i == l.base.Index {
		return l.base
	}
	return l.entries[i-l.base.Index-1]
}

func (l *plainLog) last() Index { return l.base.Index + Index(len(l.entries)) }

func (l *plainLog) atMost(i Index, t Term) (EntryID, bool) {
	for i = min(i, l.last()); i >= l.base.Index; i-- {
		if l.id(i).Term <= t {
			return l.id(i), true
		}
		if i == 0 {
			break
		}
	}
	return EntryID{}, false
}

func (l *plainLog) bytes(lo, hi Index) (n uint64) {
	for _, s := range l.sizes[lo-l.base.Index : hi-l.base.Index] {
		n += uint64(s)
	}
	return n
}

// TestLogTableAgreesWithAPlainLog appends, truncates, compacts and resets at random.
func TestLogTableAgreesWithAPlainLog(t *testing.T) {
	t.Parallel()
	const seed = 3
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		table, plain := &entryLog{}, &plainLog{}
		table.sizes.reset(0)
		term := Term(1)
		for range 200 {
			base := plain.base.Index
			switch n := rng.IntN(20); {
			case n < 15:
				term += Term(rng.IntN(10) / 9 * rng.IntN(3))
				for range rng.IntN(5) {
					id, size := EntryID{plain.last() + 1, term}, uint32(64+rng.IntN(200))
					if rng.IntN(10) == 0 {
						size = 100_000 + uint32(rng.IntN(100_000))
					}
					table.append(id, size)
					plain.entries, plain.sizes = append(plain.entries, id), append(plain.sizes, size)
				}
			case n < 17 && plain.last() > base:
				from := base + 1 + Index(rng.IntN(int(plain.last()-base)))
				table.truncate(from)
				plain.entries, plain.sizes = plain.entries[:from-base-1], plain.sizes[:from-base-1]
				term++
			case n < 19 && plain.last() > base:
				to := plain.id(base + 1 + Index(rng.IntN(int(plain.last()-base))))
				table.compact(to)
				plain.entries, plain.sizes, plain.base = plain.entries[to.Index-base:], plain.sizes[to.Index-base:], to
			case rng.IntN(20) == 0:
				to := EntryID{plain.last() + 5, term}
				table.reset(to)
				plain.entries, plain.sizes, plain.base = nil, nil, to
			}
			compareLogs(t, rng, table, plain)
		}
	}
}

func compareLogs(t *testing.T, rng *rand.Rand, table *entryLog, plain *plainLog) {
	require.Equal(t, plain.base, table.base)
	require.Equal(t, plain.id(plain.last()), table.lastID())
	i := plain.base.Index + Index(rng.IntN(int(plain.last()-plain.base.Index)+1))
	require.Equal(t, plain.id(i), table.id(i))
	require.True(t, table.has(plain.id(i)))
	require.False(t, table.has(EntryID{i, plain.id(i).Term + 1}))
	require.False(t, table.has(EntryID{plain.last() + 1, plain.id(plain.last()).Term}))
	for _, limit := range []Term{plain.id(i).Term, plain.id(i).Term - 1} {
		want, ok := plain.atMost(i, limit)
		got, gotOK := table.atMost(i, limit)
		require.Equal(t, ok, gotOK)
		if ok {
			require.Equal(t, want, got)
		}
	}
	j := i + Index(rng.IntN(int(plain.last()-i)+1))
	require.InDelta(t, plain.bytes(i, j), table.sizes.between(i, j), 4*waypointBytes, "an estimate is off by the granularity at each end")
	if i < plain.last() {
		compareFit(t, rng, table, plain, i)
	}
}

func compareFit(t *testing.T, rng *rand.Rand, table *entryLog, plain *plainLog, prev Index) {
	limit := uint64(rng.IntN(1 << 20))
	last := table.sizes.fit(prev, limit)
	require.Greater(t, last, prev)
	require.LessOrEqual(t, last, plain.last())
	if last > prev+1 {
		require.LessOrEqual(t, table.sizes.between(prev, last), limit, "by the estimate it fits")
	}
}

func TestSizesAreExactAtWaypoints(t *testing.T) {
	var s sizes
	s.reset(10)
	s.append(11, 100)
	s.append(12, 1<<20) // large: a waypoint before and after
	s.append(13, 200)
	require.EqualValues(t, 100, s.between(10, 11))
	require.EqualValues(t, 1<<20, s.between(11, 12))
	require.EqualValues(t, 200, s.between(12, 13))
	require.EqualValues(t, 12, s.fit(11, 500), "at least one entry")
	require.EqualValues(t, 13, s.fit(11, 1<<62))
	require.EqualValues(t, 13, s.fit(11, 1<<64-1), "the sum overflows")
}

// TestTablesDoNotGrowPerEntry appends a hundred million bytes' worth of entries of one term.
func TestTablesDoNotGrowPerEntry(t *testing.T) {
	t.Parallel()
	l := &entryLog{}
	l.sizes.reset(0)
	for i := Index(1); i <= 1_000_000; i++ {
		l.append(EntryID{i, 7}, 4096)
	}
	require.Len(t, l.runs, 1)
	require.LessOrEqual(t, len(l.sizes.points), maxWaypoints)
	require.InDelta(t, 4096*500_000, l.sizes.between(250_000, 750_000), 4*waypointBytes)
	l.compact(EntryID{999_990, 7})
	require.LessOrEqual(t, len(l.sizes.points), 2)
	require.EqualValues(t, 10*4096, l.sizes.between(999_990, 1_000_000))
}

func TestSeedTakesOverWaypointsWithinTheLog(t *testing.T) {
	var s sizes
	s.seed(Base{ID: EntryID{10, 1}, Position: 5000}, 100, []Waypoint{{5, 100}, {10, 5000}, {50, 45_000}, {200, 90_000}})
	require.EqualValues(t, 40_000, s.between(10, 50))
	require.EqualValues(t, 20_000, s.between(10, 30), "in between it is an average")
	require.EqualValues(t, 50*RecordHeaderSize, s.between(50, 100), "behind the last one entries count as headers")
}
