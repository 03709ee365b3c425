package suite

import (
	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/report"
)

// ycsb are the core workloads of the Yahoo! Cloud Serving Benchmark (Cooper et al., SoCC 2010), on records of 1,000 bytes. Reads are linearizable.
func ycsb() []workload {
	core := func(letter, about string, m mix, popular popularity) workload {
		w := workload{Workload: describe("ycsb-"+letter, "YCSB "+string(letter[0]-'a'+'A'), about+" Records of 1,000 bytes, 100,000 at the start.", report.ByWorkers, report.Rate),
			shapes: embedded, points: workers(16, 64, 256), quick: workers(64), keys: manyKeys, preload: true, valueBytes: ycsbValue, mix: m, popular: popular}
		for _, s := range m {
			if s.kind == load.ReadModifyWrite {
				w.kinds = append(w.kinds, load.Get)
				continue
			}
			w.kinds = append(w.kinds, s.kind)
		}
		w.kinds = append(w.kinds, load.Put)
		return w
	}
	a := core("a", "Half reads, half updates, few keys getting most of them.", mix{{load.Get, 50}, {load.Put, 50}}, zipfian)
	b := core("b", "95 % reads, 5 % updates, few keys getting most of them.", mix{{load.Get, 95}, {load.Put, 5}}, zipfian)
	c := core("c", "Reads alone, few keys getting most of them.", mix{{load.Get, 100}}, zipfian)
	d := core("d", "95 % reads, mostly of the newest records, and 5 % inserts.", mix{{load.Get, 95}, {load.Put, 5}}, latest)
	e := core("e", "95 % scans of 1 to 100 records, 5 % inserts.", mix{{load.Range, 95}, {load.Put, 5}}, zipfian)
	f := core("f", "Half reads, half reads with an update of the same record, few keys getting most of them.", mix{{load.Get, 50}, {load.ReadModifyWrite, 50}}, zipfian)
	d.inserts, e.inserts = true, true
	e.scanLimit = ycsbScanLimit
	for _, w := range []*workload{&c, &d, &e, &f} {
		w.quick = nil // A and B stand for the others in a quick run
	}
	return []workload{a, b, c, d, e, f}
}
