package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// startDev starts a cluster and waits until it is ready. It gives the leader's id.
func startDev(t *testing.T, dir string, base int, more ...string) (*proc, string) {
	t.Helper()
	args := append([]string{"dev", "--dir", dir}, more...)
	if base != 0 {
		args = append(args, "--base-port", strconv.Itoa(base))
	}
	p := start(t, args...)
	return p, p.line(t, "ready leader=")
}

var nodeLine = regexp.MustCompile(`^(n\d) pid=(\d+) client=(\S+) peer=(\S+) admin=(\S+) dir=(.+)$`)

// pids gives the processes of the nodes, as dev has printed them.
func (p *proc) pids(t *testing.T) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for _, l := range p.lines() {
		if m := nodeLine.FindStringSubmatch(l); m != nil {
			pid, err := strconv.Atoi(m[2])
			require.NoError(t, err)
			pids[m[1]] = pid
		}
	}
	return pids
}

// nodes asks for the status.
func (s session) nodes() []nodeJSON {
	s.t.Helper()
	var st struct{ Nodes []nodeJSON }
	require.NoError(s.t, json.Unmarshal([]byte(s.good("status", "-o", "json")), &st))
	return st.Nodes
}

// converged waits until so many nodes are there and have the same logs, applied and on disk.
func (s session) converged(nodes int) {
	s.t.Helper()
	eventually(s.t, "equal logs", func() bool {
		ends := map[string]string{}
		all := s.nodes()
		for _, n := range all {
			if !n.Reachable {
				return false
			}
			for _, g := range n.Groups {
				end := fmt.Sprint(g.Last, g.Position, g.Checksum)
				if ends[g.Name] == "" {
					ends[g.Name] = end
				}
				if ends[g.Name] != end || g.Applied != g.Last || g.Synced != g.Last || g.Commit != g.Last {
					return false
				}
			}
		}
		return len(all) == nodes && len(ends) == 2
	})
}

// TestKillTheLeader is the walk that the README invites to, with what a stranger would look at on the way.
func TestKillTheLeader(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"pebble", "btree"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dir, base := filepath.Join(t.TempDir(), "a dir"), freeBase(t)
			s := newSession(t, base, 3)
			dev, leader := startDev(t, dir, base, "--engine", engine)
			pids := dev.pids(t)
			require.Len(t, pids, 3)
			require.Contains(t, strings.Join(dev.lines(), "\n"), fmt.Sprintf("n2 pid=%d client=127.0.0.1:%d peer=127.0.0.1:%d admin=127.0.0.1:%d dir=%s",
				pids["n2"], base+21, base+22, base+23, filepath.Join(dir, "n2")))
			dev.line(t, "  export LEDGERKV_ENDPOINTS="+s.endpoints)

			s.good("put", "before", "1")
			s.good("log", "append", "before")
			require.NoError(t, syscall.Kill(pids[leader], syscall.SIGKILL))
			s.good("put", "after", "2")
			s.good("log", "append", "after")
			require.Equal(t, "1", s.good("get", "before"))
			restart := dev.line(t, leader+" has ended: signal: killed; start it again with: ")
			require.True(t, strings.HasSuffix(restart, " server --dir '"+filepath.Join(dir, leader)+"'"), restart)
			table := s.good("status")
			require.Contains(t, table, "unreachable")
			for _, n := range s.nodes() {
				require.Equal(t, n.ID != leader, n.Reachable)
			}

			again := start(t, "server", "--dir", filepath.Join(dir, leader))
			again.line(t, leader+" pid=")
			require.Equal(t, fmt.Sprint(again.cmd.Process.Pid), dev.line(t, leader+" is up again pid="))
			s.converged(3)
			r := run("ledger", "digest", dir)
			require.Equal(t, cli.ExitFailed, r.status)
			require.Contains(t, r.err, "in use by a running node")
			require.Zero(t, run("ledger", "dump", dir, "--live").status)

			dev.signal(t, os.Interrupt)
			require.Zero(t, dev.end(t))
			dev.line(t, "left running, as it was started elsewhere: "+leader)
			again.signal(t, syscall.SIGTERM)
			require.Zero(t, again.end(t))
			for id, pid := range pids {
				require.False(t, alive(pid), id)
			}
			checkOffline(t, dir)

			_, _ = startDev(t, dir, 0)
			require.Equal(t, "2", s.good("get", "after"), "the data is there again")
			require.Contains(t, s.good("log", "tail", "--from", "1", "--follow=false"), "before\n")
		})
	}
}

// checkOffline: all replicas that have stopped hold the same, and it is sound.
func checkOffline(t *testing.T, dir string) {
	t.Helper()
	r := run("ledger", "verify", dir, "-o", "json")
	require.Zero(t, r.status, r.err)
	var verified struct{ Ledgers []ledgerJSON }
	require.NoError(t, json.Unmarshal([]byte(r.out), &verified))
	require.Len(t, verified.Ledgers, 6)
	lowest := map[string]uint64{}
	for _, l := range verified.Ledgers {
		require.Empty(t, l.Faults)
		require.Contains(t, []string{"kv", "log"}, l.Group)
		if lowest[l.Group] == 0 || l.Last < lowest[l.Group] {
			lowest[l.Group] = l.Last
		}
	}
	for group, last := range lowest {
		r := run("ledger", "digest", dir, "--group", group, "--at", fmt.Sprint(last), "-o", "json")
		require.Zero(t, r.status, r.err)
		var digests struct{ Ledgers []digestJSON }
		require.NoError(t, json.Unmarshal([]byte(r.out), &digests))
		require.Len(t, digests.Ledgers, 3)
		for _, d := range digests.Ledgers {
			require.Equal(t, []any{last, digests.Ledgers[0].End, digests.Ledgers[0].Checksum}, []any{d.Last, d.End, d.Checksum})
		}
	}
	r = run("ledger", "digest", dir, "--at", "1000000")
	require.Equal(t, cli.ExitNotFound, r.status, r.err)
}

// TestNothingIsOrphaned: however dev ends, its nodes do too.
func TestNothingIsOrphaned(t *testing.T) {
	t.Parallel()
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		dev, _ := startDev(t, t.TempDir(), freeBase(t))
		dev.signal(t, os.Kill)
		dev.end(t)
		for id, pid := range dev.pids(t) {
			eventually(t, id+" ends", func() bool { return !alive(pid) })
		}
	})
	t.Run("output closed", func(t *testing.T) {
		t.Parallel()
		base := freeBase(t)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		dev := startInto(t, w, "dev", "--dir", t.TempDir(), "--base-port", strconv.Itoa(base), "--nodes", "1")
		require.NoError(t, w.Close())
		buf := make([]byte, 1)
		_, err = r.Read(buf) // its first line is coming
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.Equal(t, cli.ExitFailed, dev.end(t))
		eventually(t, "the ports are free", func() bool { return portsFree(base, basePorts) })
	})
	t.Run("terminated", func(t *testing.T) {
		t.Parallel()
		dev, _ := startDev(t, t.TempDir(), freeBase(t), "--nodes", "1")
		dev.signal(t, syscall.SIGTERM)
		require.Zero(t, dev.end(t))
		require.False(t, alive(dev.pids(t)["n1"]))
	})
}

// TestDevRefuses: what can't be carried out changes nothing and says what to do.
func TestDevRefuses(t *testing.T) {
	t.Parallel()
	dir, base := t.TempDir(), freeBase(t)
	dev, _ := startDev(t, dir, base, "--nodes", "1", "--engine", "btree")

	r := run("dev", "--dir", dir)
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.err, fmt.Sprintf("the port of 127.0.0.1:%d (clients of n1) is in use", base+11))
	require.Contains(t, r.err, "--base-port")
	r = run("dev", "--dir", t.TempDir(), "--base-port", strconv.Itoa(base))
	require.Contains(t, r.err, "is in use")
	dev.signal(t, os.Interrupt)
	require.Zero(t, dev.end(t))

	for flag, want := range map[string]string{
		"--nodes=3":         "holds a cluster of 1 nodes, but --nodes is 3",
		"--engine=pebble":   "holds a cluster on the engine btree, but --engine is pebble",
		"--nodes=0":         "--nodes can't be 0",
		"--nodes=10":        "--nodes can't be 10",
		"--engine=paper":    `--engine can't be "paper"`,
		"--base-port=65500": "--base-port can't be 65500",
	} {
		r := run("dev", "--dir", dir, flag)
		require.Contains(t, []int{cli.ExitFailed, cli.ExitMisuse}, r.status)
		require.Contains(t, r.err, want)
	}
	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "notes.txt"), nil, 0o644))
	require.Contains(t, run("dev", "--dir", other).err, "is not empty and holds no cluster")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "n1", "config.json"), []byte(`{"enigne": "btree"}`), 0o644))
	require.Contains(t, run("dev", "--dir", dir).err, `unknown key "enigne"; did you mean "engine"?`)
}

// TestDevMovesToOtherPorts: a cluster is reopened where its ports are free.
func TestDevMovesToOtherPorts(t *testing.T) {
	t.Parallel()
	dir, from, to := t.TempDir(), freeBase(t), freeBase(t)
	dev, _ := startDev(t, dir, from)
	newSession(t, from, 3).good("put", "k", "v")
	dev.signal(t, os.Interrupt)
	require.Zero(t, dev.end(t))
	_, _ = startDev(t, dir, to)
	s := newSession(t, to, 3)
	require.Equal(t, "v", s.good("get", "k"))
	for i, n := range s.nodes() {
		require.Equal(t, fmt.Sprintf("127.0.0.1:%d", to+10*(i+1)+2), n.Peer)
	}
}

// TestDevSaysWhyANodeDidNotStart: its last words are shown.
func TestDevSaysWhyANodeDidNotStart(t *testing.T) {
	t.Parallel()
	dir, base := t.TempDir(), freeBase(t)
	dev, _ := startDev(t, dir, base, "--nodes", "1")
	dev.signal(t, os.Interrupt)
	require.Zero(t, dev.end(t))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "n1", "NODE"), []byte("rubbish"), 0o644))
	dev = start(t, "dev", "--dir", dir)
	require.Equal(t, cli.ExitFailed, dev.end(t))
	require.Contains(t, dev.errs.String(), "n1 has ended: exit status 1")
	require.Contains(t, dev.errs.String(), "NODE is damaged")
}
