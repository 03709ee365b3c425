package load

import (
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// slicesOfWindow is into how many parts a window is cut, and shortestSlice how long one is at least.
const (
	slicesOfWindow = 50
	shortestSlice  = 100 * time.Millisecond
)

// recorder takes what operations have done. Callers share a few shards, each with a lock of its own, so that a thousand callers cost no thousand histograms and two
// seldom meet.
type recorder struct {
	start, stop time.Duration // the window, by the run's clock
	slice       time.Duration
	shards      []shard
}

// shard is a part of a recorder.
type shard struct {
	mu     sync.Mutex
	kinds  []Kind
	hists  []*hdrhistogram.Histogram // by the place of the kind in kinds
	slices []*hdrhistogram.Histogram // nil where nothing ended

	ended, items, bytes, failed, late uint64
	first                             error

	_ [64]byte // shards lie side by side and are written by different processors
}

func newRecorder(start, window time.Duration, shards int) *recorder {
	r := &recorder{start: start, stop: start + window, slice: max(window/slicesOfWindow, shortestSlice), shards: make([]shard, shards)}
	for i := range r.shards {
		r.shards[i].slices = make([]*hdrhistogram.Histogram, (window+r.slice-1)/r.slice)
	}
	return r
}

// outcome is an operation that has ended, one way or the other.
type outcome struct {
	kind Kind
	// begun is when it was meant to begin, by which its latency counts; in a closed loop that is when it began.
	begun, ended time.Duration
	// late: all callers were busy when it was meant to begin.
	late bool
	done Done
	err  error
}

// add counts an operation of a worker. What ended in the window counts for the rate, what was meant to begin in it for the latency.
func (r *recorder) add(worker int, o outcome) {
	begunWithin := o.begun >= r.start && o.begun < r.stop
	endedWithin := o.ended >= r.start && o.ended < r.stop
	if !begunWithin && !endedWithin {
		return
	}
	s := &r.shards[worker%len(r.shards)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.err != nil {
		s.failed++
		if s.first == nil {
			s.first = o.err
		}
		return
	}
	if o.late {
		s.late++
	}
	if begunWithin {
		record(s.hist(o.kind), o.ended-o.begun)
	}
	if endedWithin {
		s.ended++
		s.items += uint64(o.done.Items)
		s.bytes += uint64(o.done.Bytes)
		at := &s.slices[(o.ended-r.start)/r.slice]
		if *at == nil {
			*at = newSliceHistogram()
		}
		record(*at, o.ended-o.begun)
	}
}

func (s *shard) hist(kind Kind) *hdrhistogram.Histogram {
	i := slices.Index(s.kinds, kind)
	if i < 0 {
		i = len(s.kinds)
		s.kinds, s.hists = append(s.kinds, kind), append(s.hists, newHistogram())
	}
	return s.hists[i]
}

// ended is how many operations have ended in the window so far.
func (r *recorder) ended() uint64 {
	var n uint64
	for i := range r.shards {
		r.shards[i].mu.Lock()
		n += r.shards[i].ended
		r.shards[i].mu.Unlock()
	}
	return n
}

// measure puts the shards together. Nobody may add any more.
func (r *recorder) measure() (Measure, error) {
	m := Measure{Window: r.stop - r.start, Slice: r.slice, Latency: map[Kind]Latency{}}
	merged := map[Kind]*hdrhistogram.Histogram{}
	for i := range r.shards {
		s := &r.shards[i]
		m.Ended, m.Items, m.Bytes = m.Ended+s.ended, m.Items+s.items, m.Bytes+s.bytes
		m.Failed, m.Late = m.Failed+s.failed, m.Late+s.late
		if m.FirstError == "" && s.first != nil {
			m.FirstError = s.first.Error()
		}
		for k, kind := range s.kinds {
			if merged[kind] == nil {
				merged[kind] = newHistogram()
			}
			merge(merged[kind], s.hists[k])
		}
	}
	for kind, h := range merged {
		l, err := summarise(h)
		if err != nil {
			return m, err
		}
		m.Latency[kind] = l
	}
	m.Slices = r.measureSlices()
	return m, nil
}

func (r *recorder) measureSlices() []Slice {
	out := make([]Slice, len(r.shards[0].slices))
	for i := range out {
		h := newSliceHistogram()
		for s := range r.shards {
			if part := r.shards[s].slices[i]; part != nil {
				merge(h, part)
			}
		}
		out[i] = Slice{Ended: uint64(h.TotalCount())}
		if out[i].Ended > 0 {
			out[i].P50, out[i].P99 = time.Duration(h.ValueAtPercentile(50)), time.Duration(h.ValueAtPercentile(99))
			out[i].Max = time.Duration(h.Max())
		}
	}
	return out
}
