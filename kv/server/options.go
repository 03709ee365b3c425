package server

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/node"
)

// Member is a node of the cluster and its ports, host:port each.
type Member struct {
	ID   node.NodeID
	Peer string
	// Client is what clients that asked the wrong node are told. Admin may be empty.
	Client string
	Admin  string
}

// Group is a group that is served.
type Group struct {
	ID   node.GroupID
	Name string
	// Group is the group on this node. It is nil when it could not be opened; Err says why then, and the others are served.
	Group *node.Group
	Err   error
	// Store is the group's store, nil for a log group.
	Store *kv.Store
	// Engine names what the store keeps its state in, for the status; empty for a log group.
	Engine string
}

// Options are the settings of a Server. Zero values mean the defaults.
type Options struct {
	// Node is the node whose groups are served. Required.
	Node *node.Node
	// Groups are the groups that are served. Their names must be different.
	Groups []Group
	// Cluster is the cluster's name; clients of another one are refused. Default "ledgerkv".
	Cluster string
	// Members are the nodes of the cluster, this one among them.
	Members []Member
	// ClientOf gives the client port of a node of which only the peer port is known, since it has joined later; nil: it is not told to clients.
	ClientOf func(peer string) string
	// Dir and Version are told to who asks for the status.
	Dir     string
	Version string
	// LeaderWait is how long a request waits for a leader. Default 1 s: an election takes less on a quiet network, and a client that asked a
	// node that is cut off does better to ask another one.
	LeaderWait time.Duration
	// QuietInterval is after how long a followed log that does not grow gets an empty part, so that the client sees that the node lives.
	// Default 2 s; clients count on 5 s.
	QuietInterval time.Duration
	// Metrics counts what happens. Give it the Metrics whose Hooks the node was opened with. Default: one of its own.
	Metrics *Metrics
	// Logger gets what happens to connections. Default: slog.Default().
	Logger *slog.Logger
}

// Validate reports every fault at once.
func (o Options) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("server: "+format, args...)) }
	if o.Node == nil {
		fault("Options.Node is required")
	}
	if o.LeaderWait < 0 || o.QuietInterval < 0 {
		fault("expected no negative LeaderWait or QuietInterval, found %v and %v", o.LeaderWait, o.QuietInterval)
	}
	seen := map[string]bool{}
	for _, g := range o.Groups {
		switch {
		case g.Name == "":
			fault("Options.Groups has a group without a name")
		case seen[g.Name]:
			fault("Options.Groups names %q twice", g.Name)
		case (g.Group == nil) == (g.Err == nil):
			fault("Options.Groups: expected %q to have either a group or a reason why it has none", g.Name)
		}
		seen[g.Name] = true
	}
	return errors.Join(faults...)
}

func (o *Options) setDefaults() {
	if o.Cluster == "" {
		o.Cluster = "ledgerkv"
	}
	if o.LeaderWait == 0 {
		o.LeaderWait = time.Second
	}
	if o.QuietInterval == 0 {
		o.QuietInterval = 2 * time.Second
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// member finds a member by its id.
func (o *Options) member(id node.NodeID) Member {
	for _, m := range o.Members {
		if m.ID == id {
			return m
		}
	}
	return Member{ID: id}
}
