package dledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// System is DLedger as a load.System.
type System struct{}

const group = "bench"

// Info describes the peer.
func (System) Info() load.Info {
	return load.Info{
		Name:    "dledger",
		Version: version,
		Flushes: "nothing: every 10 ms",
		Settings: []string{
			"file store; it flushes in the background and offers nothing else: what is acknowledged is in the memory of a quorum",
			"push in batches on (off by default): larger batches under load",
			"everything else by default: pending limit 10,000, acknowledgement within 2.5 s",
			"three JVMs with 1 GiB of heap at most; called over its own protocol (RocketMQ remoting, JSON with base64), four connections to the leader",
		},
		Shapes: []load.Shape{load.ThreeProcessesRemote},
		Kinds:  []load.Kind{load.Append, load.LogGet},
	}
}

// Start starts a cluster, on what setup.Dir holds.
func (System) Start(ctx context.Context, setup load.Setup) (load.Cluster, error) {
	if setup.Shape != load.ThreeProcessesRemote || !setup.Log {
		return nil, load.ErrUnsupported
	}
	specs, err := trio.Specs(setup, 3, 1, "")
	if err != nil {
		return nil, err
	}
	path, err := classPath(ctx)
	if err != nil {
		return nil, err
	}
	c := &cluster{specs: specs}
	for _, s := range specs {
		p, err := start(path, s)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.processes = append(c.processes, p)
	}
	if err := c.await(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// process is a server's.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // its end lets the server close
}

func start(path string, spec trio.Spec) (process, error) {
	cmd := exec.Command("java", "-Xmx1g", "-cp", path, "Node", serverID(spec.Node), peers(spec), spec.Dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return process{}, fmt.Errorf("dledger: %w", err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("dledger: starting a server: %w", err)
	}
	return process{cmd, stdin}, nil
}

func serverID(node int) string { return fmt.Sprintf("n%d", node) }

func peers(spec trio.Spec) string {
	var all []string
	for i, addresses := range spec.Addresses {
		all = append(all, serverID(i)+"-"+addresses[0])
	}
	return strings.Join(all, ";")
}

// connections is how many a cluster's callers share, as for every system.
const connections = 4

// cluster is three servers, and connections to the leader.
type cluster struct {
	specs     []trio.Spec
	processes []process

	mu     sync.Mutex
	leader string // of conns
	conns  [connections]*conn
}

// PIDs names the servers' processes.
func (c *cluster) PIDs() []int {
	var pids []int
	for _, p := range c.processes {
		pids = append(pids, p.cmd.Process.Pid)
	}
	return pids
}

// Close closes the servers and waits for them.
func (c *cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disconnect()
	var errs []error
	for _, p := range c.processes {
		errs = append(errs, p.stdin.Close())
	}
	for _, p := range c.processes {
		errs = append(errs, p.cmd.Wait())
	}
	c.processes = nil
	return errors.Join(errs...)
}

// disconnect drops the connections. mu is held.
func (c *cluster) disconnect() {
	for i, conn := range c.conns {
		if conn != nil {
			conn.close()
			c.conns[i] = nil
		}
	}
	c.leader = ""
}

// await waits until there is a leader that takes an append.
func (c *cluster) await(ctx context.Context) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := c.Do(ctx, &load.Op{Kind: load.Append, Value: []byte("begun")})
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("dledger: waiting for a leader: %w; the last attempt: %w", ctx.Err(), err)
		}
	}
}

// connection gives one to the leader, with the leader's name.
func (c *cluster) connection(ctx context.Context, worker int) (*conn, string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := worker % connections
	if c.conns[i] != nil && c.conns[i].broken() {
		c.disconnect()
	}
	if c.leader == "" {
		leader, err := c.find(ctx)
		if err != nil {
			return nil, "", err
		}
		c.leader = leader
	}
	if c.conns[i] == nil {
		conn, err := dial(ctx, c.address(c.leader))
		if err != nil {
			c.leader = ""
			return nil, "", err
		}
		c.conns[i] = conn
	}
	return c.conns[i], c.leader, nil
}

func (c *cluster) address(id string) string {
	for i, s := range c.specs {
		if serverID(i) == id {
			return s.Address(0)
		}
	}
	return ""
}

// find asks the servers who leads.
func (c *cluster) find(ctx context.Context) (string, error) {
	errs := []error{errors.New("dledger: no server knows a leader")}
	for i, s := range c.specs {
		conn, err := dial(ctx, s.Address(0))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		said, err := conn.call(ctx, askMetadata, &request{Group: group, RemoteID: serverID(i)})
		conn.close()
		if err != nil {
			errs = append(errs, err)
		} else if said.Code == success && c.address(said.LeaderID) != "" {
			return said.LeaderID, nil
		}
	}
	return "", errors.Join(errs...)
}

// lost drops the connections to a leader that refuses.
func (c *cluster) lost(leader string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == leader {
		c.disconnect()
	}
}

func (c *cluster) Do(ctx context.Context, op *load.Op) (load.Done, error) {
	code, ask := askAppend, &request{Group: group, Body: op.Value}
	switch op.Kind {
	case load.Append:
	case load.LogGet:
		index := int64(op.Index)
		code, ask = askGet, &request{Group: group, BeginIndex: &index}
	default:
		return load.Done{}, load.ErrUnsupported
	}
	conn, leader, err := c.connection(ctx, op.Worker)
	if err != nil {
		return load.Done{}, err
	}
	ask.RemoteID = leader
	got, err := conn.call(ctx, code, ask)
	if err != nil {
		return load.Done{}, err
	}
	if got.Code != success {
		c.lost(leader)
		return load.Done{}, fmt.Errorf("dledger: expected code %d of %s, got %d", success, leader, got.Code)
	}
	if op.Kind == load.Append {
		return load.Done{Items: 1, Bytes: len(op.Value)}, nil
	}
	done := load.Done{Items: len(got.Entries)}
	for _, e := range got.Entries {
		done.Bytes += len(e.Body)
	}
	return done, nil
}
