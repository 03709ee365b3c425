package node_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatusThatIsGivenUpIsTheCallers(t *testing.T) {
	c := newTestCluster(t, 1, logGroup())
	c.startAll()
	g := c.leader("log")
	gone, cancel := context.WithCancel(testContext(t))
	cancel()
	for range 1000 { // under -race: the owner must not write to what was returned
		s, err := g.Status(gone)
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.Empty(t, s.Members.Configuration.Members)
		}
		require.Equal(t, "log", s.Name)
	}
}
