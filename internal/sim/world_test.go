package sim

import (
	_ "embed"
	"errors"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
)

// errForTest is what is shown as a broken law.
var errForTest = errors.New("law 0: made up")

var (
	worldSeed  = flag.Uint64("world.seed", 0, "first fresh seed of TestFreshSeeds; 0: a random one, printed")
	worldFresh = flag.Int("world.fresh", 60, "number of fresh seeds of TestFreshSeeds")
	worldFixed = flag.Int("world.fixed", 120, "number of seeds of TestFixedSeeds")
	worldTwice = flag.Int("world.twice", 20, "number of seeds that TestTheSameSeedIsTheSameRun runs twice")
)

// demand runs a seed and fails with the command that replays it.
func demand(t *testing.T, seed uint64) Outcome {
	t.Helper()
	out := Run(Draw(seed), RunOptions{})
	require.NoError(t, out.Violation, "replay it by: go run ./internal/sim/cmd/sim -seed %d", seed)
	return out
}

func TestFixedSeeds(t *testing.T) {
	t.Parallel()
	var reached Reached
	events := uint64(0)
	for seed := range uint64(*worldFixed) {
		out := demand(t, seed+1)
		events += out.Events
		reached.Merge(&out.Reached)
	}
	t.Logf("%d seeds, %d events\n%s", *worldFixed, events, reached.String())
	if *worldFixed >= EnoughRuns {
		require.Empty(t, reached.Missing(), "situations that should have come about")
	}
}

func TestFreshSeeds(t *testing.T) {
	t.Parallel()
	first := *worldSeed
	if first == 0 {
		first = 1 + rand.Uint64N(1<<40)
	}
	t.Logf("seeds from %d on", first)
	for seed := range uint64(*worldFresh) {
		demand(t, first+seed)
	}
}

// stories are the plans of runs that found something.
//
//go:embed testdata/stories.txt
var stories string

func TestStories(t *testing.T) {
	t.Parallel()
	all, err := ReadStories(stories)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, s := range all {
		require.NotEmpty(t, s.Says)
		out := Run(s.Plan, RunOptions{})
		require.NoError(t, out.Violation, "%s: replay it by: go run ./internal/sim/cmd/sim -plan %s", s.Says, s.Plan.Encode())
	}
	_, err = ReadStories("# somebody\nno plan\n")
	require.ErrorContains(t, err, "somebody: ")
}

// TestTheSameSeedIsTheSameRun: two runs of a seed have the same trace. With -race it is run again by the same command, and prints the same.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	t.Parallel()
	all := uint64(0)
	for seed := range uint64(*worldTwice) {
		first, second := demand(t, 500+seed), demand(t, 500+seed)
		require.Equal(t, first.Hash, second.Hash, "seed %d", 500+seed)
		require.Equal(t, first.Events, second.Events, "seed %d", 500+seed)
		kept := Run(Draw(500+seed), RunOptions{Trace: true})
		require.Equal(t, first.Hash, kept.Hash, "seed %d, with its trace kept", 500+seed)
		all = mix(all, first.Hash)
	}
	t.Logf("the traces of %d seeds: %016x", *worldTwice, all)
}

// TestLiesAreFound demands that each lie of a disk is found out by some seed: a world that does not notice proves nothing.
func TestLiesAreFound(t *testing.T) {
	lies := []struct {
		name string
		lie  func(*lyingFile)
		law  string
	}{
		{"the log is not flushed", flushNothing, "law"},
		{"the group file is not flushed", flushNoGroupFile, "law"},
		{"acknowledged before the flush", flushLate, "law"},
	}
	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 40; seed++ {
				w := NewWorld(Draw(seed), false, nil)
				honest := w.opts.FS
				w.opts.FS = func(d *disk.Disk) fs.FS { return &liar{FS: honest(d), lie: l.lie} }
				if err := w.play(); err != nil {
					require.Contains(t, err.Error(), l.law)
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			require.Fail(t, "no seed has shown it")
		})
	}
}

func TestShrinkKeepsTheViolation(t *testing.T) {
	t.Parallel()
	p := Draw(3)
	same, out := Shrink(p, 10)
	require.NoError(t, out.Violation)
	require.Equal(t, p, same, "of a plan that breaks no law nothing is taken away")
}

// TestPlanIsReplayedFromItsWord: what a failure prints is the plan.
func TestPlanIsReplayedFromItsWord(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		p := Draw(seed)
		require.NoError(t, p.Validate(), "seed %d", seed)
		got, err := DecodePlan(p.Encode())
		require.NoError(t, err)
		require.Equal(t, p.String(), got.String())
		require.Equal(t, p.Faults, got.Faults)
	}
	_, err := DecodePlan("no plan")
	require.ErrorContains(t, err, "expected a plan")
}

// TestPictureShowsTheRun: the timeline has a lane for each node, its roles, the faults, and the law that was broken.
func TestPictureShowsTheRun(t *testing.T) {
	t.Parallel()
	p := Draw(1)
	for seed := uint64(2); len(p.Faults) == 0; seed++ {
		p = Draw(seed)
	}
	w := NewWorld(p, true, nil)
	require.NoError(t, w.play())
	out := w.outcome(errForTest)
	var page, text strings.Builder
	require.NoError(t, out.Trace.WriteHTML(&page))
	require.NoError(t, out.Trace.WriteText(&text, true))
	for _, want := range []string{">n1<", ">n3<", "leader in term", "fault 0 begins", errForTest.Error(), "a quorum alone healed"} {
		require.Contains(t, page.String(), want)
	}
	require.Equal(t, strings.Count(page.String(), `xmlns="http://www.w3.org/2000/svg"`), strings.Count(page.String(), "http"), "it opens without a network")
	require.Contains(t, text.String(), "c0  check.")
	require.Greater(t, out.Virtual, time.Second)
}
