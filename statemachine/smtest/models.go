package smtest

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Models holds the models of a node by place, and so stands for its disk: a factory opens engines from it, and what is
// in it outlives them. All methods may be called from any goroutine. The zero value holds nothing and is ready for use.
type Models struct {
	mu     sync.Mutex
	models []placedModel // guarded by mu; sorted by group and epoch, so that a crash takes them in the same order each time
}

// placedModel is the newest handle of the model at a place.
type placedModel struct {
	group, epoch uint64
	model        *Model
}

// find gives where the model of a place is, or belongs.
func (s *Models) find(group, epoch uint64) (int, bool) {
	return slices.BinarySearchFunc(s.models, placedModel{group: group, epoch: epoch}, func(a, b placedModel) int {
		return slices.Compare([]uint64{a.group, a.epoch}, []uint64{b.group, b.epoch})
	})
}

// Open opens the model at a place (its Dir is not looked at) with all that was committed, or a new one if there is none. An
// earlier handle is dead from then on.
func (s *Models) Open(p statemachine.Place) *Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.find(p.Group, p.Epoch)
	if ok {
		s.models[i].model = s.models[i].model.Reopen()
	} else {
		s.models = slices.Insert(s.models, i, placedModel{group: p.Group, epoch: p.Epoch, model: NewModel()})
	}
	return s.models[i].model
}

// Drop removes the model at a place, if there is one; its handle is dead.
func (s *Models) Drop(p statemachine.Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.find(p.Group, p.Epoch); ok {
		s.models[i].model.Reopen()
		s.models = slices.Delete(s.models, i, i+1)
	}
}

// Epochs gives the epochs of a group at which there is a model, ascending.
func (s *Models) Epochs(group uint64) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var epochs []uint64
	for _, p := range s.models {
		if p.group == group {
			epochs = append(epochs, p.epoch)
		}
	}
	return epochs
}

// Settle is Model.Settle for each model.
func (s *Models) Settle(rng *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.models {
		p.model.Settle(rng)
	}
}

// Crash is Model.Crash for each model. All handles are dead; Open gives new ones.
func (s *Models) Crash(rng *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.models {
		s.models[i].model = s.models[i].model.Crash(rng)
	}
}
