package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
)

// Cluster is three server processes on this machine.
type Cluster struct {
	program string
	nodes   []*Process
	client  *client.Client
}

// Process is a node and, while it runs, its process.
type Process struct {
	ID, Dir, Client, Admin string
	program                string
	command                *exec.Cmd
	output                 *os.File
}

// Limits are settings of the nodes other than the defaults, so that a test meets with little data what others meet with much. Sizes are in
// bytes; 0 is the node's default (docs/operations.md).
type Limits struct {
	// SegmentSize and KeepBytes are those of both groups, ImageEveryBytes that of the store.
	SegmentSize, KeepBytes, ImageEveryBytes uint64
	// ImageBytesPerSecond bounds what a node sends of images.
	ImageBytesPerSecond int64
}

// Build makes the program in dir and gives its path.
func Build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "ledgerkv")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/ledgerkv/ledgerkv/cmd/ledgerkv").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("chaos: building: %w: %s", err, out)
	}
	return program, nil
}

// NewCluster writes the settings of three nodes below dir; nothing runs yet.
func NewCluster(program, dir, engine string, limits Limits) (*Cluster, error) {
	ports, err := freePorts(9)
	if err != nil {
		return nil, err
	}
	c := &Cluster{program: program}
	var peers, clients, endpoints []string
	for i := range 3 {
		id := fmt.Sprintf("n%d", i+1)
		peers = append(peers, fmt.Sprintf("%s=127.0.0.1:%d", id, ports[3*i]))
		p := &Process{ID: id, Dir: filepath.Join(dir, id), Client: fmt.Sprintf("127.0.0.1:%d", ports[3*i+1]), Admin: fmt.Sprintf("127.0.0.1:%d", ports[3*i+2]), program: program}
		c.nodes = append(c.nodes, p)
		clients = append(clients, id+"="+p.Client)
		endpoints = append(endpoints, p.Client)
	}
	for _, p := range c.nodes {
		init := exec.Command(program, "server", "--init", "--dir", p.Dir, "--id", p.ID, "--peers", strings.Join(peers, ","), "--clients", strings.Join(clients, ","), "--engine", engine,
			"--client", p.Client, "--admin", p.Admin)
		if out, err := init.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("chaos: settings of %s: %w: %s", p.ID, err, out)
		}
		if err := p.limit(limits); err != nil {
			return nil, fmt.Errorf("chaos: limits of %s: %w", p.ID, err)
		}
	}
	c.client, err = client.Open(client.Options{Endpoints: endpoints})
	return c, err
}

// limit writes limits into the node's configuration file.
func (p *Process) limit(limits Limits) error {
	path := filepath.Join(p.Dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		return err
	}
	groups, _ := config["groups"].([]any)
	for _, g := range groups {
		g, _ := g.(map[string]any)
		set(g, "segment_size", limits.SegmentSize)
		set(g, "keep_bytes", limits.KeepBytes)
		if g["name"] == storeGroup {
			set(g, "image_every_bytes", limits.ImageEveryBytes)
		}
	}
	if limits.ImageBytesPerSecond != 0 {
		config["limits"] = map[string]any{"image_bytes_per_second": limits.ImageBytesPerSecond}
	}
	if data, err = json.MarshalIndent(config, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func set(settings map[string]any, name string, value uint64) {
	if value != 0 {
		settings[name] = value
	}
}

// freePorts gives ports that are free now, all held at once so that they differ.
func freePorts(n int) ([]int, error) {
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close() // held only to be different
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// Start starts a node's process. Its output goes to a file in its directory.
func (p *Process) Start() error {
	log, err := os.OpenFile(p.Dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	p.command = exec.Command(p.program, "server", "--dir", p.Dir)
	p.command.Stdout, p.command.Stderr = log, log
	p.output = log
	return p.command.Start()
}

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) error { return p.command.Process.Signal(s) }

// Kill ends the process as a crash does, and waits until it is gone.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Stop asks the process to end, and waits until it has.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM) }

func (p *Process) end(s syscall.Signal) error {
	if p.command == nil {
		return nil
	}
	err := p.Signal(s)
	state := p.command.Wait()
	p.command = nil
	var exit *exec.ExitError
	if s == syscall.SIGKILL && errors.As(state, &exit) {
		state = nil
	}
	return errors.Join(err, state, p.output.Close())
}

// StartAll starts every node that does not run.
func (c *Cluster) StartAll() error {
	for _, p := range c.nodes {
		if p.command == nil {
			if err := p.Start(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close kills what still runs.
func (c *Cluster) Close() error {
	errs := []error{c.client.Close()}
	for _, p := range c.nodes {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}

// statusEvery is how often a state that is waited for is looked at.
const statusEvery = 20 * time.Millisecond

// await looks at the cluster's state until it is as wanted.
func (c *Cluster) await(ctx context.Context, what string, wanted func([]client.NodeStatus) bool) error {
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	for {
		status, err := c.client.Status(ctx)
		if err == nil && wanted(status) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("chaos: waiting for %s: %w (last: %+v, %v)", what, ctx.Err(), status, err)
		}
	}
}

// Leader waits for a group's leader and gives its process.
func (c *Cluster) Leader(ctx context.Context, group string) (*Process, error) {
	var leader *Process
	err := c.await(ctx, "a leader of "+group, func(nodes []client.NodeStatus) bool {
		term := uint64(0)
		for _, n := range nodes {
			for _, g := range n.Groups {
				if g.Name == group && g.Ready && g.Term > term {
					leader, term = c.process(n.ID), g.Term
				}
			}
		}
		return leader != nil
	})
	return leader, err
}

func (c *Cluster) process(id string) *Process {
	for _, p := range c.nodes {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// Converged waits until every node is there and every replica has applied the same.
func (c *Cluster) Converged(ctx context.Context) error {
	return c.await(ctx, "all replicas to have applied the same", func(nodes []client.NodeStatus) bool {
		last := map[string]client.Index{}
		seen := 0
		for _, n := range nodes {
			for _, g := range n.Groups {
				if want, known := last[g.Name]; g.Problem != "" || g.Applied != g.Last || known && want != g.Last {
					return false
				}
				last[g.Name] = g.Last
				seen++
			}
		}
		return seen == 2*len(c.nodes)
	})
}
