package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// driver is a program that looks for broken laws.
type driver struct {
	name string
	// dir is its package, relative to the module's root; a driver whose directory is not there is left out. module is the root of the
	// module that it belongs to, "." for ours.
	dir, module string
	// rooms are what it is about: it is given the mutants in these directories and below.
	rooms []string
	// program: it is built and run; otherwise its tests are.
	program bool
	// args makes it look at the n-th range of seeds. It exits with status 0 when it found nothing, and prints the seed when it did.
	args func(n int) []string
	// first is the number of the first seed of the n-th range.
	first func(n int) int
	// last is the number of ranges there are; 0 for as many as one likes.
	last int
}

// everything is what a whole node runs.
var everything = []string{"raft", "ledger", "node", "snapshot", "statemachine", "kv", "internal/fs"}

// drivers are tried in this order.
var drivers = []driver{
	{
		name: "sim", dir: "internal/sim/cmd/sim", module: ".", program: true, rooms: everything, first: from(20),
		args: func(n int) []string {
			return []string{"-seeds", fmt.Sprintf("%d..%d", from(20)(n), from(20)(n+1)-1), "-shrink", "0"}
		},
	},
	{
		name: "raft", dir: "raft/rafttest", module: ".", rooms: []string{"raft"}, first: from(90),
		args: func(n int) []string { return seeds("^TestSimulate$", "seed", "seeds", n, 90) },
	},
	{
		name: "ledger", dir: "ledger", module: ".", rooms: []string{"ledger", "internal/fs"}, first: from(5),
		args: func(n int) []string { return seeds("^TestPowerCutAnywhere$", "crash.seed", "crash.seeds", n, 5) },
	},
	{
		name: "flip", dir: "ledger", module: ".", rooms: []string{"ledger"}, first: from(1), last: 1,
		args: func(int) []string { return []string{"-test.run", "^TestFlipEveryByte$"} },
	},
	{
		name: "scenario", dir: "internal/sim", module: ".", rooms: everything, first: from(1),
		args: func(n int) []string {
			return []string{"-test.run", "^TestPowerCut$", "-power.seed", fmt.Sprint(from(1)(n)), "-power.every", "41"}
		},
	},
	{
		name: "image", dir: "snapshot", module: ".", rooms: []string{"snapshot", "internal/fs"}, first: from(1), last: 1,
		args: func(int) []string {
			return []string{"-test.run", "^(TestPowerCutAtEveryOperation|TestAPowerCutAfterAKill|TestHeavyLossDuplicationAndDisorder)$"}
		},
	},
	{
		name: "machine", dir: "kv", module: ".", rooms: []string{"kv", "statemachine"}, first: from(1),
		args: func(n int) []string {
			return []string{"-test.run", "^(TestMachineDoesWhatTheModelSays|TestBatchingDoesNotMatter)$", "-seed", fmt.Sprint(from(1)(n))}
		},
	},
	{
		name: "interop", dir: "raft/rafttest/interop", module: "raft/rafttest/interop", rooms: []string{"raft"}, first: from(49),
		args: func(n int) []string { return seeds("^TestInterop$", "seed", "seeds", n, 49) },
	},
}

// from says where the n-th range begins when each has that many seeds.
func from(many int) func(n int) int { return func(n int) int { return 1 + n*many } }

func seeds(test, first, count string, n, many int) []string {
	return []string{"-test.run", test, "-" + first, fmt.Sprint(from(many)(n)), "-" + count, fmt.Sprint(many)}
}

// present leaves out the drivers that do not exist in this tree.
func present(root string, all []driver) []driver {
	var there []driver
	for _, d := range all {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(d.dir))); err == nil {
			there = append(there, d)
		}
	}
	return there
}

// reference is a driver on the unchanged tree.
type reference struct {
	driver
	// bin is the driver itself, and cpu what its first range takes.
	bin string
	cpu time.Duration

	mu sync.Mutex
	// passes says of the ranges that were tried whether the unchanged tree passes.
	passes map[int]bool
}

// sees says whether a mutant changes something that the driver is about.
func (d *driver) sees(m *mutant) bool {
	for _, f := range m.files() {
		for _, room := range d.rooms {
			if strings.HasPrefix(f, room+"/") {
				return true
			}
		}
	}
	return false
}
