package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// oneNode gives a cluster of one node of the test's own.
func oneNode(t *testing.T) session {
	t.Helper()
	base := freeBase(t)
	startDev(t, t.TempDir(), base, "--nodes", "1", "--engine", "btree")
	return newSession(t, base, 1)
}

func TestKeyVerbs(t *testing.T) {
	t.Parallel()
	s := oneNode(t)
	require.Equal(t, "revision 1\n", s.good("put", "a", "1"))
	require.Equal(t, "1", s.good("get", "a"), "the value and nothing else")
	r := s.run("get", "none")
	require.Equal(t, result{cli.ExitNotFound, "", "ledgerkv get: none: kv: the key does not exist\n"}, r)
	r = s.runIn("binary \x00\xff\n", "put", "-o", "json", "b", "-")
	require.Zero(t, r.status, r.err)
	require.JSONEq(t, `{"revision": 2}`, r.out)
	require.Equal(t, "binary \x00\xff\n", s.good("get", "b"))
	require.JSONEq(t, `{"key": "b", "value_base64": "YmluYXJ5IAD/Cg==", "create_revision": 2, "mod_revision": 2, "version": 1, "revision": 2, "applied": 3}`,
		s.good("get", "b", "-o", "json"))
	s.good("put", "--", "-k", "-v")
	require.Equal(t, "-v", s.good("get", "--local", "--", "-k"))
	for _, level := range [][]string{{"--lease"}, {"--at-least", "3"}, {"--max-staleness", "1s"}, {"--nearest"}, {"--nearest", "--at-least", "3"}} {
		require.Equal(t, "-v", s.good(append(append([]string{"get"}, level...), "--", "-k")...), level)
		require.Equal(t, "3\n", s.good(append([]string{"range", "--count-only"}, level...)...), level)
		r := s.runIn("then get a\n", append([]string{"txn"}, level...)...)
		require.Zero(t, r.status, r.err)
	}
	require.Contains(t, s.run("get", "a", "--local", "--lease").err, "expected one of")
	require.Contains(t, s.run("get", "a", "--at-least", "99", "--timeout", "200ms").err, "timeout")
	require.Contains(t, s.run("get", "a", "--max-staleness", "-1s").err, "expected a staleness of 0 or more")
	require.Contains(t, s.runIn("then put a 1\n", "txn", "--local").err, "expected none for a transaction that writes")

	require.Equal(t, "swapped, revision 4\n", s.good("cas", "a", "--mod-revision", "1", "2"))
	require.Equal(t, result{cli.ExitUnequal, "not swapped: mod revision 4, value 2\n", ""}, s.run("cas", "a", "--mod-revision", "1", "3"))
	require.Equal(t, result{cli.ExitUnequal, "not swapped: the key does not exist\n", ""}, s.run("cas", "none", "--mod-revision", "1", "3"))
	require.Equal(t, "swapped, revision 5\n", s.good("cas", "new", "--mod-revision", "0", "x"))
	r = s.run("cas", "a", "--mod-revision", "9", "3", "-o", "json")
	require.Equal(t, cli.ExitUnequal, r.status)
	require.JSONEq(t, `{"swapped": false, "revision": 5, "current": {"key": "a", "value": "2", "create_revision": 1, "mod_revision": 4, "version": 2}}`, r.out)
	require.Equal(t, cli.ExitMisuse, s.run("cas", "a", "3").status)
	require.Equal(t, "1", s.good("get", "a", "--revision", "3"))
	r = s.run("get", "a", "--revision", "99")
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.err, "the newest one is 5")

	require.Equal(t, "deleted 1, revision 6\n", s.good("del", "new"))
	require.Equal(t, result{cli.ExitNotFound, "deleted 0, revision 6\n", "ledgerkv del: new: kv: the key does not exist\n"}, s.run("del", "new"))
	require.JSONEq(t, `{"deleted": 0, "revision": 6}`, s.good("del", "--prefix", "zzz", "-o", "json"))
	require.Equal(t, "deleted 1, revision 7\n", s.good("del", "--prefix", "--", "-"))
	require.Equal(t, cli.ExitFailed, s.run("put", "", "x").status)
	require.Contains(t, s.run("put", strings.Repeat("k", 5000), "x").err, "expected at most 4096 bytes")
	require.Contains(t, s.run("put", "--group", "nope", "k", "x").err, "expected one of kv, log, found \"nope\"")
}

func TestRangeVerb(t *testing.T) {
	t.Parallel()
	s := oneNode(t)
	require.Empty(t, s.good("range", ""))
	require.Equal(t, "0\n", s.good("range", "--count-only"))
	for _, k := range []string{"t/b", "t/a", "u", "t/c\n", "\"q"} {
		s.good("put", k, "v "+k)
	}
	require.Equal(t, "t/a\tv t/a\nt/b\tv t/b\n\"t/c\\n\"\t\"v t/c\\n\"\n", s.good("range", "t/"))
	require.Equal(t, "u\n\"t/c\\n\"\n", s.good("range", "--reverse", "--keys-only", "--limit", "2"))
	require.Equal(t, "\"\\\"q\"\tv \"q\n", s.good("range", "--to", "t"))
	require.Equal(t, "t/b\n\"t/c\\n\"\n", s.good("range", "--from", "t/b", "--to", "u", "--keys-only"))
	require.Equal(t, "t/b\tv t/b\n", s.good("range", "t", "--revision", "1"))
	require.Equal(t, "3\n", s.good("range", "t/", "--count-only"))
	require.JSONEq(t, `{"revision": 5, "count": 1, "more": true, "items": [{"key": "t/a", "create_revision": 2, "mod_revision": 2, "version": 1}]}`,
		s.good("range", "t/", "--limit", "1", "--keys-only", "-o", "json"))
	require.JSONEq(t, `{"revision": 5, "count": 2, "more": true}`, s.good("range", "t/", "--limit", "2", "--count-only", "-o", "json"))
	require.Equal(t, cli.ExitMisuse, s.run("range", "t/", "--from", "x").status)

	big := strings.Repeat("x", 300<<10)
	for i := range 10 { // several pages
		r := s.runIn(big, "put", fmt.Sprintf("big/%d", i), "-")
		require.Zero(t, r.status, r.err)
	}
	for _, more := range [][]string{nil, {"--reverse"}, {"--limit", "7"}} {
		out := s.good(append([]string{"range", "big/"}, more...)...)
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		want := 10
		if len(more) == 2 {
			want = 7
		}
		require.Len(t, lines, want)
		for i, l := range lines {
			if len(more) == 1 {
				i = 9 - i
			}
			require.Equal(t, fmt.Sprintf("big/%d\t%s", i, big), l)
		}
	}
}

func TestTxnVerb(t *testing.T) {
	t.Parallel()
	s := oneNode(t)
	r := s.runIn("if version lock = 0\nthen put lock alice\nthen get lock\nelse get lock\n", "txn")
	require.Equal(t, result{0, "then, revision 1\nput\nget\tlock\talice\n", ""}, r)
	file := filepath.Join(t.TempDir(), "move.txn")
	require.NoError(t, os.WriteFile(file, []byte("if version lock = 0\nthen put lock bob\nelse get lock\nelse get none\nelse range l\nelse del lock\nelse del --prefix x\n"), 0o644))
	require.Equal(t, result{cli.ExitUnequal, "else, revision 2\nget\tlock\talice\nget\tnot found\nrange\tlock\talice\ndel\t1\ndel\t0\n", ""}, s.run("txn", file))
	r = s.runIn("if value lock = x\nelse get lock\nelse range \"\"\nelse del lock\nelse put a b", "txn", "-", "-o", "json")
	require.Equal(t, cli.ExitUnequal, r.status)
	require.JSONEq(t, `{"succeeded": false, "revision": 3, "results": [{"op": "get", "found": false}, {"op": "range"}, {"op": "delete", "deleted": 0}, {"op": "put"}]}`, r.out)
	r = s.runIn("then put a b\nthen putt a b", "txn")
	require.Equal(t, cli.ExitFailed, r.status)
	require.Equal(t, "ledgerkv txn: standard input: line 2: expected put, get, del or range behind then, found \"putt\"; did you mean \"put\"?\n", r.err)
	require.Contains(t, s.run("txn", filepath.Join(t.TempDir(), "none")).err, "no such file")
	require.NoError(t, os.WriteFile(file, []byte("frob"), 0o644))
	require.Contains(t, s.run("txn", file).err, file+": line 1: ")
}

func TestLogAndStatusVerbs(t *testing.T) {
	t.Parallel()
	base, dir := freeBase(t), t.TempDir()
	startDev(t, dir, base, "--nodes", "1")
	s := newSession(t, base, 1)
	require.Equal(t, "index 2, term 1, position 64, length 72\n", s.good("log", "append", "hello"))
	r := s.runIn("two\nlines", "log", "append", "-", "-o", "json")
	require.JSONEq(t, `{"index": 3, "term": 1, "position": 136, "length": 80}`, r.out)
	require.Equal(t, "hello", s.good("log", "get", "2"))
	var rec recordJSON
	require.NoError(t, json.Unmarshal([]byte(s.good("log", "get", "3", "-o", "json")), &rec))
	require.Equal(t, []any{uint64(3), "data", uint64(136), "two\nlines"}, []any{rec.Index, rec.Kind, rec.Position, *rec.Body})
	r = s.run("log", "get", "4")
	require.Equal(t, cli.ExitNotFound, r.status)
	require.Contains(t, r.err, "index 4: client: the log has no such entry yet")
	require.Equal(t, cli.ExitMisuse, s.run("log", "get", "0").status)
	require.Equal(t, cli.ExitMisuse, s.run("log", "get", "x").status)

	require.Equal(t, "2\thello\n3\t\"two\\nlines\"\n", s.good("log", "tail", "--from", "1", "--follow=false"))
	require.Equal(t, "1\t(empty)\n2\thello\n", s.good("log", "tail", "--from", "1", "--all", "--count", "2"))
	require.Empty(t, s.good("log", "tail", "--from", "99", "--follow=false"))
	for i := range 20 {
		s.good("log", "append", strconv.Itoa(i))
	}
	require.Equal(t, 10, strings.Count(s.good("log", "tail", "--follow=false"), "\n"))
	require.Equal(t, 3, strings.Count(s.good("log", "tail", "--count", "3", "-o", "json"), "\n"))
	require.Contains(t, s.run("log", "tail", "--group", "nope").err, "no such group")
	tail := start(t, "log", "tail", "--endpoints", s.endpoints, "--timeout", "1s")
	tail.line(t, "23\t19")
	s.good("log", "append", "comes later")
	tail.line(t, "24\tcomes later")
	tail.signal(t, os.Interrupt)
	require.Zero(t, tail.end(t))

	n := s.nodes()[0]
	require.Equal(t, []any{"n1", true, fmt.Sprintf("127.0.0.1:%d", base+11), fmt.Sprintf("127.0.0.1:%d", base+12), fmt.Sprintf("127.0.0.1:%d", base+13), filepath.Join(dir, "n1")},
		[]any{n.ID, n.Reachable, n.Client, n.Peer, n.Admin, n.Dir})
	require.Len(t, n.Groups, 2)
	g := n.Groups[1]
	require.Equal(t, []any{"log", "leader", uint64(1), "n1", uint64(24), uint64(24), uint64(24), uint64(1), uint64(24)},
		[]any{g.Name, g.Role, g.Term, g.Leader, g.Commit, g.Applied, g.Synced, g.First, g.Last})
	var raw map[string][]map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.good("status", "-o", "json", "--group", "kv")), &raw))
	for _, key := range []string{"id", "pid", "reachable", "client", "peer", "admin", "groups"} {
		require.Contains(t, raw["nodes"][0], key)
	}
	groups := raw["nodes"][0]["groups"].([]any)
	require.Len(t, groups, 1)
	for _, key := range []string{"name", "role", "term", "leader", "commit", "applied", "synced", "first", "last", "position", "checksum"} {
		require.Contains(t, groups[0], key)
	}
}

func TestTransferVerb(t *testing.T) {
	t.Parallel()
	base := freeBase(t)
	startDev(t, t.TempDir(), base)
	s := newSession(t, base, 3)
	for _, to := range []string{"n3", "n1", "n1"} {
		eventually(t, to+" leads", func() bool { // an election of its own may come between on a busy machine
			if r := s.run("transfer", "--to", to); r.out != fmt.Sprintf("%s leads kv\n%s leads log\n", to, to) {
				return false
			}
			for _, n := range s.nodes() {
				for _, g := range n.Groups {
					if (n.ID == to) != (g.Role == "leader") {
						return false
					}
				}
			}
			return true
		})
	}
	require.JSONEq(t, `{"leader": "n2", "groups": ["kv"]}`, s.good("transfer", "--to", "n2", "--group", "kv", "-o", "json"))
	require.Equal(t, "n2 leads log\n", s.good("transfer", "--group", "log", "--to", "n2"))
	require.Equal(t, cli.ExitMisuse, s.run("transfer").status)
	require.Contains(t, s.run("transfer", "--to", "n9").err, "name a voter")
}

// TestFormatVerbs: what is in force already is raised without harm, and what the program does not know is not raised at all.
func TestFormatVerbs(t *testing.T) {
	t.Parallel()
	base := freeBase(t)
	startDev(t, t.TempDir(), base)
	s := newSession(t, base, 3)
	eventually(t, "leaders", func() bool {
		return s.run("format", "raise").out == "format 1 is in force in kv\nformat 1 is in force in log\n"
	})
	require.JSONEq(t, `{"groups": [{"name": "log", "format": 1}]}`, s.good("format", "raise", "--to", "1", "--group", "log", "-o", "json"))
	r := s.run("format", "raise", "--to", "2")
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.err, "every member has to know format 2")
	require.Equal(t, cli.ExitMisuse, s.run("format", "raise", "--to", "4294967296").status)

	var printed formatsJSON
	require.NoError(t, json.Unmarshal([]byte(s.good("format", "-o", "json")), &printed))
	require.Equal(t, []inForceJSON{{"kv", 1}, {"log", 1}}, printed.Groups)
	require.Len(t, printed.Nodes, 3)
	for _, n := range printed.Nodes {
		require.True(t, n.Reachable)
		require.Equal(t, uint32(1), n.Knows)
	}
	require.Contains(t, s.good("format"), "IN FORCE")
	for _, n := range s.nodes() {
		require.Equal(t, uint32(1), n.Format)
		require.Equal(t, uint32(1), n.Groups[0].Format)
	}
}

// TestNoCluster: what a user sees who has not started anything.
func TestNoCluster(t *testing.T) {
	t.Parallel()
	endpoint := fmt.Sprintf("127.0.0.1:%d", freeBase(t))
	r := run("get", "a", "--endpoints", endpoint, "--timeout", "100ms")
	require.Equal(t, cli.ExitFailed, r.status)
	require.Contains(t, r.err, "connection refused")
	require.Contains(t, r.err, "is the cluster running? ledgerkv dev starts one")
	r = run("status", "--endpoints", endpoint, "--timeout", "100ms")
	require.Equal(t, cli.ExitFailed, r.status)
	r = run("get", "a", "--endpoints", "nonsense")
	require.Equal(t, cli.ExitMisuse, r.status)
	require.Equal(t, cli.ExitMisuse, run("get", "a", "--timeout", "0s").status)
	require.Equal(t, cli.ExitMisuse, run("get", "a", "-o", "xml").status)
}

func TestHelpOfEveryVerb(t *testing.T) {
	t.Parallel()
	main := run("--help")
	require.Zero(t, main.status)
	for _, v := range program().Verbs {
		require.Contains(t, main.out, v.Name)
		r := run(append(strings.Fields(v.Name), "--help")...)
		require.Zero(t, r.status, v.Name)
		for _, part := range []string{"Usage: ledgerkv " + v.Name, "Examples:\n", "Exit status:\n"} {
			require.Contains(t, r.out, part, v.Name)
		}
		require.Greater(t, len(v.Long), 60, v.Name)
		for _, e := range v.Examples {
			require.Contains(t, e[0], "@ "+v.Name)
		}
	}
	r := run("version")
	require.Contains(t, r.out, "format 1")
	require.Contains(t, run("version", "-o", "json").out, `"format": 1`)
}
