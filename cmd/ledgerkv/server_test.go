package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// alone are the flags of a node that is a cluster of its own.
func alone(dir string, base int, more ...string) []string {
	return append([]string{"server", "--dir", dir, "--id", "n1", "--client", fmt.Sprintf("127.0.0.1:%d", base+11), "--peer", fmt.Sprintf("127.0.0.1:%d", base+12),
		"--admin", fmt.Sprintf("127.0.0.1:%d", base+13)}, more...)
}

// page gets a page of an admin port.
func page(t *testing.T, address, path string) (int, string) {
	t.Helper()
	r, err := http.Get("http://" + address + path)
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(body)
}

// TestServerOnItsOwn: a node from flags, then from its file, and what it refuses.
func TestServerOnItsOwn(t *testing.T) {
	t.Parallel()
	base, dir := freeBase(t), filepath.Join(t.TempDir(), "data")
	r := run("server", "--dir", dir)
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.err, "config.json does not exist, and no settings were given as flags")
	require.Equal(t, cli.ExitMisuse, run("server").status)
	require.NoDirExists(t, dir)

	r = run(append(alone(dir, base, "--engine", "btree"), "--init")...)
	require.Zero(t, r.status, r.err)
	require.Equal(t, fmt.Sprintf("wrote %s/config.json; start the node with: ledgerkv server --dir %s\n", dir, dir), r.out)
	require.Contains(t, run(append(alone(dir, base), "--init")...).err, "exists already")

	s := newSession(t, base, 1)
	p := start(t, "server", "--dir", dir)
	require.Equal(t, fmt.Sprintf("%d client=127.0.0.1:%d peer=127.0.0.1:%d admin=127.0.0.1:%d dir=%s", p.cmd.Process.Pid, base+11, base+12, base+13, dir), p.line(t, "n1 pid="))
	s.good("put", "k", "v")
	admin := fmt.Sprintf("127.0.0.1:%d", base+13)
	code, body := page(t, admin, "/healthz")
	require.Equal(t, http.StatusOK, code, body)
	eventually(t, "both groups have a leader", func() bool {
		code, _ := page(t, admin, "/readyz")
		return code == http.StatusOK
	})
	_, metrics := page(t, admin, "/metrics")
	require.Contains(t, metrics, `ledgerkv_requests_total{verb="put",code="ok"} 1`)

	used := base + 20
	free := func() string { // an address of the test's own that was not used before
		used++
		return fmt.Sprintf("127.0.0.1:%d", used)
	}
	for name, args := range map[string][]string{
		fmt.Sprintf("the port of 127.0.0.1:%d is in use: stop the process that has it, or choose another address with --client", base+11): alone(t.TempDir(), base),
		fmt.Sprintf("the port of 127.0.0.1:%d is in use: stop the process that has it, or choose another address with --admin", base+13):  alone(t.TempDir(), base, "--client", free()),
		"data is in use by another process":             {"server", "--dir", dir, "--client", free(), "--admin", free()},
		"expected this node, n1, among":                 alone(t.TempDir(), base, "--peers", "n2=a:1"),
		`expected "btree" or "pebble"`:                  alone(t.TempDir(), base, "--engine", "paper"),
		"expected peers as":                             alone(t.TempDir(), base, "--peers", "frob"),
		"unknown flag --enigne; did you mean --engine?": alone(t.TempDir(), base, "--enigne", "btree"),
	} {
		r := run(args...)
		require.NotZero(t, r.status, name)
		require.Contains(t, r.err, name)
	}
	p.signal(t, syscall.SIGTERM)
	require.Zero(t, p.end(t))

	other := []string{"--client", free(), "--admin", free()}
	r = run(append([]string{"server", "--dir", dir, "--id", "n2"}, other...)...)
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.err, "is the directory of node n1, not of n2; nothing was changed")
	r = run(append([]string{"server", "--dir", dir, "--cluster", "other"}, other...)...)
	require.Contains(t, r.err, "belongs to another cluster")

	p = start(t, "server", "--dir", dir)
	require.Equal(t, "v", s.good("get", "k"))
	p.signal(t, os.Interrupt)
	require.Zero(t, p.end(t))
}

// TestPeerPortInUse: the third port is found, too, and named.
func TestPeerPortInUse(t *testing.T) {
	t.Parallel()
	base := freeBase(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+12))
	require.NoError(t, err)
	defer l.Close()
	peers := fmt.Sprintf("n1=127.0.0.1:%d,n2=127.0.0.1:%d", base+12, base+22)
	r := run(alone(t.TempDir(), base, "--peers", peers)...)
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.err, fmt.Sprintf("the port of 127.0.0.1:%d is in use: stop the process that has it, or choose another address with --peer", base+12))
}

// TestPeersInDLedgersForm: three nodes from DLedger's own flags, and nothing else; the leader is told to end.
func TestPeersInDLedgersForm(t *testing.T) {
	t.Parallel()
	base, dir := freeBase(t), t.TempDir()
	peers := fmt.Sprintf("n0-127.0.0.1:%d;n1-127.0.0.1:%d;n2-127.0.0.1:%d", base, base+1, base+2)
	nodes := map[string]*proc{}
	var endpoints []string
	for i := range 3 {
		id := fmt.Sprintf("n%d", i)
		nodes[id] = start(t, "server", "--dir", filepath.Join(dir, id), "--id", id, "--peers", peers, "--groups", "2:log:log")
		endpoints = append(endpoints, fmt.Sprintf("127.0.0.1:%d", base+i+10_000))
	}
	s := session{t, strings.Join(endpoints, ",")}
	s.good("log", "append", "one")
	leader := ""
	eventually(t, "all agree on a leader", func() bool {
		all := s.nodes()
		leader = all[0].Groups[0].Leader
		return leader != "" && all[1].Groups[0].Leader == leader && all[2].Groups[0].Leader == leader
	})
	nodes[leader].signal(t, syscall.SIGTERM)
	require.Zero(t, nodes[leader].end(t))
	require.Contains(t, nodes[leader].errs.String(), "leadership was handed over")
	s.good("log", "append", "two")
	require.Regexp(t, `^\d+\tone\n\d+\ttwo\n$`, s.good("log", "tail", "--from", "1", "--count", "2"))
}

// TestAWipedNodeStaysOut: under its old name it may not vote again.
func TestAWipedNodeStaysOut(t *testing.T) {
	t.Parallel()
	base, dir := freeBase(t), t.TempDir()
	dev, _ := startDev(t, dir, base)
	s := newSession(t, base, 3)
	s.good("put", "k", "v")
	require.NoError(t, syscall.Kill(dev.pids(t)["n3"], syscall.SIGKILL))
	dev.line(t, "n3 has ended")
	for _, name := range []string{"NODE", "groups", "engines", "LOCK"} {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "n3", name)))
	}
	wiped := start(t, "server", "--dir", filepath.Join(dir, "n3"))
	wiped.line(t, "n3 pid=")
	eventually(t, "the refusal is logged", func() bool { return strings.Contains(wiped.errs.String(), "its directory was wiped or replaced") })
	code, body := page(t, fmt.Sprintf("127.0.0.1:%d", base+33), "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "not every initial member has recognised it yet")
	s.good("put", "k", "v2")
	for _, n := range s.nodes() {
		require.Equal(t, n.ID == "n3", strings.Contains(n.Groups[0].Problem, "recognise"), "%+v", n)
	}
}

// TestDamage: verify says where, the node goes on with its other group, and says so.
func TestDamage(t *testing.T) {
	t.Parallel()
	base, dir := freeBase(t), t.TempDir()
	dev, _ := startDev(t, dir, base, "--nodes", "1")
	s := newSession(t, base, 1)
	for i := range 50 {
		s.good("put", fmt.Sprint(i), strings.Repeat("x", 100))
	}
	s.good("log", "append", "sound")
	dev.signal(t, os.Interrupt)
	require.Zero(t, dev.end(t))
	n1 := filepath.Join(dir, "n1")
	require.Contains(t, run("ledger", "verify", n1).out, "n1 kv: good, 51 records, entries 1 to 51")

	segment := filepath.Join(n1, "groups/0000000000000001/ledger-00000001/0000000000000000.seg")
	data, err := os.ReadFile(segment)
	require.NoError(t, err)
	data[4096+3000] ^= 1
	require.NoError(t, os.WriteFile(segment, data, 0o644))
	r := run("ledger", "verify", n1, "-o", "json")
	require.Equal(t, cli.ExitFailed, r.status)
	var verified struct{ Ledgers []ledgerJSON }
	require.NoError(t, json.Unmarshal([]byte(r.out), &verified))
	require.Len(t, verified.Ledgers[0].Faults, 1)
	require.Equal(t, segment, verified.Ledgers[0].Faults[0].Path)
	require.InDelta(t, 4096+3000, verified.Ledgers[0].Faults[0].Offset, 256)
	require.Positive(t, verified.Ledgers[0].Faults[0].Index)
	require.Empty(t, verified.Ledgers[1].Faults)
	r = run("ledger", "verify", n1)
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.out, "n1 kv: DAMAGED")
	require.Contains(t, r.out, "n1 log: good")
	require.Contains(t, r.err, "one place is damaged")
	require.Contains(t, r.out, "put back that very file and verify again")
	require.Equal(t, cli.ExitFailed, run("ledger", "digest", n1).status)
	require.Zero(t, run("ledger", "digest", n1, "--group", "log").status)
	r = run("ledger", "dump", n1, "--group", "1", "--from", "40")
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.out, "\n51 1 data ", "what is behind the damage is there")

	p := start(t, "server", "--dir", n1)
	p.line(t, "n1 pid=")
	require.Contains(t, p.errs.String(), "a group could not be opened; the others are served")
	require.Equal(t, "2\tsound\n", s.good("log", "tail", "--from", "1", "--count", "1"))
	code, body := page(t, fmt.Sprintf("127.0.0.1:%d", base+13), "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "group kv could not be opened")
	require.Equal(t, "stopped", s.nodes()[0].Groups[0].Role)
	require.Contains(t, s.run("status").out, "n1, group kv: ")
}

func TestOfflineVerbs(t *testing.T) {
	t.Parallel()
	base, dir := freeBase(t), t.TempDir()
	dev, _ := startDev(t, dir, base, "--nodes", "1")
	s := newSession(t, base, 1)
	s.good("log", "append", "one")
	r := s.runIn("\xff\x00", "log", "append", "-")
	require.Zero(t, r.status)
	dev.signal(t, os.Interrupt)
	require.Zero(t, dev.end(t))

	n1 := filepath.Join(dir, "n1")
	group := filepath.Join(n1, "groups", "0000000000000002")
	r = run("ledger", "dump", group, "--bodies")
	require.Zero(t, r.status, r.err)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	require.Equal(t, "# n1 0000000000000002: "+group, lines[0])
	require.Regexp(t, `^1 1 empty 0 \S+ 64 0 00000000 [0-9a-f]{8} ""$`, lines[2])
	require.Regexp(t, `^2 1 data 64 \S+ 72 3 [0-9a-f]{8} [0-9a-f]{8} one$`, lines[3])
	require.Regexp(t, `^3 1 data 136 \S+ 72 2 [0-9a-f]{8} [0-9a-f]{8} "\\xff\\x00"$`, lines[4])
	r = run("ledger", "dump", n1, "--group", "log", "--from", "2", "--to", "2", "-o", "json", "--bodies")
	var e entryJSON
	require.NoError(t, json.Unmarshal([]byte(r.out), &e))
	require.Equal(t, []any{"n1", "log", uint64(2), uint64(1), "data", uint64(64), 72, 3, "one"},
		[]any{e.Node, e.Group, e.Index, e.Term, e.Kind, e.Position, e.Length, e.BodyLength, *e.Body})
	r = run("ledger", "digest", dir, "--group", "log")
	require.Regexp(t, `^n1 log: entries 1 to 3, positions 0 to 208, checksum [0-9a-f]{8}\n$`, r.out)
	require.Regexp(t, `entries 1 to 2, positions 0 to 136`, run("ledger", "digest", group, "--at", "2").out)

	for _, verb := range []string{"dump", "verify", "digest"} {
		r := run("ledger", verb, filepath.Join(dir, "none"))
		require.Equal(t, cli.ExitFailed, r.status)
		require.Contains(t, r.err, "no such file")
		r = run("ledger", verb, t.TempDir())
		require.Equal(t, cli.ExitFailed, r.status)
		require.Contains(t, r.err, "holds no ledger")
		r = run("ledger", verb, n1, "--group", "nope")
		require.Equal(t, cli.ExitFailed, r.status)
		require.Contains(t, r.err, `has no group "nope"`)
	}
	require.NoError(t, os.WriteFile(filepath.Join(group, "GROUP"), make([]byte, 16<<10), 0o644))
	r = run("ledger", "verify", group)
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.out, group+": DAMAGED")
	require.Contains(t, run("ledger", "digest", group).err, group)
}
