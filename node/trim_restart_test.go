package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// A trim that was committed and not carried out before the process ended is carried out after the next start, without another one.
func TestATrimIsCarriedOutAfterARestart(t *testing.T) {
	g := logGroup()
	g.KeepBytes = 1 << 16
	c := newTestCluster(t, 1, g)
	group := c.start("n1").Group("log")
	remove := c.disks["n1"].Inject(disk.Fault{Ops: []disk.OpKind{disk.OpWrite}, Path: "base-*", Err: fs.ErrNoSpace})
	body := strings.Repeat("x", 4000)
	for committed := raft.Index(0); committed == 0 || committed > group.Committed(); {
		c.propose("log", body)
		if trims := group.Ledger().Trims(); len(trims) > 0 {
			committed = trims[0].At
		}
	}
	require.Zero(t, group.Ledger().Base().ID.Index)
	c.stop("n1")
	remove()

	group = c.start("n1").Group("log")
	last := group.Ledger().Trims()
	require.Eventually(t, func() bool { return group.Ledger().Base().ID.Index > 0 }, 30*time.Second, 5*time.Millisecond)
	require.Less(t, group.Ledger().Base().ID.Index, last[len(last)-1].KeepFrom)
	require.Equal(t, last[len(last)-1], group.Ledger().Trims()[len(group.Ledger().Trims())-1], "no other was needed")
}
