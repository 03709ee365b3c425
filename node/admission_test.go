package node

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/node/transport"
)

// A node that is recognised by all while its disk is full takes part when that could be recorded; no connection has to break first.
func TestAdmissionIsRecordedWhenThereIsSpace(t *testing.T) {
	d := disk.New(1)
	n, err := Open(Options{Dir: "data", ID: "n1", Peers: []Peer{{"n1", "memory:n1"}, {"n2", "memory:n2"}, {"n3", "memory:n3"}}, Transport: mute{}, FS: d,
		Clock: &handClock{}, Seed: 1, Manual: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, err)
	defer n.Close()
	remove := d.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpWrite}, Path: "NODE.tmp", Err: fs.ErrNoSpace})
	for _, peer := range []NodeID{"n2", "n3"} {
		receiver{n}.Connected(peer, transport.Control)
	}
	for range 2 * admissionTicks {
		n.Tick()
	}
	require.False(t, n.Admitted())
	remove()
	for range admissionTicks {
		n.Tick()
	}
	require.True(t, n.Admitted())
	id, err := ReadIdentity(d, "data")
	require.NoError(t, err)
	require.True(t, id.Admitted)
}
