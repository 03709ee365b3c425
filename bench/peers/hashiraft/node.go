package hashiraft

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"

	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// node is a trio.Member.
type node struct {
	raft      *raft.Raft
	transport *raft.NetworkTransport
	log       *wal.WAL
	meta      *metadb.BoltMetaDB // of log, whose Close forgets it: its lock would keep the directory from being opened again
	machine   *machine
	gate      *trio.Gate
	reads     *reads
	spec      trio.Spec
}

// logCache is how many entries are kept in memory for followers.
const logCache = 8192

func open(_ context.Context, spec trio.Spec) (*node, error) {
	logger := hclog.New(&hclog.LoggerOptions{Name: fmt.Sprintf("%s %d", name, spec.Node), Level: hclog.Off})
	n := &node{gate: &trio.Gate{}, machine: &machine{ignore: spec.Setup.Log}, meta: &metadb.BoltMetaDB{}, spec: spec}
	var err error
	files := gatedFiles{VFS: fs.New(), gate: n.gate}
	if n.log, err = wal.Open(spec.Dir, wal.WithLogger(logger), wal.WithMetaStore(n.meta),
		wal.WithSegmentFiler(segment.NewFiler(spec.Dir, files))); err != nil {
		return nil, errors.Join(fmt.Errorf("hashiraft: opening the log in %s: %w", spec.Dir, err), n.meta.Close())
	}
	if err := n.join(config(spec, logger)); err != nil {
		return nil, errors.Join(fmt.Errorf("hashiraft: %w", err), n.Close())
	}
	n.reads = newReads(n.raft)
	return n, nil
}

func config(spec trio.Spec, logger hclog.Logger) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = serverID(spec.Node)
	conf.Logger = logger
	conf.MaxAppendEntries = 1024
	conf.BatchApplyCh = true
	conf.NoLegacyTelemetry = true
	if spec.Setup.SmallLog {
		conf.SnapshotThreshold, conf.TrailingLogs, conf.SnapshotInterval = 1000, 1000, time.Second
	}
	return conf
}

func serverID(node int) raft.ServerID { return raft.ServerID(strconv.Itoa(node)) }

// join starts the library on the log. A log that holds nothing begins with the configuration of all nodes.
func (n *node) join(conf *raft.Config) error {
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(filepath.Join(n.spec.Dir, "snapshots"), 2, conf.Logger)
	if err != nil {
		return err
	}
	address, err := net.ResolveTCPAddr("tcp", n.spec.Address(0))
	if err != nil {
		return err
	}
	n.transport, err = raft.NewTCPTransportWithConfig(address.String(), address,
		&raft.NetworkTransportConfig{MaxPool: 3, Timeout: 10 * time.Second, Logger: conf.Logger})
	if err != nil {
		return err
	}
	cached, err := raft.NewLogCache(logCache, n.log)
	if err != nil {
		return err
	}
	begun, err := raft.HasExistingState(n.log, n.log, snapshots)
	if err != nil {
		return err
	}
	if !begun {
		if err := raft.BootstrapCluster(conf, cached, n.log, snapshots, n.transport, configuration(n.spec)); err != nil {
			return err
		}
	}
	n.raft, err = raft.NewRaft(conf, n.machine, cached, n.log, snapshots, n.transport)
	return err
}

func configuration(spec trio.Spec) raft.Configuration {
	var c raft.Configuration
	for i, addresses := range spec.Addresses {
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: serverID(i), Address: raft.ServerAddress(addresses[0])})
	}
	return c
}

func (n *node) Leads(int) bool { return n.raft.State() == raft.Leader }

func (n *node) HandOver(_ context.Context, _, to int) error {
	return n.raft.LeadershipTransferToServer(serverID(to), raft.ServerAddress(n.spec.Addresses[to][0])).Error()
}

func (n *node) Applied(int) uint64 { return n.raft.AppliedIndex() }

func (n *node) Gate() *trio.Gate { return n.gate }

func (n *node) Close() error {
	var errs []error
	if n.raft != nil {
		errs = append(errs, n.raft.Shutdown().Error())
	}
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	return errors.Join(append(errs, n.log.Close(), n.meta.Close())...)
}
