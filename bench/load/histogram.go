package load

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histograms of latencies reach from 100 ns to ten minutes, with an error of at most a thousandth; those of slices, of which there are many, from a microsecond on,
// with an error of a hundredth. A longer latency counts as ten minutes.
const (
	longestLatency = 10 * time.Minute
	finest         = 100 * time.Nanosecond
	coarsest       = time.Microsecond
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(finest), int64(longestLatency), 3)
}

func newSliceHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(coarsest), int64(longestLatency), 2)
}

// record adds a latency.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	if err := h.RecordValue(int64(min(max(d, 0), longestLatency))); err != nil {
		panic(fmt.Sprintf("load: a histogram up to %v refused %v: %v", longestLatency, d, err))
	}
}

// merge adds what is in from to h, which reaches as far.
func merge(h, from *hdrhistogram.Histogram) {
	if dropped := h.Merge(from); dropped > 0 {
		panic(fmt.Sprintf("load: merging histograms of one geometry lost %d values", dropped))
	}
}

// summarise gives the figures of a histogram and its encoding.
func summarise(h *hdrhistogram.Histogram) (Latency, error) {
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return Latency{}, fmt.Errorf("load: encoding a histogram: %w", err)
	}
	at := func(percent float64) time.Duration { return time.Duration(h.ValueAtPercentile(percent)) }
	return Latency{Count: uint64(h.TotalCount()), Mean: time.Duration(h.Mean()), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9),
		Max: time.Duration(h.Max()), Histogram: string(encoded)}, nil
}

// DecodeHistogram gives back what Latency.Histogram holds, values in nanoseconds. The error says that it isn't one.
func DecodeHistogram(encoded string) (*hdrhistogram.Histogram, error) {
	h, err := hdrhistogram.Decode([]byte(encoded))
	if err != nil {
		return nil, fmt.Errorf("load: expected a histogram in HdrHistogram's V2 encoding: %w", err)
	}
	return h, nil
}

// MergeLatencies puts the histograms of several runs together, as if they had been one. The error says that one of them isn't a histogram.
func MergeLatencies(all []Latency) (Latency, error) {
	sum := newHistogram()
	for _, l := range all {
		h, err := DecodeHistogram(l.Histogram)
		if err != nil {
			return Latency{}, err
		}
		merge(sum, h)
	}
	return summarise(sum)
}
