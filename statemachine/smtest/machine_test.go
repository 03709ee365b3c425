package smtest

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
)

// errCommand is the result of a command that is none.
var errCommand = errors.New("not a command")

// registers is a small machine: "=kv" puts, "-k" deletes, "!" compacts.
type registers struct {
	statemachine.Engine
}

func (r registers) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	b := r.Begin()
	rev := r.Revision()
	for i, e := range entries {
		if len(e.Body) == 0 || e.Body[0] == '=' && len(e.Body) < 2 {
			results[i] = statemachine.Result{Data: errCommand}
			continue
		}
		var err error
		switch e.Body[0] {
		case '=':
			rev = b.Advance()
			_, err = b.Put(e.Body[1:2], e.Body[2:], uint64(e.Time))
		case '-':
			rev = b.Advance()
			_, err = b.Delete(e.Body[1:])
		case '!':
			err = b.Compact(rev)
		default:
			results[i].Data = errCommand
		}
		if err != nil {
			return err
		}
		results[i].Value = uint64(rev)
	}
	return b.Commit(applied)
}

func command(rng *rand.Rand) []byte {
	key := byte('a' + rng.IntN(20))
	switch rng.IntN(10) {
	case 0:
		return []byte{'!'}
	case 1, 2, 3:
		return []byte{'-', key}
	default:
		return append([]byte{'=', key}, make([]byte, rng.IntN(2000))...)
	}
}

func TestMachineOverModel(t *testing.T) {
	RunMachine(t, MachineKit{
		Open:    func(testing.TB) statemachine.Machine { return registers{Engine: NewModel()} },
		Command: command,
		Crash: func(_ testing.TB, m statemachine.Machine, rng *rand.Rand) statemachine.Machine {
			model := m.(registers).Engine.(*Model)
			model.Settle(rng)
			return registers{Engine: model.Crash(rng)}
		},
	})
}

func TestMachineOverBTree(t *testing.T) {
	RunMachine(t, MachineKit{
		Open:    func(testing.TB) statemachine.Machine { return registers{Engine: btree.New()} },
		Command: command,
	})
}

// Machines with one fault each.
type (
	countsBatches struct{ registers }
	keepsBodies   struct {
		registers
		last *[]byte
	}
	failsOnRubbish struct{ registers }
	skipsApplied   struct{ registers }
	forgetsImage   struct{ registers }
	resultOfBatch  struct{ registers }
)

func (m countsBatches) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	b := m.Begin()
	b.Advance()
	if err := b.Commit(m.Applied()); err != nil {
		return err
	}
	return m.registers.Apply(entries, applied, results)
}

func (m keepsBodies) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	entries = slices.Clone(entries)
	for i, e := range entries {
		entries[i].Body, *m.last = *m.last, e.Body // one entry late
	}
	return m.registers.Apply(entries, applied, results)
}

func (m failsOnRubbish) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	err := m.registers.Apply(entries, applied, results)
	for _, r := range results {
		if r.Data != nil {
			return errCommand
		}
	}
	return err
}

func (m skipsApplied) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	if len(entries) == 0 {
		return nil
	}
	return m.registers.Apply(entries, applied, results)
}

func (m forgetsImage) Restore(statemachine.ChunkSource) error { return nil }

func (m resultOfBatch) Apply(entries []statemachine.Entry, applied statemachine.Index, results []statemachine.Result) error {
	err := m.registers.Apply(entries, applied, results)
	for i := range results {
		results[i].Value = uint64(m.Revision())
	}
	return err
}

func TestMachineKitBites(t *testing.T) {
	for name, wrap := range map[string]func(registers) statemachine.Machine{
		"counts batches":   func(r registers) statemachine.Machine { return countsBatches{r} },
		"keeps bodies":     func(r registers) statemachine.Machine { return keepsBodies{r, new([]byte)} },
		"fails on rubbish": func(r registers) statemachine.Machine { return failsOnRubbish{r} },
		"skips applied":    func(r registers) statemachine.Machine { return skipsApplied{r} },
		"forgets image":    func(r registers) statemachine.Machine { return forgetsImage{r} },
		"result of batch":  func(r registers) statemachine.Machine { return resultOfBatch{r} },
	} {
		t.Run(name, func(t *testing.T) {
			kit := MachineKit{
				Open:    func(testing.TB) statemachine.Machine { return wrap(registers{Engine: btree.New()}) },
				Command: command,
			}
			for _, test := range machineTests {
				if fails(t, func(tb testing.TB) { test.run(tb, kit) }) {
					return
				}
			}
			t.Error("no test of the kit fails")
		})
	}
}

// TestMachineKitWantsDurability has a machine that loses what it said was durable.
func TestMachineKitWantsDurability(t *testing.T) {
	kit := MachineKit{
		Open:    func(testing.TB) statemachine.Machine { return registers{Engine: NewModel()} },
		Command: command,
		Crash: func(tb testing.TB, m statemachine.Machine, rng *rand.Rand) statemachine.Machine {
			return registers{Engine: NewModel()}
		},
	}
	if !fails(t, func(tb testing.TB) { testMachineCrash(tb, kit) }) {
		t.Error("the kit does not notice that a machine comes back empty")
	}
}
