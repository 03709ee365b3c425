package config

import (
	"flag"
	"time"

	"github.com/ledgerkv/ledgerkv/kv"
)

// Flags are the settings as flags: each that is given takes the place of what the file says.
type Flags struct {
	join                                                                    bool
	id, cluster, client, peer, admin, peers, clients, engine, groups, level string
	tick, heartbeat, election, lease                                        time.Duration
	cacheBytes, imageBytesPerSecond                                         int64
}

// Define declares the flags.
func (f *Flags) Define(flags *flag.FlagSet) {
	flags.StringVar(&f.id, "id", "", "this node's `name` in the cluster; n1 when nothing is said")
	flags.StringVar(&f.cluster, "cluster", "", "the cluster's `name`; ledgerkv when nothing is said")
	flags.StringVar(&f.client, "client", "", "where to listen for clients, `host:port`; the peer port + 10000 when only --peers is given")
	flags.StringVar(&f.peer, "peer", "", "where to listen for the other nodes, `host:port`; this node's address in --peers when nothing is said")
	flags.StringVar(&f.admin, "admin", "", "where to serve health, metrics and profiles, `host:port`; the peer port + 20000 when only --peers is given")
	flags.StringVar(&f.peers, "peers", "", "the initial `members`, this node among them: n1=host:port,n2=host:port\nor in DLedger's form n0-host:port;n1-host:port")
	flags.BoolVar(&f.join, "join", false, "the node is new and will be added to a running cluster")
	flags.StringVar(&f.clients, "clients", "", "where clients reach the `members`, in the forms of --peers; the peer port + 10000 when nothing is said")
	flags.StringVar(&f.engine, "engine", "", "what key-value groups keep their state in, `pebble or btree`; pebble when nothing is said")
	flags.StringVar(&f.groups, "groups", "", "the cluster's `groups` as id:name:kind; 1:kv:kv,2:log:log when nothing is said")
	flags.StringVar(&f.level, "log-level", "", "`debug, info, warn or error`; info when nothing is said")
	flags.DurationVar(&f.tick, "tick", 0, "the resolution of all timing; 10ms when nothing is said")
	flags.DurationVar(&f.heartbeat, "heartbeat", 0, "the time between a leader's heartbeats; 75ms when nothing is said")
	flags.DurationVar(&f.election, "election", 0, "after how long without a leader an election begins, at the earliest; 500ms when nothing is said")
	flags.DurationVar(&f.lease, "lease", 0, "for how long a leader may answer reads that ask for it without asking the others, the same on every node; never when nothing is said")
	flags.Int64Var(&f.cacheBytes, "cache-bytes", 0, "memory that Pebble may use for what it has read; 32 MiB when nothing is said")
	flags.Int64Var(&f.imageBytesPerSecond, "image-bytes-per-second", 0, "bound on the images that the node sends; 64 MiB when nothing is said")
}

// Names are the flags' names.
var Names = []string{"id", "cluster", "client", "peer", "admin", "peers", "join", "clients", "engine", "groups", "log-level", "tick", "heartbeat",
	"election", "lease", "cache-bytes", "image-bytes-per-second"}

// Apply changes a configuration to what the flags say.
func (f *Flags) Apply(c *Config) error {
	for _, s := range []struct {
		from string
		to   *string
	}{{f.id, &c.ID}, {f.cluster, &c.Cluster}, {f.client, &c.Client}, {f.peer, &c.Peer}, {f.admin, &c.Admin}, {f.level, &c.LogLevel}} {
		if s.from != "" {
			*s.to = s.from
		}
	}
	c.Join = c.Join || f.join
	if f.engine != "" {
		c.Engine = kv.EngineKind(f.engine)
	}
	for _, d := range []struct {
		from time.Duration
		to   *Duration
	}{{f.tick, &c.Timings.Tick}, {f.heartbeat, &c.Timings.Heartbeat}, {f.election, &c.Timings.Election}, {f.lease, &c.Timings.Lease}} {
		if d.from != 0 {
			*d.to = Duration(d.from)
		}
	}
	for _, n := range []struct {
		from int64
		to   *int64
	}{{f.cacheBytes, &c.Limits.CacheBytes}, {f.imageBytesPerSecond, &c.Limits.ImageBytesPerSecond}} {
		if n.from != 0 {
			*n.to = n.from
		}
	}
	return f.applyLists(c)
}

func (f *Flags) applyLists(c *Config) (err error) {
	if f.groups != "" {
		if c.Groups, err = ParseGroups(f.groups); err != nil {
			return err
		}
	}
	if f.peers != "" {
		if c.Peers, err = ParsePeers(f.peers); err != nil {
			return err
		}
	}
	if f.clients == "" {
		return nil
	}
	clients, err := ParsePeers(f.clients)
	if err != nil {
		return err
	}
	for i := range c.Peers {
		for _, x := range clients {
			if x.ID == c.Peers[i].ID {
				c.Peers[i].Client = x.Peer
			}
		}
	}
	return nil
}
