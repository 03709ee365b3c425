package ledger

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/raft"
)

// FuzzOpen overwrites a part of one file of a ledger, one page at most, and opens it: what comes back is the log as it was, up to an entry at or
// above the mark, with every body as it was appended, and the vote; or it is called damage. What it takes for good it takes again.
func FuzzOpen(f *testing.F) {
	r := newRig(f)
	r.append(1, 25, 2600)
	r.appendKind(1, raft.KindConfig, raft.AppendConfiguration(nil, testBoot))
	r.append(2, 8, 300)
	hs := raft.HardState{Term: 9, Vote: "n2"}
	r.write(&hs)
	r.evict()
	r.provision()
	durable := r.l.Tip()
	require.NoError(f, r.l.Idle())
	r.append(2, 3, 100)
	r.flush()
	known := map[Tip]bool{}
	for i := durable.ID.Index; i <= r.l.Last().Index; i++ {
		end, err := r.l.tipAt(i)
		require.NoError(f, err)
		known[end] = true
	}
	end := fileOffset(r.l.End(), r.l.size)
	require.NoError(f, r.l.Close())
	files := []string{r.l.names.group(), r.l.names.base(1), r.l.names.sidecar(1, 0), r.l.names.segment(1, 0), r.l.names.segment(1, 1)}
	for which := range files {
		f.Add(uint8(which), uint32(0), []byte("LK"))
		f.Add(uint8(which), uint32(pageSize-4), make([]byte, 64))
		f.Add(uint8(which), uint32(600), []byte{0xff, 0xff, 0xff, 0xff})
	}
	f.Add(uint8(4), uint32(end), []byte("LK\x01\x02 an entry that was never there"))
	f.Add(uint8(4), uint32(end-200), make([]byte, 200))
	opts, good := r.opts, r.disk
	f.Fuzz(func(t *testing.T, which uint8, off uint32, patch []byte) {
		name := files[int(which)%len(files)]
		d := good.Clone()
		overwrite(t, d, name, int64(off), patch[:min(len(patch), pageSize)])
		o := opts
		o.FS = d
		tip, err := openAndRead(o, hs)
		if err != nil {
			var corrupt *CorruptionError
			var future *FormatError
			require.True(t, errors.As(err, &corrupt) || errors.As(err, &future), "%s at %d: %v", name, off, err)
			return
		}
		require.True(t, known[tip], "%s at %d: the log ends at %v", name, off, tip.ID)
		again, err := openAndRead(o, hs)
		require.NoError(t, err)
		require.Equal(t, tip, again)
	})
}

// overwrite changes a file without making it longer.
func overwrite(t *testing.T, d *disk.Disk, name string, off int64, patch []byte) {
	file, err := d.Open(name)
	require.NoError(t, err)
	size, err := file.Size()
	require.NoError(t, err)
	off %= size
	_, err = file.WriteAt(patch[:min(int64(len(patch)), size-off)], off)
	require.NoError(t, err)
	require.NoError(t, file.Datasync())
	require.NoError(t, file.Close())
}

// errForgotten: a ledger opened without the vote that it had.
var errForgotten = errors.New("the vote is forgotten")

// openAndRead opens a ledger, reads all of it, and gives its tip.
func openAndRead(o Options, want raft.HardState) (Tip, error) {
	l, err := Open(o)
	if err != nil {
		return Tip{}, err
	}
	defer l.Close()
	if l.Restart().State != want {
		return Tip{}, errForgotten
	}
	return l.Tip(), checkLog(l)
}
