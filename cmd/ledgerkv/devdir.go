package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/config"
	"github.com/ledgerkv/ledgerkv/kv"
)

// maxDevNodes is how many nodes have ports of their own before the next ten begin.
const maxDevNodes = 9

// layout is what a cluster on this machine looks like, as the flags of dev say.
type layout struct {
	dir      string
	nodes    int
	basePort int
	engine   string
}

// devCluster is the name of the clusters that dev makes.
const devCluster = "dev"

// prepare gives the configurations of the nodes, by id: those that the directory holds, or new ones, which it writes.
func (l *layout) prepare(call *cli.Call) ([]config.Config, error) {
	if l.nodes < 1 || l.nodes > maxDevNodes {
		return nil, cli.Misuse("--nodes can't be %d: expected 1 to %d", l.nodes, maxDevNodes)
	}
	if err := kv.EngineKind(l.engine).Validate(); err != nil {
		return nil, cli.Misuse("--engine can't be %q: expected pebble or btree", l.engine)
	}
	if highest := l.basePort + 10*maxDevNodes + 3; l.basePort < 0 || highest > 65535 {
		return nil, cli.Misuse("--base-port can't be %d: expected 0 to %d", l.basePort, 65535-10*maxDevNodes-3)
	}
	first, err := config.Load(filepath.Join(l.dir, nodeName(1)))
	if errors.Is(err, os.ErrNotExist) {
		return l.create()
	}
	if err != nil {
		return nil, err
	}
	return l.reopen(first, call)
}

func nodeName(i int) string { return fmt.Sprintf("n%d", i) }

// create writes the configurations of a new cluster.
func (l *layout) create() ([]config.Config, error) {
	if entries, err := os.ReadDir(l.dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty and holds no cluster (expected %s): choose another --dir", l.dir, config.Path(filepath.Join(l.dir, nodeName(1))))
	}
	return l.write(l.peers(l.nodes), func(string) (config.Config, error) {
		return config.Config{Cluster: devCluster, Engine: kv.EngineKind(l.engine)}, nil
	})
}

// peers are the members of a cluster with the ports that the base port gives.
func (l *layout) peers(n int) []config.Peer {
	var peers []config.Peer
	for i := 1; i <= n; i++ {
		at := func(offset int) string { return fmt.Sprintf("127.0.0.1:%d", l.basePort+10*i+offset) }
		peers = append(peers, config.Peer{ID: nodeName(i), Client: at(1), Peer: at(2), Admin: at(3)})
	}
	return peers
}

// write completes and writes the configuration of every peer that base gives. The first node's is written last: it is what says that the
// directory holds a cluster.
func (l *layout) write(peers []config.Peer, base func(id string) (config.Config, error)) ([]config.Config, error) {
	configs := make([]config.Config, len(peers))
	for i := len(peers) - 1; i >= 0; i-- {
		p := peers[i]
		c, err := base(p.ID)
		if err != nil {
			return nil, err
		}
		c.ID, c.Client, c.Peer, c.Admin, c.Peers = p.ID, p.Client, p.Peer, p.Admin, peers
		c.SetDefaults()
		if err := c.Validate(); err != nil {
			return nil, err
		}
		if err := c.Save(filepath.Join(l.dir, p.ID)); err != nil {
			return nil, err
		}
		configs[i] = c
	}
	return configs, nil
}

// reopen gives the configurations of a cluster that is there, with other ports if they are asked for. What else is asked for has to be
// what is there.
func (l *layout) reopen(first config.Config, call *cli.Call) ([]config.Config, error) {
	first.SetDefaults()
	peers := first.Members()
	if call.Given("nodes") && l.nodes != len(peers) {
		return nil, fmt.Errorf("%s holds a cluster of %d nodes, but --nodes is %d: leave it out, or choose another --dir", l.dir, len(peers), l.nodes)
	}
	if call.Given("engine") && l.engine != string(first.Engine) {
		return nil, fmt.Errorf("%s holds a cluster on the engine %s, but --engine is %s: leave it out, or choose another --dir", l.dir, first.Engine, l.engine)
	}
	load := func(id string) (config.Config, error) {
		c, err := config.Load(filepath.Join(l.dir, id))
		if err == nil && c.ID != id {
			err = fmt.Errorf("%s is of node %s, expected %s", config.Path(filepath.Join(l.dir, id)), c.ID, id)
		}
		return c, err
	}
	if call.Given("base-port") {
		if moved := l.peers(len(peers)); moved[0].Client != peers[0].Client {
			return l.write(moved, load)
		}
	}
	var configs []config.Config
	for _, p := range peers {
		c, err := load(p.ID)
		if err != nil {
			return nil, err
		}
		c.SetDefaults()
		if err := c.Validate(); err != nil {
			return nil, fmt.Errorf("%s: %w", config.Path(filepath.Join(l.dir, p.ID)), err)
		}
		configs = append(configs, c)
	}
	return configs, nil
}

// checkPorts finds ports in use before anything is started.
func checkPorts(configs []config.Config) error {
	for _, c := range configs {
		for _, a := range []struct{ what, address string }{{"clients", c.Client}, {"peers", c.Peer}, {"admin", c.Admin}} {
			l, err := net.Listen("tcp", a.address)
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("the port of %s (%s of %s) is in use: stop the process that has it, or choose other ports with --base-port", a.address, a.what, c.ID)
			}
			if err != nil {
				return fmt.Errorf("listening on %s (%s of %s): %w", a.address, a.what, c.ID, err)
			}
			if err := l.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}
