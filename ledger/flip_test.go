package ledger

import (
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

// TestFlipEveryByte flips every byte of every file of a ledger, one at a time, and opens it: what comes back is right or is called corruption, a
// vote is never forgotten, and below the mark no entry is lost. Above the mark a damaged record ends the log.
func TestFlipEveryByte(t *testing.T) {
	r := newRig(t)
	r.append(1, 25, 2600)
	r.appendKind(1, raft.KindConfig, raft.AppendConfiguration(nil, testBoot))
	r.append(2, 8, 300)
	hs := raft.HardState{Term: 9, Vote: "n2"}
	r.write(&hs)
	r.evict()
	r.provision()
	durable := r.l.Tip()
	require.NoError(t, r.l.Idle())
	r.append(2, 3, 100)
	r.flush()
	tip := r.l.Tip()
	known := map[Tip]bool{}
	for i := durable.ID.Index; i <= tip.ID.Index; i++ {
		end, err := r.l.tipAt(i)
		require.NoError(t, err)
		known[end] = true
	}
	require.NoError(t, r.l.Close())
	files := []string{r.l.names.group(), r.l.names.base(1), r.l.names.sidecar(1, 0), r.l.names.segment(1, 0), r.l.names.segment(1, 1)}
	outcomes := map[string]map[string]int{}
	for _, name := range files {
		size, err := r.disk.Stat(name)
		require.NoError(t, err)
		out := map[string]int{}
		outcomes[path.Base(name)] = out
		for off := int64(0); off < size; off += r.stride(name, off) {
			got, state, err := r.openFlipped(name, off)
			if err == nil {
				require.Equal(t, hs, state, "%s at %d: a forgotten vote", name, off)
				require.True(t, known[got], "%s at %d: the log ends at %v", name, off, got.ID)
				out["right"]++
				if got != tip {
					out["tail"]++
					require.True(t, strings.HasSuffix(name, "1.seg"), "%s at %d", name, off)
				}
				continue
			}
			var corrupt *CorruptionError
			require.True(t, errors.As(err, &corrupt), "%s at %d: %v", name, off, err)
			require.NotEmpty(t, corrupt.Path)
			out["corrupt"]++
		}
	}
	t.Logf("%v", outcomes)
	require.Zero(t, outcomes["GROUP"]["corrupt"], "one bad sector of the group file costs nothing")
	require.Zero(t, outcomes["0000000000000000.idx"]["corrupt"], "a sidecar is made again")
	require.Zero(t, outcomes["base-00000001"]["right"])
	require.NotZero(t, outcomes["0000000000000001.seg"]["tail"])
}

// stride is 1 but for where bytes are alike and many: bodies of sealed segments, which a start does not read, and space without a meaning.
func (r *rig) stride(name string, off int64) int64 {
	switch {
	case path.Base(name) == "GROUP" && off%pageSize > groupCRCAt+8:
		return 97
	case strings.HasSuffix(name, "0.seg") && off > pageSize+200:
		return 61
	case strings.HasSuffix(name, "1.seg") && off > fileOffset(r.l.End(), r.l.size)+100:
		return 509
	}
	return 1
}

// openFlipped opens a copy of the ledger with one byte changed, reads all of it, and gives its tip and hard state.
func (r *rig) openFlipped(name string, off int64) (Tip, raft.HardState, error) {
	r.t.Helper()
	d := r.disk.Clone()
	require.NoError(r.t, d.Flip(name, off, 1<<(off%8)))
	o := r.opts
	o.FS = d
	l, err := Open(o)
	if err != nil {
		return Tip{}, raft.HardState{}, err
	}
	defer l.Close()
	return l.Tip(), l.Restart().State, checkLog(l)
}
