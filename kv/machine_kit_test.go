package kv_test

import (
	"math/rand/v2"
	"testing"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/model"
	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

// kitCommand gives any command; its revisions are about those that the kit's few hundred entries reach.
func kitCommand(rng *rand.Rand) []byte {
	return generator{rng}.command(model.Revision(rng.IntN(300))).body
}

func TestMachineIsAMachineInMemory(t *testing.T) {
	smtest.RunMachine(t, smtest.MachineKit{
		Open:    func(testing.TB) statemachine.Machine { return kv.NewMachine(btree.New()) },
		Command: kitCommand,
	})
}

// TestMachineIsAMachineOnDisk has the model engine stand for one on disk, which loses what is not durable when the power fails.
func TestMachineIsAMachineOnDisk(t *testing.T) {
	type machine struct {
		*kv.Machine
		engine *smtest.Model
	}
	open := func(engine *smtest.Model) statemachine.Machine { return machine{kv.NewMachine(engine), engine} }
	smtest.RunMachine(t, smtest.MachineKit{
		Open:    func(testing.TB) statemachine.Machine { return open(smtest.NewModel()) },
		Command: kitCommand,
		Crash: func(_ testing.TB, m statemachine.Machine, rng *rand.Rand) statemachine.Machine {
			engine := m.(machine).engine
			engine.Settle(rng)
			return open(engine.Crash(rng))
		},
	})
}
