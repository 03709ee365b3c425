package ours

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strconv"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/kv"
)

// remoteClients is how many clients, with a connection to the leader each, the callers of a remote shape share.
const remoteClients = 4

// kinds are what LedgerKV can do.
var kinds = []load.Kind{load.Put, load.Get, load.GetLease, load.GetLocal, load.Range, load.Txn, load.Append, load.LogRead, load.LogGet, load.Tail}

// System is LedgerKV on one of its engines.
type System struct {
	name   string
	engine kv.EngineKind
}

// Systems are LedgerKV on the engine in memory, called ledgerkv, and on the one on disk, called ledgerkv-pebble.
func Systems() []load.System {
	return []load.System{&System{"ledgerkv", kv.BTree}, &System{"ledgerkv-pebble", kv.Pebble}}
}

// Info describes the system.
func (s *System) Info() load.Info {
	return load.Info{
		Name: s.name, Family: "ledgerkv", Variant: s.engine == kv.Pebble, Version: Version(), Durable: true,
		Flushes: "a quorum, fdatasync",
		Counts:  "fdatasync of files and fsync of directories, counted in LedgerKV's own file layer, all nodes; those of Pebble's tables are not in it",
		Settings: []string{"engine: " + string(s.engine), "everything else by default",
			fmt.Sprintf("remote shapes: %d clients share the callers", remoteClients),
			fmt.Sprintf("reads by lease, in the workload that has them: a lease of %v", lease),
			"image and catch-up: segments of 1 MiB, an image every 4 MiB of log, 1 MiB of log kept"},
		Shapes: []load.Shape{load.ThreeNodes, load.ThreeNodesRemote, load.ThreeProcesses, load.ThreeProcessesRemote, load.OneNode, load.OneNodeRemote},
		Kinds:  kinds, Groups: true, Operable: true,
	}
}

// Version is LedgerKV's version as the program was built: the module's, or the revision of the source tree.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (version == "" || version == "(devel)") {
			version = s.Value[:min(12, len(s.Value))]
		}
	}
	return version
}

// Start starts a cluster; see load.System.
func (s *System) Start(ctx context.Context, setup load.Setup) (load.Cluster, error) {
	nodes, processes := 3, 0
	switch setup.Shape {
	case load.ThreeNodes, load.ThreeNodesRemote:
	case load.ThreeProcesses:
		processes = 2
	case load.ThreeProcessesRemote:
		processes = 3
	case load.OneNode, load.OneNodeRemote:
		nodes = 1
	default:
		return nil, load.ErrUnsupported
	}
	at, err := ports(nodes)
	if err != nil {
		return nil, err
	}
	remote := setup.Shape == load.ThreeNodesRemote || setup.Shape == load.ThreeProcessesRemote || setup.Shape == load.OneNodeRemote
	c := &cluster{system: s.name, shape: setup.Shape}
	for i, p := range at {
		c.seats = append(c.seats, &seat{apart: i >= nodes-processes, spec: spec{ID: p.ID, Dir: filepath.Join(setup.Dir, p.ID), Peers: at, Engine: string(s.engine),
			Groups: max(setup.Groups, 1), Log: setup.Log, Lease: setup.Lease, SmallLog: setup.SmallLog, Serve: remote || processes > 0}})
	}
	if err := c.start(ctx, remote); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// OpenNode opens a member in a process of its own; see load.NodeServer.
func (s *System) OpenNode(_ context.Context, text string) (load.Node, error) {
	var what spec
	if err := json.Unmarshal([]byte(text), &what); err != nil {
		return nil, fmt.Errorf("ours: expected what node to be as JSON: %w", err)
	}
	m, err := openMember(what)
	if err != nil {
		return nil, err
	}
	return nodeProcess{m}, nil
}

// The questions to a member in a process of its own.
const (
	askFlushes  = "flushes"
	askStall    = "stall"
	askUnstall  = "unstall"
	askLeads    = "leads"
	askCommit   = "committed"
	askApplied  = "applied"
	answerDone  = "done"
	answerLeads = "yes"
)

// nodeProcess answers for a member to the process that has started this one.
type nodeProcess struct{ *member }

// Ask answers one of the questions.
func (p nodeProcess) Ask(question string) string {
	g := p.groups[0]
	switch question {
	case askFlushes:
		return strconv.FormatUint(p.fs.flushes.Load(), 10)
	case askStall, askUnstall:
		p.fs.gate.set(question == askStall)
	case askLeads:
		if g.Role().Ready {
			return answerLeads
		}
	case askCommit:
		return strconv.FormatUint(uint64(g.Committed()), 10)
	case askApplied:
		return strconv.FormatUint(uint64(g.Applied()), 10)
	}
	return answerDone
}

// Close closes the member.
func (p nodeProcess) Close() error { return p.close() }

// Running is a cluster that runs already, as a system: its store group and its log group by name, and its own name, which may be empty. Nothing but the caller's process
// is measured. Keys that begin with load.KeyPrefix are written, and stay.
type Running struct {
	Endpoints           []string
	Cluster, Group, Log string
}

// Info describes the system.
func (r *Running) Info() load.Info {
	return load.Info{Name: "running", Version: "client " + Version(), Flushes: "a quorum, fdatasync", Durable: true,
		Settings: []string{fmt.Sprintf("endpoints: %v", r.Endpoints), fmt.Sprintf("%d clients share the callers; costs are those of the clients alone", remoteClients)},
		Shapes:   []load.Shape{load.Running},
		Kinds:    kinds}
}

// Start connects to the cluster. Setup.Dir is not used.
func (r *Running) Start(_ context.Context, setup load.Setup) (load.Cluster, error) {
	if setup.Shape != load.Running || setup.Groups > 1 {
		return nil, load.ErrUnsupported
	}
	calls, err := dial(client.Options{Endpoints: r.Endpoints, Cluster: r.Cluster, Group: r.Group, Agent: "ledgerkv-bench"}, r.Log)
	if err != nil {
		return nil, err
	}
	return &running{calls}, nil
}

// running is a cluster that this program has not started.
type running struct{ *remote }

// Close disconnects.
func (r *running) Close() error { return r.close() }
