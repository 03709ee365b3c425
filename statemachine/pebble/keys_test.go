package pebble

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// seeded gives a random source whose seed is logged, and set by LEDGERKV_SEED.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if s := os.Getenv("LEDGERKV_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err, "LEDGERKV_SEED")
	}
	t.Logf("LEDGERKV_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// awkward gives keys that are easy to mistake for others: of few bytes, and those the ones that have a meaning.
func awkward(r *rand.Rand) []byte {
	key := make([]byte, r.IntN(12))
	for i := range key {
		key[i] = []byte{0, 0, 1, 0xfe, 0xff, suffixEnd}[r.IntN(6)]
	}
	return key
}

func TestKeysKeepTheirOrder(t *testing.T) {
	r := seeded(t)
	ns := makeNamespace(r.Uint64()>>r.IntN(64), r.Uint64()>>r.IntN(64))
	for range 20_000 {
		a, b := awkward(r), awkward(r)
		revA, revB := statemachine.Revision(r.Uint64()>>r.IntN(64)), statemachine.Revision(r.Uint64()>>r.IntN(64))
		ka, kb := ns.appendVersionKey(nil, a, revA), ns.appendVersionKey(nil, b, revB)
		want := bytes.Compare(a, b)
		if want == 0 {
			want = cmp.Compare(revB, revA)
		}
		require.Equal(t, want, compare(ka, kb), "%x@%d and %x@%d", a, revA, b, revB)

		bound := ns.appendPrefix(nil, b)
		require.Equal(t, bytes.Compare(a, b) < 0, compare(ka, bound) < 0, "%x is on the wrong side of the bound %x", a, b)
		require.Equal(t, len(bound), split(bound), "a bound has no suffix")

		prefix, rev := splitVersionKey(ka)
		require.Equal(t, revA, rev)
		require.True(t, bytes.Equal(a, ns.userKey(prefix)), "%x came back as %x", a, ns.userKey(prefix))
		require.Equal(t, len(prefix), split(ka))
		abbreviated := cmp.Compare(comparer.AbbreviatedKey(ka), comparer.AbbreviatedKey(kb))
		require.True(t, abbreviated == 0 || abbreviated == want)
	}
}

// TestComparerKeepsItsContract has Pebble check what it demands of a comparer.
func TestComparerKeepsItsContract(t *testing.T) {
	r := seeded(t)
	ns := makeNamespace(3, 1)
	prefixes := [][]byte{
		ns.table(tableMeta), ns.table(tableSwept), ns.blockKey(0, 0), ns.blockKey(1, 2), ns.table(tableEnd),
		makeNamespace(0, 0).table(tableMeta), makeNamespace(math.MaxUint64, 0).table(tableMeta),
	}
	for range 60 {
		prefixes = append(prefixes, ns.appendPrefix(nil, awkward(r)))
	}
	slices.SortFunc(prefixes, bytes.Compare)
	prefixes = slices.CompactFunc(prefixes, bytes.Equal)
	suffixes := [][]byte{{}}
	for _, rev := range []statemachine.Revision{newest, newest - 1, 1 << 40, 256, 255, 1, 0} {
		suffixes = append(suffixes, appendSuffix(nil, rev))
	}
	require.NoError(t, pebble.CheckComparer(comparer, prefixes, suffixes))
}

func TestNamespacesKeepTheirOrder(t *testing.T) {
	r := seeded(t)
	for range 10_000 {
		group, epoch := r.Uint64()>>r.IntN(65), r.Uint64()>>r.IntN(65)
		ns := makeNamespace(group, epoch)
		gotGroup, rest, ok := takeNumber(ns)
		require.True(t, ok)
		gotEpoch, rest, ok := takeNumber(rest)
		require.True(t, ok)
		require.Empty(t, rest)
		require.Equal(t, [2]uint64{group, epoch}, [2]uint64{gotGroup, gotEpoch})

		other := r.Uint64() >> r.IntN(65)
		require.Equal(t, epoch < other, bytes.Compare(ns, makeNamespace(group, other)) < 0)
		require.Equal(t, epoch == other, bytes.HasPrefix(makeNamespace(group, other), ns))
	}
	for _, bad := range [][]byte{nil, {9}, {2, 1}} {
		_, _, ok := takeNumber(bad)
		require.False(t, ok)
	}
}

func TestKeysArePrintedForPeople(t *testing.T) {
	ns := makeNamespace(300, 2)
	for want, key := range map[string][]byte{
		`300/2/v/"a\x00"@9`: ns.appendVersionKey(nil, []byte("a\x00"), 9),
		"300/2/m/":          ns.table(tableMeta),
		"300/2/r/0000000000000001" + "0000000200": ns.blockKey(1, 2),
		"09": {9},
	} {
		require.Equal(t, want, fmt.Sprint(comparer.FormatKey(key)))
	}
}
