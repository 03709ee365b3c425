package server

import (
	"errors"
	"fmt"
	"log/slog"

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
	// Dir and Version are told to who asks for the status.
	Dir     string
	Version string
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
