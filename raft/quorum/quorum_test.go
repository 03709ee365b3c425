package quorum_test

import (
	"fmt"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft/quorum"
)

func TestMajoritiesIntersect(t *testing.T) {
	for n := 1; n <= 9; n++ {
		m := quorum.Majority(n)
		require.Greater(t, 2*m, n, "two majorities of %d have one in common", n)
		require.LessOrEqual(t, 2*(m-1), n, "%d of %d is more than is needed", m, n)
	}
}

// TestReachedIsTheLargestThatAMajorityHas compares with a count over every assignment of three values to up to five voters.
func TestReachedIsTheLargestThatAMajorityHas(t *testing.T) {
	for n := 1; n <= 5; n++ {
		all := 1
		for range n {
			all *= 3
		}
		for code := range all {
			values := make([]int, n)
			for i, c := 0, code; i < n; i, c = i+1, c/3 {
				values[i] = c % 3
			}
			best := -1
			for v := range 3 {
				holders := 0
				for _, x := range values {
					if x >= v {
						holders++
					}
				}
				if 2*holders > n {
					best = v
				}
			}
			name := fmt.Sprint(values)
			require.Equal(t, best, quorum.Reached(values), name)
		}
	}
}

func TestTallyIsDecidedExactlyWhenItCanNotChange(t *testing.T) {
	for n := 1; n <= 5; n++ {
		for granted := range uint(1) << n {
			for refused := range uint(1) << n {
				if granted&refused != 0 {
					continue
				}
				g, r := bits.OnesCount(granted), bits.OnesCount(refused)
				outcome := quorum.Tally{Voters: n, Granted: g, Refused: r}.Outcome()
				switch {
				case 2*g > n:
					require.Equal(t, quorum.Won, outcome)
				case 2*(n-r) <= n:
					require.Equal(t, quorum.Lost, outcome, "even all others are no majority")
				default:
					require.Equal(t, quorum.Pending, outcome)
				}
			}
		}
	}
	require.Equal(t, quorum.Lost, quorum.Tally{}.Outcome(), "nobody can win among no voters")
}

func TestBoth(t *testing.T) {
	p, w, l := quorum.Pending, quorum.Won, quorum.Lost
	for _, c := range []struct{ a, b, both quorum.Outcome }{
		{w, w, w}, {w, p, p}, {p, w, p}, {p, p, p}, {l, w, l}, {w, l, l}, {l, p, l}, {p, l, l}, {l, l, l},
	} {
		require.Equal(t, c.both, quorum.Both(c.a, c.b), "%s and %s", c.a, c.b)
	}
}

func ExampleReached() {
	acknowledged := []uint64{9, 7, 4} // three voters' last durable entries
	fmt.Println(quorum.Reached(acknowledged))
	// Output: 7
}
