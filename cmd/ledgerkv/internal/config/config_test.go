package config_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/config"
	"github.com/ledgerkv/ledgerkv/kv"
)

// load writes a configuration and reads it.
func load(t *testing.T, text string) (config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(config.Path(dir), []byte(text), 0o644))
	return config.Load(dir)
}

const whole = `{
  "id": "n1", "cluster": "c", "client": "a:1", "peer": "a:2", "admin": "a:3",
  "peers": [{"id": "n1", "peer": "a:2", "client": "a:1", "admin": "a:3"}, {"id": "n2", "peer": "b:2"}],
  "engine": "btree",
  "groups": [{"id": 1, "name": "kv", "kind": "kv", "segment_size": 1048576, "image_every_bytes": 7, "image_every_entries": 8},
             {"id": 2, "name": "log", "kind": "log", "keep_bytes": 9, "keep_for": "24h"}],
  "timings": {"tick": "5ms", "heartbeat": "50ms", "election": "1s", "lease": "300ms"},
  "limits": {"cache_bytes": 1048576, "image_bytes_per_second": 65536, "scrub_bytes_per_second": 0},
  "log_level": "debug"
}`

func TestLoadAndSave(t *testing.T) {
	t.Parallel()
	c, err := load(t, whole)
	require.NoError(t, err)
	require.Equal(t, config.Config{ID: "n1", Cluster: "c", Client: "a:1", Peer: "a:2", Admin: "a:3",
		Peers:  []config.Peer{{ID: "n1", Peer: "a:2", Client: "a:1", Admin: "a:3"}, {ID: "n2", Peer: "b:2"}},
		Engine: kv.BTree,
		Groups: []config.Group{{ID: 1, Name: "kv", Kind: "kv", SegmentSize: 1 << 20, ImageBytes: 7, ImageCount: 8},
			{ID: 2, Name: "log", Kind: "log", KeepBytes: 9, KeepFor: config.Duration(24 * time.Hour)}},
		Timings: config.Timings{Tick: config.Duration(5 * time.Millisecond), Heartbeat: config.Duration(50 * time.Millisecond), Election: config.Duration(time.Second), Lease: config.Duration(300 * time.Millisecond)},
		Limits:  config.Limits{CacheBytes: 1 << 20, ImageBytesPerSecond: 1 << 16, ScrubBytesPerSecond: new(int64)}, LogLevel: "debug"}, c)
	dir := filepath.Join(t.TempDir(), "new", "n1")
	require.NoError(t, c.Save(dir))
	again, err := config.Load(dir)
	require.NoError(t, err)
	require.Equal(t, c, again)
	require.NoError(t, c.Save(dir), "over the old one")
	_, err = config.Load(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestScrubLimit: nothing, never and a number are three things.
func TestScrubLimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{`{}`: 0, `{"limits": {"scrub_bytes_per_second": 0}}`: -1, `{"limits": {"scrub_bytes_per_second": 7}}`: 7} {
		c, err := load(t, text)
		require.NoError(t, err)
		c.SetDefaults()
		require.NoError(t, c.Validate())
		require.Equal(t, want, c.Limits.Scrub(), text)
	}
	c, err := load(t, `{"limits": {"scrub_bytes_per_second": -7}}`)
	require.NoError(t, err)
	c.SetDefaults()
	require.ErrorContains(t, c.Validate(), "scrub_bytes_per_second: expected 0 (never) or more, found -7")
}

func TestLoadIsStrict(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{\n \"enigne\": \"btree\"}":             `line 2: unknown key "enigne"; did you mean "engine"?`,
		`{"ID": "n1"}`:                           `unknown key "ID"; did you mean "id"?`,
		`{"peers": [{"id":"a"}, {"cleint": 1}]}`: `unknown key "cleint" in peers[1]; did you mean "client"?`,
		`{"timings": {"frob": 1}}`:               `unknown key "frob" in timings; expected one of election, heartbeat, lease, tick`,
		"{\"id\": \"a\",\n\"id\": \"b\"}":        `line 2: the key "id" is there twice`,
		`{"id": 7}`:                              "line 1: id: expected text, found a number",
		`{"groups": [{"id": "x"}]}`:              "groups.id: expected a whole number, 0 or more, found text",
		`{"groups": [{"id": -1}]}`:               "expected a whole number, 0 or more, found the number -1",
		`{"groups": {"id": 1}}`:                  "expected a list, found an object",
		`{"timings": {"tick": "10"}}`:            "expected a JSON object: time: missing unit",
		`{"timings": {"tick": "-10ms"}}`:         "no negative time",
		`{"id": "a"} {"id": "b"}`:                "expected nothing behind the closing brace",
		"{\"id\": \"a\",\n}":                     "line 2: expected JSON",
		`{"id": "a"`:                             "found an end too early",
		``:                                       "line 1: expected a JSON object, found an end too early",
		`[]`:                                     "line 1: expected an object, found a list",
		`nope`:                                   "line 1: expected JSON",
	} {
		_, err := load(t, text)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "config.json", text)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	var c config.Config
	c.SetDefaults()
	require.NoError(t, c.Validate())
	require.Equal(t, config.Config{ID: "n1", Cluster: "ledgerkv", Client: "127.0.0.1:7411", Peer: "127.0.0.1:7412", Admin: "127.0.0.1:7413",
		Engine: kv.Pebble, Groups: config.DefaultGroups(), LogLevel: "info"}, c)
	require.Equal(t, []config.Peer{{ID: "n1", Peer: "127.0.0.1:7412", Client: "127.0.0.1:7411", Admin: "127.0.0.1:7413"}}, c.Members())

	c = config.Config{ID: "n1", Client: "0.0.0.0:9000", Admin: "10.0.0.2:9001"}
	var err error
	c.Peers, err = config.ParsePeers("n0-host-a:40911;n1-host-b:40912")
	require.NoError(t, err)
	c.SetDefaults()
	require.NoError(t, c.Validate())
	require.Equal(t, []config.Peer{{ID: "n0", Peer: "host-a:40911", Client: "host-a:50911", Admin: "host-a:60911"},
		{ID: "n1", Peer: "host-b:40912", Client: "host-b:50912", Admin: "10.0.0.2:9001"}}, c.Members(), "0.0.0.0 is no address to go to")
	require.Equal(t, "0.0.0.0:9000", c.Client)
	require.Equal(t, "host-b:40912", c.Peer)
}

func TestValidateReportsEveryFault(t *testing.T) {
	t.Parallel()
	c := config.Config{ID: "n9", Client: "nowhere", Peer: "a:0", Admin: "a:70000", Engine: "paper", LogLevel: "loud",
		Peers:  []config.Peer{{ID: "n1", Peer: "a:1", Client: "a:2", Admin: "a:3"}, {ID: "n1", Peer: "a:1", Client: "b:60000", Admin: "b:9"}, {ID: "n2", Peer: "c:60000", Client: "c:x"}},
		Groups: []config.Group{{ID: 1, Name: "a", Kind: "kv", KeepFor: 1}, {ID: 1, Name: "a", Kind: "heap"}, {Kind: "log", ImageBytes: 1}}}
	c.SetDefaults()
	err := c.Validate()
	for _, want := range []string{`client: expected host:port, found "nowhere"`, "peer: expected a port from 1", "admin: expected a port", `found "paper"`, `found "loud"`,
		"expected this node, n9, among them", `peers[1]: expected an id that no other peer has, found "n1"`, "peer of n1: a:1 is the peer of n1 already",
		"client of n2: expected a port", "groups[0]: expected no keep_for", "groups[1]: expected an id", "groups[1]: expected a name", `found "heap"`,
		"groups[2]: expected an id", "groups[2]: expected a name", "groups[2]: expected no image settings"} {
		require.ErrorContains(t, err, want)
	}
}

func TestFlagsTakeThePlaceOfTheFile(t *testing.T) {
	t.Parallel()
	var f config.Flags
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	f.Define(flags)
	count := 0
	flags.VisitAll(func(fl *flag.Flag) { require.Contains(t, config.Names, fl.Name); count++ })
	require.Len(t, config.Names, count)

	before, err := load(t, whole)
	require.NoError(t, err)
	c := before
	require.NoError(t, f.Apply(&c))
	require.Equal(t, before, c, "no flag changes nothing")

	require.NoError(t, flags.Parse([]string{"--id", "n3", "--cluster", "d", "--client", "x:1", "--peer", "x:2", "--admin", "x:3", "--engine", "pebble", "--log-level", "warn",
		"--peers", "n3=x:2,n4=y:2", "--clients", "n4=y:9", "--groups", "3:g:log", "--tick", "1ms", "--heartbeat", "2ms", "--election", "9ms", "--lease", "8ms",
		"--cache-bytes", "5", "--image-bytes-per-second", "6"}))
	require.NoError(t, f.Apply(&c))
	require.Equal(t, config.Config{ID: "n3", Cluster: "d", Client: "x:1", Peer: "x:2", Admin: "x:3", Peers: []config.Peer{{ID: "n3", Peer: "x:2"}, {ID: "n4", Peer: "y:2", Client: "y:9"}},
		Engine: kv.Pebble, Groups: []config.Group{{ID: 3, Name: "g", Kind: "log"}}, LogLevel: "warn",
		Timings: config.Timings{Tick: config.Duration(time.Millisecond), Heartbeat: config.Duration(2 * time.Millisecond), Election: config.Duration(9 * time.Millisecond), Lease: config.Duration(8 * time.Millisecond)},
		Limits:  config.Limits{CacheBytes: 5, ImageBytesPerSecond: 6, ScrubBytesPerSecond: new(int64)}}, c)
	for _, bad := range [][]string{{"--peers", "x"}, {"--clients", "y"}, {"--groups", "z"}} {
		var f config.Flags
		flags := flag.NewFlagSet("server", flag.ContinueOnError)
		f.Define(flags)
		require.NoError(t, flags.Parse(bad))
		require.Error(t, f.Apply(&config.Config{}))
	}
}

// FuzzDecode: reading never panics, and what it takes can be written and read again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{whole, "{}", `{"peers":[[]]}`, `{"timings":{"tick":"1h"}}`, `[[[[`, `{"a":{"b":{}}}`, "{\"id\":\"\\ud800\"}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.DecodeStrict([]byte(text))
		if err != nil {
			return
		}
		b, err := json.Marshal(c)
		require.NoError(t, err)
		again, err := config.DecodeStrict(b)
		require.NoError(t, err)
		require.Equal(t, c.ID, again.ID)
	})
}
