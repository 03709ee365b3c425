package trio_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

func TestADirectoryKeepsItsAddresses(t *testing.T) {
	t.Parallel()
	setup := load.Setup{Dir: t.TempDir(), Shape: load.ThreeNodes, Groups: 1}
	specs, err := trio.Specs(setup, 3, 2, "an option")
	require.NoError(t, err)
	again, err := trio.Specs(setup, 3, 2, "an option")
	require.NoError(t, err)
	require.Equal(t, specs, again)

	seen, dirs := map[string]bool{}, map[string]bool{}
	for i, s := range specs {
		require.Equal(t, i, s.Node)
		dirs[s.Dir] = true
		for purpose := range 2 {
			seen[s.Address(purpose)] = true
			l, err := net.Listen("tcp", s.Address(purpose))
			require.NoError(t, err)
			require.NoError(t, l.Close())
		}
	}
	require.Len(t, seen, 6)
	require.Len(t, dirs, 3)
}
