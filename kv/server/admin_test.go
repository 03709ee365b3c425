package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/sim/disk"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv/server"
	"github.com/ledgerkv/ledgerkv/node/transport"
)

// fetch gets a page of a node's admin port.
func fetch(t *testing.T, n *testNode, path string) (int, http.Header, string) {
	t.Helper()
	web := httptest.NewServer(n.server.Admin())
	defer web.Close()
	r, err := http.Get(web.URL + path)
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, r.Header, string(body)
}

// single opens a node on its own with one healthy group.
func single(t *testing.T) (*testCluster, *testNode) {
	t.Helper()
	c := newCluster(t, 1)
	n, _ := c.leader("kv")
	c.leader("log")
	groups := []server.Group{{ID: 2, Name: "log", Group: n.node.Group("log")}}
	var err error
	n.server, err = server.New(server.Options{Node: n.node, Groups: groups, Members: c.members, Metrics: n.metrics, Logger: silent})
	require.NoError(t, err)
	return c, n
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	_, n := single(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		code, header, body := fetch(t, n, path)
		require.Equal(t, http.StatusOK, code, body)
		require.Equal(t, "ok\n", body)
		require.Equal(t, "no-store", header.Get("Cache-Control"))
	}
	c := newCluster(t, 1)
	for _, path := range []string{"/healthz", "/readyz"} {
		code, _, body := fetch(t, c.nodes[0], path)
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Contains(t, body, "group broken could not be opened: its disk is gone")
	}
	code, _, body := fetch(t, newCluster(t, 3, 0).nodes[0], "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "not every initial member has recognised it")
	require.Contains(t, body, "group kv knows no leader")
}

// TestAReplicaThatStops: the flush of one group fails. It stops and says so; the other goes on.
func TestAReplicaThatStops(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, _ := c.leader("kv")
	c.leader("log")
	call[rpc.PutResult](c, n, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a"), Value: b("1")})
	n.disk.Inject(disk.Fault{Ops: []disk.OpKind{disk.OpDatasync}, Path: "data/groups/0000000000000001/*/*"})
	e := refused(c, n, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("b")})
	require.Equal(t, rpc.CodeUncertain, e.Code, "it may be on the disk or not: %v", e)
	e = refused(c, n, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("b")})
	require.Equal(t, rpc.CodeUnavailable, e.Code)
	require.Contains(t, e.Message, "has stopped")
	for g := n.node.Group("kv"); g.Role().Err == nil; { // the callers are told first
		_, err := g.AwaitRole(c.context(), g.Role().Seq)
		require.NoError(t, err)
	}
	st := call[rpc.NodeStatus](c, n, "", rpc.VerbStatus, &rpc.Empty{})
	require.Equal(t, server.RoleStopped, st.Groups[0].Role)
	require.NotEmpty(t, st.Groups[0].Problem)
	code, _, body := fetch(t, n, "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "group kv has stopped")
	_, _, metrics := fetch(t, n, "/metrics")
	require.Contains(t, metrics, `ledgerkv_replica_up{group="kv"} 0`)
	require.Contains(t, metrics, `ledgerkv_replica_up{group="log"} 1`)
	require.Contains(t, metrics, `ledgerkv_replica_failures_total{group="kv"} 1`)
	call[rpc.AppendResult](c, n, "log", rpc.VerbAppend, &rpc.AppendArgs{Body: b("the other group goes on")})
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, _ := c.leader("kv")
	c.leader("log")
	call[rpc.PutResult](c, n, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a"), Value: b("1")})
	n.disk.SetCapacity(n.disk.Used())
	body := make([]byte, 8<<10)
	// What is taken in before anybody knows of the full disk waits for space, and its caller learns that the outcome is unknown; what
	// comes then is refused.
	attempt := func() *rpc.Error {
		ctx, cancel := context.WithTimeout(c.context(), 500*time.Millisecond)
		defer cancel()
		var answer *rpc.Error
		err := n.conn.Call(ctx, "log", rpc.VerbAppend, &rpc.AppendArgs{Body: body}, &rpc.AppendResult{})
		if err != nil && !errors.As(err, &answer) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			answer = &rpc.Error{Code: rpc.CodeUncertain}
		}
		return answer
	}
	answer := attempt()
	for answer == nil || answer.Code == rpc.CodeUncertain {
		answer = attempt()
	}
	require.Equal(t, rpc.CodeDiskFull, answer.Code)
	require.True(t, call[rpc.GetResult](c, n, "kv", rpc.VerbGet, &rpc.GetArgs{Key: b("a")}).Found, "reads go on")
	_, _, metrics := fetch(t, n, "/metrics")
	require.Contains(t, metrics, `ledgerkv_replica_disk_full{group="log"} 1`)
	require.Contains(t, metrics, `ledgerkv_requests_total{verb="append",code="disk full"} 1`)
	n.disk.SetCapacity(1 << 40)
	for answer = attempt(); answer != nil; answer = attempt() {
		require.Contains(t, []rpc.Code{rpc.CodeDiskFull, rpc.CodeUncertain}, answer.Code)
	}
}

var (
	sampleLine = regexp.MustCompile(`^([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? (\S+)$`)
	typeLine   = regexp.MustCompile(`^# TYPE ([a-z_]+) (counter|gauge|histogram)$`)
)

// families reads an exposition as strictly as Prometheus does, and gives the samples of each family.
func families(t *testing.T, text string) map[string][]float64 {
	t.Helper()
	found := map[string][]float64{}
	name, kind, helped := "", "", ""
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			helped, _, _ = strings.Cut(rest, " ")
			require.NotContains(t, found, helped, "a family is there once")
			continue
		}
		if m := typeLine.FindStringSubmatch(line); m != nil {
			name, kind = m[1], m[2]
			require.Equal(t, helped, name)
			found[name] = nil
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		require.NotNil(t, m, "line %q", line)
		value, err := strconv.ParseFloat(m[3], 64)
		require.NoError(t, err)
		sample := m[1]
		if kind == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				sample = strings.TrimSuffix(sample, suffix)
			}
		}
		require.Equal(t, name, sample, "line %q", line)
		require.True(t, kind != "counter" || strings.HasSuffix(name, "_total"), name)
		found[name] = append(found[name], value)
	}
	return found
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	leads, _ := c.leader("kv")
	c.leader("log")
	for range 5 {
		call[rpc.PutResult](c, leads, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("a"), Value: b("1")})
	}
	refused(c, leads, "kv", rpc.VerbPut, &rpc.PutArgs{})
	_, header, text := fetch(t, leads, "/metrics")
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", header.Get("Content-Type"))
	found := families(t, text)
	for _, name := range []string{"ledgerkv_node_info", "ledgerkv_node_admitted", "ledgerkv_replica_up", "ledgerkv_replica_role", "ledgerkv_replica_term", "ledgerkv_replica_commit_index",
		"ledgerkv_replica_applied_index", "ledgerkv_replica_synced_index", "ledgerkv_replica_first_index", "ledgerkv_replica_last_index", "ledgerkv_replica_log_bytes",
		"ledgerkv_flush_seconds", "ledgerkv_flush_batches_total", "ledgerkv_role_changes_total", "ledgerkv_requests_total", "ledgerkv_request_seconds",
		"ledgerkv_peer_match_index", "go_goroutines", "go_gc_cycles_total"} {
		require.NotEmpty(t, found[name], name)
	}
	require.Contains(t, text, `ledgerkv_node_info{node="`+string(leads.id)+`",cluster="test",version="v0"} 1`)
	require.Contains(t, text, `ledgerkv_requests_total{verb="put",code="ok"} 5`)
	require.Contains(t, text, `ledgerkv_requests_total{verb="put",code="bad request"} 1`)
	require.Contains(t, text, `ledgerkv_request_seconds_count{verb="put"} 6`)
	require.Contains(t, text, `ledgerkv_request_seconds_bucket{verb="put",le="+Inf"} 6`)
	require.Contains(t, text, `ledgerkv_replica_role{group="kv",role="leader"} 1`)
	require.Contains(t, text, `ledgerkv_replica_up{group="broken"} 0`)
	require.Len(t, found["ledgerkv_replica_term"], 2, "what could not be opened has no term")
	require.GreaterOrEqual(t, found["ledgerkv_flush_batches_total"][0], 5.0)
}

// TestImagesAndLinksAreCounted: a follower that is cut off misses so much that it gets an image.
func TestImagesAndLinksAreCounted(t *testing.T) {
	t.Parallel()
	c := &testCluster{t: t, network: transport.NewNetwork(), imageBytes: 1 << 18, keepBytes: 1}
	c.openAll(3, nil)
	leads, away := c.leader("kv")
	for _, n := range c.nodes {
		if n != away {
			c.network.Cut(n.id, away.id)
			c.network.Cut(away.id, n.id)
		}
	}
	last := away.node.Group("kv").Ledger().Last().Index
	value := make([]byte, 32<<10)
	for leads.node.Group("kv").Ledger().Base().ID.Index <= last+10 {
		call[rpc.PutResult](c, leads, "kv", rpc.VerbPut, &rpc.PutArgs{Key: b("k"), Value: value})
	}
	c.network.HealAll()
	for _, n := range c.nodes {
		if n != away {
			c.network.Break(n.id, away.id)
		}
	}
	require.NoError(t, away.node.Group("kv").WaitApplied(c.context(), leads.node.Group("kv").Applied()))
	metric := func(n *testNode, name, labels string) float64 {
		_, _, text := fetch(t, n, "/metrics")
		require.NotEmpty(t, families(t, text)[name])
		_, rest, ok := strings.Cut(text, "\n"+name+labels+" ")
		require.True(t, ok, "%s%s", name, labels)
		digits, _, _ := strings.Cut(rest, "\n")
		value, err := strconv.ParseFloat(digits, 64)
		require.NoError(t, err)
		return value
	}
	sent := 0.0
	for _, n := range c.nodes {
		sent += metric(n, "ledgerkv_images_sent_total", `{group="kv"}`)
	}
	require.Positive(t, sent)
	require.Positive(t, metric(leads, "ledgerkv_images_made_total", `{group="kv"}`))
	require.Positive(t, metric(away, "ledgerkv_images_installed_total", `{group="kv"}`))
	require.Zero(t, metric(away, "ledgerkv_images_installed_total", `{group="log"}`))
	peer := `{peer="` + string(away.id) + `"}`
	require.GreaterOrEqual(t, metric(leads, "ledgerkv_peer_connections_total", peer), 3.0)
	require.Positive(t, metric(leads, "ledgerkv_peer_disconnections_total", peer))
	require.NoError(t, away.server.Close())
	require.NoError(t, away.node.Close())
	for ctx := c.context(); metric(leads, "ledgerkv_peer_messages_dropped_total", peer) == 0; {
		require.NoError(t, ctx.Err(), "heartbeats to a node that is gone are dropped")
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	t.Parallel()
	_, n := single(t)
	var err error
	n.server, err = server.New(server.Options{Node: n.node, Cluster: "a \"quoted\"\nback\\slash", Logger: silent})
	require.NoError(t, err)
	_, _, text := fetch(t, n, "/metrics")
	require.NotEmpty(t, families(t, text))
	require.Contains(t, text, `cluster="a \"quoted\"\nback\\slash"`)
}

func TestPages(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	n, _ := c.leader("kv")
	code, header, body := fetch(t, n, "/status")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "application/json", header.Get("Content-Type"))
	var st server.NodeStatus
	require.NoError(t, json.Unmarshal([]byte(body), &st))
	require.Equal(t, "n1", st.ID)
	require.Equal(t, "leader", st.Groups[0].Role)
	require.True(t, st.Groups[0].Ready)
	code, _, body = fetch(t, n, "/")
	require.Equal(t, http.StatusOK, code)
	for _, part := range []string{"<h1>n1</h1>", "its disk is gone", `href="/metrics"`, `href="/debug/pprof/"`, "<td>leader"} {
		require.Contains(t, body, part)
	}
	code, _, body = fetch(t, n, "/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "goroutine profile")
	code, _, _ = fetch(t, n, "/nothing")
	require.Equal(t, http.StatusNotFound, code)
}
