package smtest_test

import (
	"math/rand/v2"
	"testing"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

type models struct{}

func (models) Open(testing.TB) statemachine.Engine { return smtest.NewModel() }

func (models) Reopen(_ testing.TB, e statemachine.Engine) statemachine.Engine {
	return e.(*smtest.Model).Reopen()
}

func (models) Crash(_ testing.TB, e statemachine.Engine, rng *rand.Rand) statemachine.Engine {
	return e.(*smtest.Model).Crash(rng)
}

func TestModelIsAnEngine(t *testing.T) {
	smtest.RunEngine(t, func(*testing.T) smtest.Opener { return models{} })
}
