package main

import (
	"fmt"
	"sync"
	"time"
)

// driver is a program that looks for broken laws.
type driver struct {
	name string
	// dir is its package, relative to the module's root; a driver whose directory is not there is left out. module is the root of the
	// module that it belongs to, "." for ours.
	dir, module string
	// program: it is built and run; otherwise its tests are. race: with the race detector.
	program, race bool
	// args makes it look at the n-th range of seeds. It exits with status 0 when it found nothing, and prints the seed when it did.
	args func(n int) []string
	// first is the number of the first seed of the n-th range.
	first func(n int) int
	// last is the number of ranges there are; 0 for as many as one likes.
	last int
}

// simulator is the driver of mutants that name no other.
const simulator = "sim"

// drivers are all there are. A mutant names the one that it is given to.
var drivers = []driver{
	{
		name: simulator, dir: "internal/sim/cmd/sim", module: ".", program: true, first: afterStories,
		args: func(n int) []string {
			if n == 0 {
				return []string{"-stories", "../../testdata/stories.txt", "-shrink", "0"}
			}
			return []string{"-seeds", fmt.Sprintf("%d..%d", afterStories(n), afterStories(n+1)-1), "-shrink", "0"}
		},
	},
	{
		name: "raft", dir: "raft/rafttest", module: ".", first: from(90),
		args: func(n int) []string { return seeds("^TestSimulate$", "seed", "seeds", n, 90) },
	},
	{
		name: "ledger", dir: "ledger", module: ".", first: from(5),
		args: func(n int) []string { return seeds("^TestPowerCutAnywhere$", "crash.seed", "crash.seeds", n, 5) },
	},
	{
		name: "flip", dir: "ledger", module: ".", first: from(1), last: 1,
		args: func(int) []string { return []string{"-test.run", "^TestFlipEveryByte$"} },
	},
	{
		name: "race", dir: "ledger", module: ".", first: from(1), last: 10, race: true,
		args: func(int) []string { return []string{"-test.run", "^TestLoopsTogether$"} },
	},
	{
		name: "scenario", dir: "internal/sim", module: ".", first: from(1),
		args: func(n int) []string {
			return []string{"-test.run", "^TestPowerCut$", "-power.seed", fmt.Sprint(from(1)(n)), "-power.every", "41"}
		},
	},
	{
		name: "files", dir: "ledger", module: ".", first: from(1), last: 1,
		args: func(int) []string {
			return []string{"-test.run", "^(TestTrimMovesTheMark|TestUnsyncedLengthIsSettled)$"}
		},
	},
	{
		name: "core", dir: "raft", module: ".", first: from(1), last: 1,
		args: func(int) []string {
			return []string{"-test.run", "^(TestSyncedGoesBySequence|TestLeaseCountsFromSending)$"}
		},
	},
	{
		name: "scripts", dir: "raft/rafttest", module: ".", first: from(1), last: 1,
		args: func(int) []string { return []string{"-test.run", "^TestScripts$"} },
	},
	{
		name: "image", dir: "snapshot", module: ".", first: from(1), last: 1,
		args: func(int) []string {
			return []string{"-test.run", "^(TestPowerCutAtEveryOperation|TestAPowerCutAfterAKill|TestHeavyLossDuplicationAndDisorder)$"}
		},
	},
	{
		name: "machine", dir: "kv", module: ".", first: from(1),
		args: func(n int) []string {
			return []string{"-test.run", "^(TestMachineDoesWhatTheModelSays|TestBatchingDoesNotMatter|TestADeleteOfARangeIsBounded)$", "-seed", fmt.Sprint(from(1)(n))}
		},
	},
	{
		name: "interop", dir: "raft/rafttest/interop", module: "raft/rafttest/interop", first: from(49),
		args: func(n int) []string { return seeds("^TestInterop$", "seed", "seeds", n, 49) },
	},
}

// afterStories is from(20) behind a range of no seeds: the plans that found something once.
func afterStories(n int) int { return from(20)(n - 1) }

// from says where the n-th range begins when each has that many seeds.
func from(many int) func(n int) int { return func(n int) int { return 1 + n*many } }

func seeds(test, first, count string, n, many int) []string {
	return []string{"-test.run", test, "-" + first, fmt.Sprint(from(many)(n)), "-" + count, fmt.Sprint(many)}
}

// reference is a driver on the unchanged tree.
type reference struct {
	driver
	// bin is the driver itself, sum a checksum of it, and cpu what its first range takes.
	bin string
	sum []byte
	cpu time.Duration

	mu sync.Mutex
	// passes says of the ranges that were tried whether the unchanged tree passes.
	passes map[int]bool
}
