package btree_test

import (
	"testing"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

type opener struct{}

func (opener) Open(testing.TB) statemachine.Engine { return btree.New() }

func TestConformance(t *testing.T) {
	smtest.RunEngine(t, func(*testing.T) smtest.Opener { return opener{} })
}
