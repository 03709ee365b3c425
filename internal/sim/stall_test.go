package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node"
)

// A leader whose disk stops answering is succeeded within two seconds, though its heartbeats go on.
func TestAStalledDiskIsLeft(t *testing.T) {
	changing(t, func(m *members) {
		stalled := m.leader()
		body := []byte("x")
		_, err := stalled.node.Group(kvGroup).Submit(body, node.Checksum(body))
		require.NoError(t, err)
		m.stalled = stalled
		began := m.Now()
		m.until("another leader", func() bool {
			leader := m.Leader(kvGroup)
			return leader != nil && leader != stalled
		})
		require.Less(t, m.Now()-began, 2*time.Second)
		m.write(5)
		m.stalled = nil
		m.settled(m.servers...)
	})
}
