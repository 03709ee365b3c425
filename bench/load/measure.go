package load

import "time"

// Measure is what a run has found. Times are in nanoseconds in its JSON form.
type Measure struct {
	// Round is the number of the round in which it was found, from 0, where a run has several.
	Round int `json:"round"`
	// Began is when the window did, by the machine's time of day.
	Began time.Time `json:"began"`
	// Window is how long it counted, Ended how many operations ended in that time, with Items and Bytes as Done has them.
	Window time.Duration `json:"window_ns"`
	Ended  uint64        `json:"ended"`
	Items  uint64        `json:"items"`
	Bytes  uint64        `json:"bytes"`
	// Failed counts operations that ended with an error or not at all, and FirstError is one of the errors.
	Failed     uint64 `json:"failed,omitempty"`
	FirstError string `json:"first_error,omitempty"`
	// Late counts operations of an open loop that began more than a millisecond after they were meant to: all callers were busy.
	Late uint64 `json:"late,omitempty"`
	// Latency has the latencies of the operations that began, or were meant to, within the window, whenever they ended, by kind.
	Latency map[Kind]Latency `json:"latency,omitempty"`
	// Slices are equal parts of the window, in order; Slice is the length of one.
	Slice  time.Duration `json:"slice_ns,omitempty"`
	Slices []Slice       `json:"slices,omitempty"`
	// Usage is what the window cost.
	Usage Usage `json:"usage"`
	// Values are what a workload finds that is no rate or latency: "gap_ms".
	Values map[string]float64 `json:"values,omitempty"`
}

// Rate is how many operations ended a second; 0 without a window.
func (m *Measure) Rate() float64 {
	if m.Window <= 0 {
		return 0
	}
	return float64(m.Ended) / m.Window.Seconds()
}

// Latency summarises a histogram and holds it.
type Latency struct {
	Count uint64        `json:"count"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
	// Histogram is the whole of it, in the compressed V2 encoding of HdrHistogram, base64, values in nanoseconds. See DecodeHistogram.
	Histogram string `json:"histogram"`
}

// Slice is a part of the window: the operations that ended in it.
type Slice struct {
	Ended uint64        `json:"ended"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Usage is what something cost, over all processes of the cluster and the callers'. A field is nil where it is not known.
type Usage struct {
	// CPU is processor time, in user and kernel mode.
	CPU *time.Duration `json:"cpu_ns,omitempty"`
	// Written is how many bytes the processes had written to block devices, as the kernel counts them when pages become dirty: where it keeps files in large
	// folios it counts whole ones. DeviceWritten is what the device below the data was given meanwhile, whoever wrote it.
	Written       *uint64 `json:"written_bytes,omitempty"`
	DeviceWritten *uint64 `json:"device_written_bytes,omitempty"`
	// Flushes are those that the cluster counts itself (FlushCounter). DeviceFlushes are those that the block device below the data carried out meanwhile, whoever
	// asked for them; flushes of several files at a time may be one there.
	Flushes       *uint64 `json:"flushes,omitempty"`
	DeviceFlushes *uint64 `json:"device_flushes,omitempty"`
	// Peak is the largest resident memory, summed over the processes, since the window began (its sum is an upper bound where there are several).
	Peak *uint64 `json:"peak_bytes,omitempty"`
	// Allocations and Allocated are objects and bytes that this process has allocated on its heap.
	Allocations *uint64 `json:"allocations,omitempty"`
	Allocated   *uint64 `json:"allocated_bytes,omitempty"`
}
