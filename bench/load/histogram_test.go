package load_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

var errOver = errors.New("nothing more")

// measured runs operations that take the given times, one after the other.
func measured(t *testing.T, times []time.Duration) load.Latency {
	t.Helper()
	clock := newFakeClock()
	var next int
	var sum time.Duration
	for _, d := range times {
		sum += d
	}
	m := phase(t, clock, load.Phase{Window: sum.Truncate(500*time.Millisecond) + 500*time.Millisecond}, func(*load.Op) (load.Done, error) {
		if next == len(times) { // the rest of the window fails
			clock.move(time.Second)
			return load.Done{}, errOver
		}
		clock.move(times[next])
		next++
		return load.Done{}, nil
	})
	return m.Latency[load.Put]
}

func TestHistogramsMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var all []time.Duration
	for range 4000 {
		all = append(all, time.Duration(math.Exp(rng.NormFloat64())*float64(time.Millisecond)))
	}
	one, two, both := measured(t, all[:1000]), measured(t, all[1000:]), measured(t, all)
	merged, err := load.MergeLatencies([]load.Latency{one, two})
	require.NoError(t, err)
	require.Equal(t, both, merged, "two histograms together are the histogram of both")
	require.EqualValues(t, 4000, merged.Count)
}

func TestHistogramsKeepPercentiles(t *testing.T) {
	var all []time.Duration
	for i := range 1000 {
		all = append(all, time.Duration(i+1)*10*time.Microsecond)
	}
	l := measured(t, all)
	for _, want := range []struct {
		is time.Duration
		ms float64
	}{{l.P50, 5}, {l.P90, 9}, {l.P99, 9.9}, {l.P999, 9.99}, {l.Max, 10}, {l.Mean, 5.005}} {
		require.InEpsilon(t, want.ms, want.is.Seconds()*1e3, 0.002)
	}
}

func TestHistogramsTravelAsJSON(t *testing.T) {
	l := measured(t, []time.Duration{time.Millisecond, 2 * time.Millisecond, 300 * time.Millisecond})
	text, err := json.Marshal(load.Measure{Latency: map[load.Kind]load.Latency{load.Put: l}})
	require.NoError(t, err)
	var back load.Measure
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, l, back.Latency[load.Put])
	h, err := load.DecodeHistogram(back.Latency[load.Put].Histogram)
	require.NoError(t, err)
	require.EqualValues(t, 3, h.TotalCount())
	require.InEpsilon(t, 300e6, float64(h.Max()), 0.002)
}

func TestWhatIsNoHistogramIsRefused(t *testing.T) {
	for _, text := range []string{"", "no base64!", "AAAA", "HISTFAAAAA=="} {
		_, err := load.DecodeHistogram(text)
		require.ErrorContains(t, err, "expected a histogram", "%q", text)
	}
	_, err := load.MergeLatencies([]load.Latency{{Histogram: "x"}})
	require.Error(t, err)
}
