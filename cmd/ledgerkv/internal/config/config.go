package config

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ledgerkv/ledgerkv/kv"
)

// FileName is the configuration's name in a node's directory.
const FileName = "config.json"

// Config is a node's configuration. Addresses are host:port.
type Config struct {
	// ID names the node in its cluster. Default "n1".
	ID string `json:"id"`
	// Cluster names the cluster. Default "ledgerkv".
	Cluster string `json:"cluster"`
	// Client, Peer and Admin are where the node listens. Defaults: what Peers says of this node; otherwise 127.0.0.1 with the ports 7411,
	// 7412 and 7413.
	Client string `json:"client"`
	Peer   string `json:"peer"`
	Admin  string `json:"admin"`
	// Peers are the initial members, this node among them. Empty: the node is a cluster of its own.
	Peers []Peer `json:"peers,omitempty"`
	// Join: a new directory is for a node that is added to a running cluster ("ledgerkv member add"), whose groups it has to have. Peers is not
	// needed then.
	Join bool `json:"join,omitempty"`
	// Engine is what key-value groups keep their state in: "btree" or "pebble". Default "pebble".
	Engine kv.EngineKind `json:"engine"`
	// Groups are the groups of the cluster, the same on every node. Default: 1 kv, a key-value group, and 2 log, a log group.
	Groups  []Group `json:"groups"`
	Timings Timings `json:"timings,omitzero"`
	Limits  Limits  `json:"limits,omitzero"`
	// LogLevel is debug, info, warn or error. Default info.
	LogLevel string `json:"log_level,omitempty"`
}

// Peer is a member of the cluster and where others reach it.
type Peer struct {
	ID   string `json:"id"`
	Peer string `json:"peer"`
	// Client defaults to Peer with its port raised by 10,000, Admin by 20,000.
	Client string `json:"client,omitempty"`
	Admin  string `json:"admin,omitempty"`
}

// The kinds of groups.
const (
	KindKV  = "kv"
	KindLog = "log"
)

// Group is a group of the cluster. Sizes are in bytes; 0 is the default of the node (docs/operations.md).
type Group struct {
	ID          uint64   `json:"id"`
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`
	SegmentSize uint64   `json:"segment_size,omitempty"`
	KeepBytes   uint64   `json:"keep_bytes,omitempty"`
	KeepFor     Duration `json:"keep_for,omitempty"`
	ImageBytes  uint64   `json:"image_every_bytes,omitempty"`
	ImageCount  uint64   `json:"image_every_entries,omitempty"`
}

// Timings are the node's times; 0 is the default of the node.
type Timings struct {
	Tick      Duration `json:"tick,omitempty"`
	Heartbeat Duration `json:"heartbeat,omitempty"`
	Election  Duration `json:"election,omitempty"`
	// Lease is for how long leaders may answer reads that ask for it without asking the others (node.GroupOptions.Lease); 0: never.
	Lease Duration `json:"lease,omitempty"`
}

// Limits bound what a node uses; 0 is the default of the node where nothing else is said.
type Limits struct {
	// CacheBytes is the memory that Pebble may use for what it has read.
	CacheBytes int64 `json:"cache_bytes,omitempty"`
	// ImageBytesPerSecond bounds what the node sends of images.
	ImageBytesPerSecond int64 `json:"image_bytes_per_second,omitempty"`
	// ScrubBytesPerSecond is how fast the node reads its logs again to find damage; nil is the default of the node, and 0 is never.
	ScrubBytesPerSecond *int64 `json:"scrub_bytes_per_second,omitempty"`
}

// Scrub gives ScrubBytesPerSecond as node.Options has it: 0 for the default, negative for never.
func (l Limits) Scrub() int64 {
	switch {
	case l.ScrubBytesPerSecond == nil:
		return 0
	case *l.ScrubBytesPerSecond == 0:
		return -1
	}
	return *l.ScrubBytesPerSecond
}

// Duration is a time.Duration that is written like 500ms.
type Duration time.Duration

// MarshalText writes it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 {
		err = fmt.Errorf("expected no negative time")
	}
	*d = Duration(v)
	return err
}

// DefaultGroups are the groups of a cluster that says nothing else.
func DefaultGroups() []Group {
	return []Group{{ID: 1, Name: "kv", Kind: KindKV}, {ID: 2, Name: "log", Kind: KindLog}}
}

// The ports of a node that is told nothing, and how far the other ports are from the peer port where only that is known.
const (
	DefaultClientPort, DefaultPeerPort, DefaultAdminPort = 7411, 7412, 7413
	clientOffset, adminOffset                            = 10_000, 20_000
)

// SetDefaults fills in what is not set.
func (c *Config) SetDefaults() {
	orString(&c.ID, "n1")
	orString(&c.Cluster, "ledgerkv")
	orString((*string)(&c.Engine), string(kv.Pebble))
	orString(&c.LogLevel, "info")
	if len(c.Groups) == 0 {
		c.Groups = DefaultGroups()
	}
	for i := range c.Peers {
		p := &c.Peers[i]
		if p.ID == c.ID {
			orString(&p.Client, reachable(c.Client))
			orString(&p.Admin, reachable(c.Admin))
		}
		orString(&p.Client, shifted(p.Peer, clientOffset))
		orString(&p.Admin, shifted(p.Peer, adminOffset))
	}
	self, _ := c.peer(c.ID)
	orString(&c.Client, self.Client)
	orString(&c.Peer, self.Peer)
	orString(&c.Admin, self.Admin)
	if c.Join && c.Peer != "" {
		orString(&c.Client, shifted(c.Peer, clientOffset))
		orString(&c.Admin, shifted(c.Peer, adminOffset))
	}
	if len(c.Peers) == 0 {
		orString(&c.Client, local(DefaultClientPort))
		orString(&c.Peer, local(DefaultPeerPort))
		orString(&c.Admin, local(DefaultAdminPort))
	}
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// reachable is an address where others reach a node that listens on it; empty when that is not said, as with 0.0.0.0.
func reachable(address string) string {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip != nil && ip.IsUnspecified() {
		return ""
	}
	return address
}

func orString(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// ClientOf is where clients reach a node of which nothing but the peer port is known; empty when that can't be.
func ClientOf(peer string) string { return shifted(peer, clientOffset) }

// shifted is an address with its port raised, or empty when that leads nowhere.
func shifted(address string, by int) string {
	host, port, err := net.SplitHostPort(address)
	n, perr := strconv.Atoi(port)
	if err != nil || perr != nil || n+by > 65535 {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(n+by))
}

func (c *Config) peer(id string) (Peer, bool) {
	for _, p := range c.Peers {
		if p.ID == id {
			return p, true
		}
	}
	return Peer{}, false
}

// Members are the nodes of the cluster: Peers, or this node alone.
func (c *Config) Members() []Peer {
	if len(c.Peers) == 0 {
		return []Peer{{ID: c.ID, Peer: c.Peer, Client: c.Client, Admin: c.Admin}}
	}
	return c.Peers
}

// Path is where the configuration of a node's directory is.
func Path(dir string) string { return filepath.Join(dir, FileName) }

// Load reads the configuration of a node's directory. It fails with os.ErrNotExist when there is none. Defaults are not filled in.
func Load(dir string) (Config, error) {
	var c Config
	data, err := os.ReadFile(Path(dir))
	if err != nil {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	if err := decodeStrict(data, &c); err != nil {
		return c, fmt.Errorf("%s: %w", Path(dir), err)
	}
	return c, nil
}

// Save writes the configuration of a node's directory, making the directory if need be; a crash leaves the old one or the new one.
func (c *Config) Save(dir string) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	aside := Path(dir) + ".tmp"
	f, err := os.OpenFile(aside, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(aside, Path(dir))
	}
	return err
}
