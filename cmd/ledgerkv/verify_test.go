package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/node"
)

// heldNode makes the directory of a node with two groups, closed, and gives the directories of the groups. The directory's UUID comes from the seed.
func heldNode(t *testing.T, seed uint64) (dir, one, two string) {
	t.Helper()
	dir = t.TempDir()
	n, err := node.Open(node.Options{Dir: dir, Seed: seed, Manual: true})
	require.NoError(t, err)
	for id, name := range map[node.GroupID]string{1: "one", 2: "two"} {
		_, err := n.OpenGroup(node.GroupOptions{ID: id, Name: name, SegmentSize: 1 << 16})
		require.NoError(t, err)
	}
	require.NoError(t, n.Close())
	return dir, filepath.Join(dir, "groups", groupDir(1)), filepath.Join(dir, "groups", groupDir(2))
}

// verifyDir runs verify in both forms, which have to agree on whether something is damaged.
func verifyDir(t *testing.T, dir string) (text string, v verifiedJSON) {
	t.Helper()
	r := run("ledger", "verify", dir)
	j := run("ledger", "verify", dir, "-o", "json")
	require.Equal(t, r.status, j.status)
	require.NoError(t, json.Unmarshal([]byte(j.out), &v), j.err)
	require.Equal(t, r.status == cli.ExitFailed, v.Advice != "")
	return r.out, v
}

func TestVerifyNodeFile(t *testing.T) {
	t.Parallel()
	dir, _, two := heldNode(t, 1)
	text, v := verifyDir(t, dir)
	require.Contains(t, text, "n1: node file good, not admitted yet, 0 peers, 2 groups\n")
	require.Contains(t, text, "n1 one: good, 0 records")
	require.Empty(t, v.Advice)
	require.Len(t, v.Nodes, 1)
	require.Equal(t, []heldJSON{{1, "one", false, 1 << 16}, {2, "two", false, 1 << 16}}, v.Nodes[0].Groups)
	require.Len(t, v.Nodes[0].Directory, 32)

	aside := filepath.Join(t.TempDir(), "two")
	require.NoError(t, os.Rename(two, aside))
	text, v = verifyDir(t, dir)
	require.Contains(t, text, two+": DAMAGED")
	require.Contains(t, text, "is gone, and with it the replica's votes")
	require.Contains(t, text, "a directory that was moved, put back")
	require.Len(t, v.Ledgers, 2)
	require.Empty(t, v.Ledgers[0].Faults)
	require.Equal(t, "two", v.Ledgers[1].Group)
	require.Len(t, v.Ledgers[1].Faults, 1)
	require.Empty(t, v.Nodes[0].Faults)

	_, _, stranger := heldNode(t, 2)
	require.NoError(t, os.Rename(stranger, two))
	text, v = verifyDir(t, dir)
	require.Contains(t, text, two+" belongs to something else: the node file says group 2 \"two\"")
	require.Len(t, v.Nodes[0].Faults, 1)
	require.NoError(t, os.RemoveAll(two))
	require.NoError(t, os.Rename(aside, two))

	name := filepath.Join(dir, "NODE")
	good, err := os.ReadFile(name)
	require.NoError(t, err)
	damaged := append([]byte(nil), good...)
	damaged[50] ^= 1
	require.NoError(t, os.WriteFile(name, damaged, 0o644))
	text, v = verifyDir(t, dir)
	require.Contains(t, text, dir+": node file DAMAGED")
	require.Contains(t, v.Nodes[0].Faults[0].Error, "checksum")
	require.Len(t, v.Ledgers, 2)
	require.NoError(t, os.Remove(name))
	text, v = verifyDir(t, dir)
	require.Contains(t, text, "there are groups and no node file")
	require.Len(t, v.Ledgers, 2)
}

// TestVerifyUnlisted: what a crash leaves while a group is made is no damage.
func TestVerifyUnlisted(t *testing.T) {
	t.Parallel()
	dir, _, _ := heldNode(t, 1)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "groups", groupDir(3)), 0o755))
	text, v := verifyDir(t, dir)
	require.Contains(t, text, "harmless: no replica of the group was made here")
	require.Len(t, v.Ledgers, 3)
	require.Empty(t, v.Ledgers[2].Faults)

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "groups")))
	text, v = verifyDir(t, dir)
	require.Contains(t, text, "is gone, and with it the replica's votes")
	require.Len(t, v.Ledgers, 2, "those that are listed")
}

// TestVerifyBehindTheEnd: what stands behind a log's end is shown and is no damage.
func TestVerifyBehindTheEnd(t *testing.T) {
	t.Parallel()
	dir, one, _ := heldNode(t, 1)
	segment := filepath.Join(one, "ledger-00000001", "0000000000000000.seg")
	f, err := os.OpenFile(segment, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("rubbish"), 4096+1000)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	text, v := verifyDir(t, dir)
	require.Contains(t, text, "behind the log's end, and no part of it: "+segment+" offset 5096, 7 bytes\n")
	require.Empty(t, v.Advice)
	require.Equal(t, []leftoverJSON{{segment, 5096, 7}}, v.Ledgers[0].Leftovers)
}
