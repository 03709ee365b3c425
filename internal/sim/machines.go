package sim

import (
	"math/rand/v2"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

// memoryMachines opens the store over B-trees, which keep nothing over a crash.
type memoryMachines struct{}

func (memoryMachines) Open(statemachine.Place) (statemachine.Machine, error) {
	return kv.NewMachine(btree.New()), nil
}
func (memoryMachines) Drop(statemachine.Place) error           { return nil }
func (memoryMachines) Epochs(uint64, string) ([]uint64, error) { return nil, nil }

// modelMachines opens the store over model engines, which a crash takes back to any batch at or after what they said is durable.
type modelMachines struct{ models *smtest.Models }

func (m modelMachines) Open(p statemachine.Place) (statemachine.Machine, error) {
	return kv.NewMachine(m.models.Open(p)), nil
}

func (m modelMachines) Drop(p statemachine.Place) error {
	m.models.Drop(p)
	return nil
}

func (m modelMachines) Epochs(group uint64, _ string) ([]uint64, error) {
	return m.models.Epochs(group), nil
}

// MemoryMachines gives the store over B-trees to the KV group of a Scenario, and nothing to the log.
func MemoryMachines(_ int, group raft.GroupID) (statemachine.Factory, func(*rand.Rand)) {
	if group != 1 {
		return nil, nil
	}
	return memoryMachines{}, nil
}

// ModelMachines does so over model engines.
func ModelMachines(_ int, group raft.GroupID) (statemachine.Factory, func(*rand.Rand)) {
	if group != 1 {
		return nil, nil
	}
	models := &smtest.Models{}
	return modelMachines{models}, models.Crash
}
