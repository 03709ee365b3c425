package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// members is a cluster of processes whose members change.
type members struct {
	session
	dir  string
	base int
}

// port is the address of a port of a node: 1 for clients, 2 for peers, 3 for the admin.
func (m *members) port(node, which int) string {
	return fmt.Sprintf("127.0.0.1:%d", m.base+5*(node-1)+which)
}

func (m *members) name(node int) string { return fmt.Sprintf("n%d", node) }

// server starts a node with a directory of its own.
func (m *members) server(node int, dir string, more ...string) *proc {
	return start(m.t, append([]string{"server", "--dir", filepath.Join(m.dir, dir), "--id", m.name(node), "--engine", "btree",
		"--client", m.port(node, 1), "--peer", m.port(node, 2), "--admin", m.port(node, 3)}, more...)...)
}

// initial are the flags of the nodes with which the cluster begins.
func (m *members) initial() []string {
	var peers, clients []string
	for i := 1; i <= 3; i++ {
		peers, clients = append(peers, m.name(i)+"="+m.port(i, 2)), append(clients, m.name(i)+"="+m.port(i, 1))
	}
	return []string{"--peers", strings.Join(peers, ","), "--clients", strings.Join(clients, ",")}
}

func newMembers(t *testing.T) (*members, map[int]*proc) {
	m := &members{session: session{t: t}, dir: t.TempDir(), base: freeBase(t)}
	var endpoints []string
	for i := 1; i <= 4; i++ {
		endpoints = append(endpoints, m.port(i, 1))
	}
	m.endpoints = strings.Join(endpoints, ",")
	nodes := map[int]*proc{}
	for i := 1; i <= 3; i++ {
		nodes[i] = m.server(i, m.name(i), m.initial()...)
	}
	m.good("put", "k", "v")
	return m, nodes
}

// list is what member list says of a group.
func (m *members) list(group string) membershipJSON {
	m.t.Helper()
	var all struct{ Groups []membershipJSON }
	require.NoError(m.t, json.Unmarshal([]byte(m.good("member", "list", "-o", "json", "--group", group)), &all))
	require.Len(m.t, all.Groups, 1)
	return all.Groups[0]
}

// roles are the members of a group with what they are.
func (m *members) roles(group string) (roles []string) {
	m.t.Helper()
	for _, x := range m.list(group).Members {
		roles = append(roles, x.ID+" "+x.Role)
	}
	return roles
}

// writer writes until it is told to stop, and gives the first error.
func (m *members) writer(ctx context.Context, c *client.Client) <-chan error {
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := c.Put(context.Background(), fmt.Appendf(nil, "w%d", i%100), fmt.Append(nil, i)); err != nil {
				failed <- err
				return
			}
		}
	}()
	return failed
}

// TestANodeThatLostItsDirectoryIsReplaced: by one command, under writes, which see nothing of it. Then the leader goes, and another is preferred.
func TestANodeThatLostItsDirectoryIsReplaced(t *testing.T) {
	t.Parallel()
	m, nodes := newMembers(t)
	c, err := client.Open(client.Options{Endpoints: strings.Split(m.endpoints, ",")})
	require.NoError(t, err)
	defer c.Close()
	m.good("transfer", "--to", "n1")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	failed := m.writer(ctx, c)

	nodes[2].signal(t, syscall.SIGKILL)
	<-nodes[2].done
	require.NoError(t, os.RemoveAll(filepath.Join(m.dir, "n2")))
	r := m.run("member", "replace", "n2", "n4="+m.port(4, 2))
	require.Equal(t, cli.ExitFailed, r.status, r.out)
	require.Contains(t, r.err, "is it started, with ledgerkv server --join?")
	joiner := m.server(4, "n4", "--join")
	require.Contains(t, joiner.line(t, "n4 is in no group yet; add it, with --endpoints of the cluster: "), " member add n4="+m.port(4, 2))
	out := m.good("member", "replace", "n2", "n4="+m.port(4, 2))
	require.Contains(t, out, "kv: n4 has replaced n2\n")
	require.Contains(t, out, "log: n4 has replaced n2\n")
	for _, group := range []string{"kv", "log"} {
		require.Equal(t, []string{"n1 voter", "n3 voter", "n4 voter"}, m.roles(group))
	}
	require.Equal(t, "kv: n4 has replaced n2\nlog: n4 has replaced n2\n", m.good("member", "replace", "n2", "n4="+m.port(4, 2)), "again, it does nothing")
	require.NotEqual(t, uint64(0), m.list("kv").Index)

	wiped := m.server(2, "n2 again", m.initial()...)
	eventually(t, "the old name is refused", func() bool { return strings.Contains(wiped.errs.String(), "choose a new id") })
	wiped.signal(t, syscall.SIGKILL)
	<-wiped.done
	m.server(2, "n2 once more", "--join")
	r = m.run("member", "add", "n2="+m.port(2, 2))
	require.Equal(t, cli.ExitFailed, r.status, r.out)
	require.Contains(t, r.err, "choose a new id")

	stop()
	require.NoError(t, <-failed, "the writer has seen nothing")
	m.sameState(c, 1, 3, 4)
	m.leaderGoes(c)
}

// sameState compares the states of nodes.
func (m *members) sameState(c *client.Client, nodes ...int) {
	m.t.Helper()
	revision, err := c.Put(context.Background(), []byte("last"), nil)
	require.NoError(m.t, err)
	hashes := map[string]bool{}
	for _, n := range nodes {
		m.good("get", "last", "--nearest", "--at-least", fmt.Sprint(revision), "--endpoints", m.port(n, 1))
		h, err := c.HashAt(context.Background(), m.port(n, 1), revision)
		require.NoError(m.t, err)
		hashes[string(h.Hash)] = true
	}
	require.Len(m.t, hashes, 1)
}

// leaderGoes removes the leader; of the two that are left priorities choose one, and it stays.
func (m *members) leaderGoes(c *client.Client) {
	t := m.t
	m.good("transfer", "--to", "n1")
	m.good("member", "remove", "n1")
	require.Equal(t, cli.ExitNotFound, m.run("member", "remove", "n1").status, "it is gone")
	for _, group := range []string{"kv", "log"} {
		require.Equal(t, []string{"n3 voter", "n4 voter"}, m.roles(group))
	}
	m.good("put", "after", "n1")
	from, to := "n3", "n4"
	if m.list("kv").Leader == "n4" {
		from, to = to, from
	}
	require.Contains(t, m.good("priority", to+"=10", from+"=5"), "kv: the priorities are set: "+to+"=10 "+from+"=5\n")
	eventually(t, to+" leads", func() bool { return m.list("kv").Leader == to })
	term := m.list("kv").Term
	for i := range 50 {
		_, err := c.Put(context.Background(), []byte("k"), fmt.Append(nil, i))
		require.NoError(t, err)
	}
	require.Equal(t, term, m.list("kv").Term, "it stays")
	m.sameState(c, 3, 4)
}

// TestMembersGrowAndShrink: the other verbs, and what they refuse.
func TestMembersGrowAndShrink(t *testing.T) {
	t.Parallel()
	m := &members{session: session{t: t}, dir: t.TempDir(), base: freeBase(t)}
	m.endpoints = m.port(1, 1)
	m.server(1, "n1", "--peers", "n1="+m.port(1, 2))
	m.good("put", "k", "v")
	for _, verb := range [][]string{{"member", "demote", "n1"}, {"member", "remove", "n1"}} {
		r := m.run(append(slices.Clone(verb), "--group", "kv")...)
		require.Equal(t, cli.ExitFailed, r.status, "%v: %s", verb, r.out)
		require.Contains(t, r.err, "without a voter", verb)
	}
	for _, verb := range [][]string{{"member", "promote", "n9"}, {"member", "demote", "n9"}, {"member", "remove", "n9"}, {"member", "address", "n9=a:1"}, {"priority", "n9=1"},
		{"member", "replace", "n9", "n8=a:1"}} {
		r := m.run(verb...)
		require.Equal(t, cli.ExitNotFound, r.status, "%v: %s", verb, r.err)
		require.Contains(t, r.err, "member", verb)
	}
	for _, verb := range [][]string{{"member", "add", "n2"}, {"member", "replace", "n1", "n1=a:1"}, {"priority", "n1=256"}, {"priority", "n1=1", "n1=2"}, {"member", "add", "n2=a:1", "--voter", "--no-promote"}} {
		require.Equal(t, cli.ExitMisuse, m.run(verb...).status, verb)
	}

	m.server(2, "n2", "--join")
	require.Contains(t, m.good("member", "add", "n2="+m.port(2, 2), "--no-promote"), "kv: n2 is a learner\n")
	require.Equal(t, []string{"n1 voter", "n2 learner"}, m.roles("kv"))
	m.good("member", "add", "n2="+m.port(2, 2), "--wait=false")
	m.good("member", "promote", "n2")
	require.Equal(t, []string{"n1 voter", "n2 voter"}, m.roles("log"))
	require.Contains(t, m.run("member", "add", "n2="+m.port(3, 2)).err, "member address n2=")
	m.good("member", "demote", "n2")
	require.JSONEq(t, `{"groups": [{"group": "kv", "done": true}, {"group": "log", "done": true}]}`, m.good("member", "demote", "n2", "-o", "json"))
	require.Equal(t, []string{"n1 voter", "n2 learner"}, m.roles("kv"))
	require.Contains(t, m.good("member", "list"), "voter, leads")
	require.Equal(t, "v", m.good("get", "k", "--nearest", "--endpoints", m.port(2, 1)), "a learner reads")
	m.good("member", "address", "n2="+m.port(3, 2))
	require.Equal(t, m.port(3, 2), m.list("kv").Members[1].Peer)
	m.good("member", "remove", "n2")
	require.Equal(t, []string{"n1 voter"}, m.roles("kv"))
	require.Equal(t, "v", m.good("get", "k"))
}
