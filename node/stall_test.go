package node_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// hangingDisk is a disk whose flushes don't return while it hangs.
type hangingDisk struct {
	*disk.Disk
	mu   sync.Mutex
	hung chan struct{} // nil while it works; closed when it works again
}

func (d *hangingDisk) hang() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hung := make(chan struct{})
	d.hung = hung
	return sync.OnceFunc(func() {
		d.mu.Lock()
		d.hung = nil
		d.mu.Unlock()
		close(hung)
	})
}

func (d *hangingDisk) wait() {
	d.mu.Lock()
	hung := d.hung
	d.mu.Unlock()
	if hung != nil {
		<-hung
	}
}

func (d *hangingDisk) Create(name string) (fs.File, error) { return d.wrap(d.Disk.Create(name)) }
func (d *hangingDisk) Open(name string) (fs.File, error)   { return d.wrap(d.Disk.Open(name)) }

func (d *hangingDisk) wrap(f fs.File, err error) (fs.File, error) {
	if err != nil {
		return nil, err
	}
	return hangingFile{f, d}, nil
}

type hangingFile struct {
	fs.File
	disk *hangingDisk
}

func (f hangingFile) Datasync() error {
	f.disk.wait()
	return f.File.Datasync()
}

// A leader whose flush does not return is succeeded, in every group of its node; when the disk answers again it follows.
func TestALeaderWhoseFlushHangsIsSucceeded(t *testing.T) {
	c := newTestCluster(t, 3, storeGroup(), logGroup())
	disks := map[raft.NodeID]*hangingDisk{}
	for _, p := range c.peers {
		disks[p.ID] = &hangingDisk{Disk: c.disks[p.ID]}
		opts := c.options(p.ID)
		opts.FS = disks[p.ID]
		c.startWith(opts)
	}
	c.propose("kv", "first")
	c.propose("log", "first")
	leader := c.leader("kv")
	id := leader.Role().Leader
	if c.leader("log").Role().Leader != id {
		require.NoError(t, c.leader("log").Transfer(testContext(t), id))
	}
	c.caughtUp("kv")
	c.caughtUp("log")
	release := disks[id].hang()
	defer release()
	p, err := leader.Submit([]byte("second"), node.Checksum([]byte("second")))
	require.NoError(t, err)
	for _, group := range []string{"kv", "log"} {
		g := c.nodes[id].Group(group)
		for s := g.Role(); s.Role == raft.Leader; {
			s, err = g.AwaitRole(testContext(t), s.Seq)
			require.NoError(t, err)
		}
	}
	c.propose("kv", "third")
	release()
	_, err = p.Wait(testContext(t))
	if err != nil {
		require.ErrorAs(t, err, new(*node.NotLeaderError))
	}
	c.caughtUp("kv")
}
