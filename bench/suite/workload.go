package suite

import (
	"context"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// workload is something that can be measured.
type workload struct {
	report.Workload
	// kinds are the operations that a system needs for it.
	kinds []load.Kind
	// shapes are those in which it is measured, the first one also in a quick run.
	shapes []load.Shape
	// points are where it is measured; quick ones in a quick run. All points of a cell with the same number of groups are measured on one cluster. moreShapes are
	// the points in shapes other than the first.
	points, quick, moreShapes []report.Point
	// keys are what the load goes over, and preload says that they are there when it begins; for logs, the number of entries.
	keys    uint64
	preload bool
	// valueBytes is the size of values and entries.
	valueBytes int
	// setup has what the cluster is to be started as, beside its shape.
	setup load.Setup
	// mix is what the callers do, unless measure is there.
	mix       mix
	popular   popularity
	inserts   bool
	scanLimit int
	// measure is another way to measure a point.
	measure func(ctx context.Context, c *cell, p report.Point) (load.Measure, error)
	// operable: it needs an Operator.
	operable bool
	// fresh: each point wants a cluster of its own.
	fresh bool
	// long: it is measured only when it is asked for by name, or in a full run.
	long bool
}

var (
	embedded  = []load.Shape{load.ThreeNodes}
	ownShapes = []load.Shape{load.ThreeNodes, load.ThreeNodesRemote, load.ThreeProcesses, load.ThreeProcessesRemote, load.OneNode, load.OneNodeRemote}
	reading   = []load.Shape{load.ThreeNodes, load.ThreeNodesRemote, load.ThreeProcessesRemote, load.OneNode}
	logShapes = []load.Shape{load.ThreeNodes, load.ThreeNodesRemote, load.OneNode}
)

// workers makes points of a closed loop.
func workers(counts ...int) []report.Point {
	var out []report.Point
	for _, n := range counts {
		out = append(out, report.Point{Workers: n})
	}
	return out
}

// rates makes points of an open loop, in which so many operations can be under way.
func rates(perSecond ...float64) []report.Point {
	const most = 2048
	var out []report.Point
	for _, r := range perSecond {
		out = append(out, report.Point{Workers: most, Rate: r})
	}
	return out
}

func groupsOf(workers int, counts ...int) []report.Point {
	var out []report.Point
	for _, n := range counts {
		out = append(out, report.Point{Workers: workers, Groups: n})
	}
	return out
}

func sizes(counts ...uint64) []report.Point {
	var out []report.Point
	for _, n := range counts {
		out = append(out, report.Point{Size: n})
	}
	return out
}

func labels(names ...string) []report.Point {
	var out []report.Point
	for _, n := range names {
		out = append(out, report.Point{Label: n})
	}
	return out
}

const (
	smallValue = 128
	largeValue = 1 << 10
	ycsbValue  = 1000
	manyKeys   = 100_000
)

// describe makes what readers are told.
func describe(name, title, about string, axis report.Axis, shows report.Figure) report.Workload {
	return report.Workload{Name: name, Title: title, About: about, Axis: axis, Shows: shows}
}

// workloads are all of them, in the order of reports.
func workloads() []workload {
	all := writes()
	all = append(all, reads()...)
	all = append(all, logs()...)
	all = append(all, stores()...)
	all = append(all, episodes()...)
	return append(all, ycsb()...)
}

func writes() []workload {
	return []workload{
		{Workload: describe("put", "Durable put, 128 bytes", "Puts of 16-byte keys, chosen evenly among 100,000, and 128-byte values; callers in a closed loop.", report.ByWorkers, report.Rate),
			kinds: []load.Kind{load.Put}, shapes: ownShapes, points: workers(1, 16, 64, 256, 1024), quick: workers(1, 16, 64, 256, 1024), moreShapes: workers(1, 64, 256),
			keys: manyKeys, valueBytes: smallValue, mix: mix{{load.Put, 100}}},
		{Workload: describe("put-1k", "Durable put, 1 KiB", "As before, with values of 1 KiB.", report.ByWorkers, report.Rate),
			kinds: []load.Kind{load.Put}, shapes: embedded, points: workers(1, 16, 64, 256, 1024), quick: workers(256),
			keys: manyKeys, valueBytes: largeValue, mix: mix{{load.Put, 100}}},
		{Workload: describe("put-rate", "Durable put at a given rate", "Puts of 128-byte values in an open loop: so many begin each second, and the latency counts from when each was meant to begin.",
			report.ByRate, report.P99),
			kinds: []load.Kind{load.Put}, shapes: []load.Shape{load.ThreeNodes, load.ThreeNodesRemote}, points: rates(1000, 5000, 20_000, 50_000), quick: rates(1000, 10_000),
			keys: manyKeys, valueBytes: smallValue, mix: mix{{load.Put, 100}}},
		{Workload: describe("txn-10", "Transaction of 10 puts", "Transactions that put ten keys with 128-byte values in one atomic step. An operation is a transaction.", report.ByWorkers, report.Rate),
			kinds: []load.Kind{load.Txn}, shapes: embedded, points: workers(1, 64, 256), quick: workers(64),
			keys: manyKeys, valueBytes: smallValue, mix: mix{{load.Txn, 100}}},
		{Workload: describe("groups", "Durable put, spread over groups", "256 callers put 128-byte values into so many groups, each a log and a store of its own.", report.ByGroups, report.Rate),
			kinds: []load.Kind{load.Put}, shapes: embedded, points: groupsOf(256, 1, 16, 64, 1024), quick: groupsOf(256, 1, 16),
			keys: manyKeys, valueBytes: smallValue, mix: mix{{load.Put, 100}}},
	}
}

func reads() []workload {
	read := func(name, title, about string, kind load.Kind) workload {
		return workload{Workload: describe(name, title, about+" 100,000 keys with 128-byte values are there.", report.ByWorkers, report.Rate),
			kinds: []load.Kind{load.Put, kind}, shapes: reading, points: workers(1, 16, 64, 256), quick: workers(256), moreShapes: workers(1, 256),
			keys: manyKeys, preload: true, valueBytes: smallValue, mix: mix{{kind, 100}}}
	}
	lease := read("get-lease", "Get by lease", "Reads that are linearizable as long as clocks run at about the same speed.", load.GetLease)
	lease.setup.Lease = true
	lease.shapes = embedded
	local := read("get-local", "Local get", "Reads of what the replica has, old or not.", load.GetLocal)
	local.shapes = embedded
	mixed := read("mix-90-10", "90 % get, 10 % put", "Linearizable reads and durable puts.", load.Get)
	mixed.mix, mixed.shapes = mix{{load.Get, 90}, {load.Put, 10}}, []load.Shape{load.ThreeNodes, load.ThreeNodesRemote}
	ranges := read("range-100", "Range of 100", "Linearizable reads of 100 keys and values in order.", load.Range)
	ranges.shapes, ranges.points, ranges.quick = []load.Shape{load.ThreeNodes, load.ThreeNodesRemote}, workers(1, 64), workers(64)
	return []workload{read("get", "Linearizable get", "Reads that see every write that completed before they began.", load.Get), lease, local, mixed, ranges}
}

func logs() []workload {
	logged := func(name, title, about string, shows report.Figure, kind load.Kind) workload {
		return workload{Workload: describe(name, title, about, report.ByWorkers, shows), kinds: []load.Kind{load.Append, kind}, shapes: logShapes,
			valueBytes: largeValue, setup: load.Setup{Log: true}, mix: mix{{kind, 100}}}
	}
	appends := logged("append", "Log append, 1 KiB", "Durable appends of 1 KiB to a log.", report.Rate, load.Append)
	appends.points, appends.quick, appends.moreShapes = workers(1, 16, 64, 256, 1024), workers(1, 256), workers(1, 256)
	sequential := logged("log-sequential", "Log read, in order", "Each caller reads a log of 1 KiB entries from the page cache, in order, about 1 MiB at a time.", report.ByteRate, load.LogRead)
	sequential.keys, sequential.preload, sequential.points, sequential.quick = 200_000, true, workers(1, 2, 4), workers(1)
	random := logged("log-random", "Log read, at random", "Reads of single entries of 1 KiB by number.", report.Rate, load.LogGet)
	random.keys, random.preload, random.points, random.quick = 200_000, true, workers(1, 16, 64), workers(16)
	tail := logged("log-tail", "Append until read at the tail", "From the append of 1 KiB until a reader at the end of the log, on a follower where it is embedded, has the entry.", report.P50, load.Tail)
	tail.points, tail.quick = workers(1, 16, 64), workers(1)
	for _, w := range []*workload{&sequential, &random, &tail} {
		w.moreShapes = w.quick
	}
	return []workload{appends, sequential, random, tail}
}

func stores() []workload {
	large := func(name, title string, keys uint64) workload {
		return workload{Workload: describe(name, title, "Half linearizable reads, half durable puts of 128-byte values, over a store of this size.", report.ByWorkers, report.Rate),
			kinds: []load.Kind{load.Put, load.Get}, shapes: embedded, points: workers(1, 64, 256),
			keys: keys, preload: true, valueBytes: smallValue, mix: mix{{load.Get, 50}, {load.Put, 50}}, long: true}
	}
	return []workload{large("large-1m", "Store of 1 million keys", 1_000_000), large("large-10m", "Store of 10 million keys", 10_000_000)}
}
