package node_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a restarted replica has in its log and may not apply yet is more than UnappliedBytes: it can only be applied once a leader has committed an entry
// of its term, so nobody may refuse that one for want of applying.
func TestClusterComesBackWithALongUnappliedLog(t *testing.T) {
	g := storeGroup()
	g.UnappliedBytes = 32 << 10
	c := newTestCluster(t, 3, g)
	c.startAll()
	body := string(bytes.Repeat([]byte("x"), 4000))
	for range 20 {
		c.propose("kv", body)
	}
	c.caughtUp("kv")
	for _, p := range c.peers {
		c.stop(p.ID)
	}
	c.startAll()
	c.propose("kv", "after")
	c.caughtUp("kv")
	for _, n := range c.nodes {
		require.Len(t, n.Group("kv").Machine().(*tally).all(), 21)
	}
}
