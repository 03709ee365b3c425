package sim

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"log/slog"
)

var (
	powerSeed  = flag.Uint64("power.seed", 1, "seed of the power-cut runs")
	powerEvery = flag.Int("power.every", 23, "cut the power at every n-th I/O; 1 for all of them")
	powerLog   = flag.Bool("power.log", false, "show what the nodes log")
)

func powerOptions(seed uint64, model bool, wrap func(*disk.Disk) fs.FS) Options {
	o := Options{Seed: seed, Groups: ScenarioGroups(), Machines: MemoryMachines, FS: wrap}
	if model {
		o.Machines = ModelMachines
	}
	if *powerLog {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o
}

// play runs the scenario with the power cut at one I/O of one server, or of all of them at that moment, and checks the outcome.
func play(o Options, victim, at int, everyone bool) (*Scenario, error) {
	s := NewScenario(NewCluster(o))
	s.cutTogether = everyone
	if at > 0 {
		s.servers[victim].disk.CrashAt(at)
	}
	if err := s.Play(); err != nil {
		return s, err
	}
	return s, s.Check()
}

func TestScenario(t *testing.T) {
	for _, model := range []bool{false, true} {
		for seed := *powerSeed; seed < *powerSeed+5; seed++ {
			s, err := play(powerOptions(seed, model, nil), 0, 0, false)
			require.NoError(t, err, "seed %d model %v", seed, model)
			for _, situation := range []string{reachedTruncation, reachedInstall, reachedReset, reachedRoll, reachedTransfer} {
				require.NotZero(t, s.Reached[situation], "seed %d model %v never saw: %s", seed, model, situation)
			}
			t.Logf("seed %d model %v: %d steps, %s of virtual time, I/Os %d %d %d", seed, model, s.Steps, s.Now(),
				s.servers[0].disk.Ops(), s.servers[1].disk.Ops(), s.servers[2].disk.Ops())
		}
	}
}

// TestPowerCut cuts the power at the I/Os of each server in turn, of one server alone and of all at once.
func TestPowerCut(t *testing.T) {
	for _, model := range []bool{false, true} {
		for victim := range 3 {
			for _, everyone := range []bool{false, true} {
				t.Run(fmt.Sprintf("model=%v/victim=%d/everyone=%v", model, victim, everyone), func(t *testing.T) {
					t.Parallel()
					seed := *powerSeed
					calm, err := play(powerOptions(seed, model, nil), 0, 0, false)
					require.NoError(t, err)
					ops, runs := calm.servers[victim].disk.Ops(), 0
					for at := 1 + victim*7%*powerEvery; at <= ops; at += *powerEvery {
						_, err := play(powerOptions(seed, model, nil), victim, at, everyone)
						require.NoError(t, err, "seed %d, power cut at I/O %d of server %d", seed, at, victim)
						runs++
					}
					t.Logf("%d power cuts among %d I/Os", runs, ops)
				})
			}
		}
	}
}

var (
	powerVictim = flag.Int("power.victim", 0, "server whose power is cut by TestOnePowerCut")
	powerAt     = flag.Int("power.at", 0, "I/O at which TestOnePowerCut cuts it; 0: never")
	powerAll    = flag.Bool("power.all", false, "TestOnePowerCut cuts the power of all servers at that moment")
	powerModel  = flag.Bool("power.model", false, "TestOnePowerCut runs over model engines")
)

// TestOnePowerCut replays one run of TestPowerCut, as its failure prints it.
func TestOnePowerCut(t *testing.T) {
	_, err := play(powerOptions(*powerSeed, *powerModel, nil), *powerVictim, *powerAt, *powerAll)
	require.NoError(t, err)
}
