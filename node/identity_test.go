package node_test

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/node"
)

// TestTheNodeFileIsChecked: a node whose own file can't be believed, or is not its own, does not start and says what to do.
func TestTheNodeFileIsChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(change func(*node.Options)) error {
		opts := node.Options{Dir: dir, ID: "n1", Cluster: "c"}
		if change != nil {
			change(&opts)
		}
		n, err := node.Open(opts)
		if err != nil {
			return err
		}
		return n.Close()
	}
	require.NoError(t, open(nil))
	name := filepath.Join(dir, "NODE")
	good, err := os.ReadFile(name)
	require.NoError(t, err)
	for what, c := range map[string]struct {
		bytes  func(b []byte) []byte
		change func(*node.Options)
		want   string
	}{
		"a later version": {bytes: func(b []byte) []byte {
			b[7] = 3
			body := b[:len(b)-4]
			return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		}, want: "version 3: format not known to this program; use one that knows it"},
		"a flipped byte":  {bytes: func(b []byte) []byte { b[30] ^= 1; return b }, want: "is damaged: checksum"},
		"a lost end":      {bytes: func(b []byte) []byte { return b[:20] }, want: "restore this very file from a copy"},
		"another node":    {change: func(o *node.Options) { o.ID = "n2" }, want: "is the directory of node n1, not of n2"},
		"another cluster": {change: func(o *node.Options) { o.Cluster = "d" }, want: "belongs to another cluster"},
	} {
		raw := append([]byte(nil), good...)
		if c.bytes != nil {
			raw = c.bytes(raw)
		}
		require.NoError(t, os.WriteFile(name, raw, 0o644), what)
		err := open(c.change)
		require.ErrorContains(t, err, c.want, what)
		require.ErrorContains(t, err, "nothing was changed", what)
		after, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, raw, after, what)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "groups"), 0o755))
	require.NoError(t, os.Remove(name))
	require.ErrorContains(t, open(nil), "holds groups but no NODE file")
	require.NoError(t, os.WriteFile(name, good, 0o644))
	require.NoError(t, open(nil), "restored")
}
