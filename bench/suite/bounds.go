package suite

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/bench/limits"
	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// setBounds says of each result what the machine would allow, where that follows from a limit. Only shapes whose nodes are on this machine have bounds.
func setBounds(r *report.Report) {
	value := func(name string) float64 {
		_, s := r.Limit(name)
		return s.Median
	}
	b := bounds{flush: value(limits.Flush4K) / 1e6, roundTrip: value(limits.RoundTrip) / 1e6, three: value(limits.Flush64KThree) * 1e6, one: 64 << 10 / (value(limits.Flush64K) / 1e6),
		engine: value(limits.EngineBTree), read: value(limits.CachedRead) * 1e6, cpus: float64(r.Machine.CPUs)}
	for _, x := range r.Results {
		if x.Bound = b.of(x); x.Bound != nil && !(x.Bound.Value > 0 && x.Bound.Value < 1e15) {
			x.Bound = nil // a limit that it follows from was not measured
		}
	}
}

// bounds are the limits, in seconds, operations a second and bytes a second.
type bounds struct {
	flush, roundTrip float64
	three, one       float64
	engine, read     float64
	cpus             float64
}

func (b bounds) of(x *report.Result) *report.Bound {
	if x.Shape == load.Running {
		return nil
	}
	nodes := 3.0
	if x.Shape == load.OneNode || x.Shape == load.OneNodeRemote {
		nodes = 1
	}
	switch x.Workload {
	case "put", "put-1k", "append":
	case "log-sequential":
		if x.Shape == load.ThreeNodes || x.Shape == load.OneNode {
			readers := min(float64(x.Point.Workers), b.cpus)
			return &report.Bound{Of: report.ByteRate, Value: b.read * readers, Why: fmt.Sprintf("reading from the page cache with CRC-32C, %.0f at a time", readers)}
		}
		return nil
	default:
		return nil
	}
	if x.Point.Workers == 1 {
		return b.alone(nodes)
	}
	if x.Workload == "append" {
		return b.appending(nodes)
	}
	if x.Workload == "put" && x.Point.Workers >= 64 {
		return &report.Bound{Of: report.Rate, Value: b.engine * b.cpus / nodes,
			Why: fmt.Sprintf("the engine in memory alone, for %.0f replicas on %.0f processors", nodes, b.cpus)}
	}
	return nil
}

// alone bounds a single caller: each write waits for a flush, and for a message there and back where followers have to flush.
func (b bounds) alone(nodes float64) *report.Bound {
	if nodes == 1 {
		return &report.Bound{Of: report.Rate, Value: 1 / b.flush, Why: "a flush of 4 KiB for each write"}
	}
	return &report.Bound{Of: report.Rate, Value: 1 / (b.flush + b.roundTrip), Why: "a flush of 4 KiB and a round trip over loopback for each write"}
}

// appending bounds many callers of a log: what the replicas can write, each flushing blocks of 64 KiB.
func (b bounds) appending(nodes float64) *report.Bound {
	if nodes == 1 {
		return &report.Bound{Of: report.Rate, Value: b.one / largeValue, Why: "a file written in flushed blocks of 64 KiB"}
	}
	return &report.Bound{Of: report.Rate, Value: b.three / largeValue, Why: "three files on the device, written side by side in flushed blocks of 64 KiB"}
}
