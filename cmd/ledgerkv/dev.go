package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

func devVerb() cli.Verb {
	return cli.Verb{
		Name:  "dev",
		Short: "run a cluster on this machine, to try things with",
		Long: `Starts a cluster of real server processes on this machine, with a key-value group "kv" and a log group "log", prints a line for each node and "ready" with
the leader, and then what to try. Node i listens for clients on the port base+10i+1, for the other nodes on +2, and serves health and metrics on +3. Kill nodes as you like: a killed one stays
down, and the line that starts it again is printed. Ctrl-C stops all nodes; their data stays in the directory and is there again at the next
start. Each node's log is in its directory, in server.log.`,
		Examples: [][2]string{
			{"@ dev", "three nodes in ./ledgerkv-dev, ports from 7411 on"},
			{"@ dev --dir /tmp/five --nodes 5 --base-port 7500 --engine btree", "five nodes that keep their state in memory, beside the first cluster"},
		},
		Define: func(flags *flag.FlagSet) func(context.Context, *cli.Call) error {
			var l layout
			flags.StringVar(&l.dir, "dir", "ledgerkv-dev", "the `directory` of the nodes' directories")
			flags.IntVar(&l.nodes, "nodes", 3, "how many `nodes`: 1 to 9")
			flags.IntVar(&l.basePort, "base-port", 7400, "the `port` from which the nodes' ports are counted")
			flags.StringVar(&l.engine, "engine", "pebble", "what the key-value group keeps its state in, `pebble or btree`")
			return func(ctx context.Context, call *cli.Call) error { return dev(ctx, l, call) }
		},
	}
}

// readyWait is how long a cluster may take to have its leaders.
const readyWait = 30 * time.Second

// cluster is a cluster of processes on this machine.
type cluster struct {
	dir    string
	nodes  []*child
	out    io.Writer
	client *client.Client
	exits  chan exit
}

// dev runs a cluster until ctx is done.
func dev(ctx context.Context, l layout, call *cli.Call) error {
	// A reader of our output that goes away must not kill us before the nodes are stopped: the write fails instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	configs, err := l.prepare(call)
	if err != nil {
		return err
	}
	c := &cluster{dir: l.dir, out: call.Out, exits: make(chan exit, len(configs))}
	var endpoints []string
	for _, conf := range configs {
		c.nodes = append(c.nodes, newChild(filepath.Join(l.dir, conf.ID), conf))
		endpoints = append(endpoints, conf.Client)
	}
	if err := checkPorts(configs); err != nil {
		return err
	}
	if c.client, err = client.Open(client.Options{Endpoints: endpoints, Agent: "ledgerkv-dev"}); err != nil {
		return err
	}
	defer c.client.Close()
	err = c.run(ctx)
	c.stop()
	return err
}

// run starts the nodes, says so, and watches them.
func (c *cluster) run(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := n.start(c.exits); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		line, err := n.opened(ctx)
		if err != nil {
			return endedOr(ctx, err)
		}
		if _, err := fmt.Fprintln(c.out, line); err != nil {
			return err
		}
	}
	leader, err := c.awaitLeaders(ctx)
	if err != nil {
		return endedOr(ctx, err)
	}
	if _, err := fmt.Fprintf(c.out, "ready leader=%s\n%s", leader.ID, c.advice(leader)); err != nil {
		return err
	}
	return c.watch(ctx)
}

// endedOr gives err, unless the user has ended the program, which is none.
func endedOr(ctx context.Context, err error) error {
	if ended(ctx) {
		return nil
	}
	return err
}

// pollInterval is how often the nodes are asked how they are, while there is something to wait for.
const pollInterval = 50 * time.Millisecond

// awaitLeaders blocks until every group has a leader that serves, and gives that of the first group.
func (c *cluster) awaitLeaders(ctx context.Context) (client.NodeStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		nodes, _ := c.client.Status(ctx) // that none answers yet is what we wait for
		if leader, ok := leaderOf(nodes); ok {
			return leader, nil
		}
		select {
		case <-tick.C:
		case e := <-c.exits:
			return client.NodeStatus{}, e.node.failure(e.err)
		case <-ctx.Done():
			return client.NodeStatus{}, fmt.Errorf("the nodes found no leader within %v; their logs are in %s", readyWait, filepath.Join(c.dir, "*", logName))
		}
	}
}

// leaderOf gives the node that leads the first group, when every group has a leader that is ready.
func leaderOf(nodes []client.NodeStatus) (client.NodeStatus, bool) {
	var first client.NodeStatus
	groups, led := map[string]bool{}, map[string]bool{}
	for _, n := range nodes {
		for i, g := range n.Groups {
			groups[g.Name] = true
			if g.Ready {
				led[g.Name] = true
				if i == 0 {
					first = n
				}
			}
		}
	}
	return first, len(groups) > 0 && len(led) == len(groups)
}

// advice says what to try next.
func (c *cluster) advice(leader client.NodeStatus) string {
	program := programName()
	var b strings.Builder
	fmt.Fprintf(&b, "\nTry, in another terminal:\n")
	if endpoints := c.endpoints(); endpoints != defaultEndpoints {
		fmt.Fprintf(&b, "  export %s=%s\n", endpointsVariable, endpoints)
	}
	for _, line := range []string{"put topics/orders hello", "get topics/orders", "status", "log append 'first message'", "log tail --from 1"} {
		fmt.Fprintf(&b, "  %s %s\n", program, line)
	}
	if len(c.nodes) >= 3 {
		fmt.Fprintf(&b, "  kill -9 %d    # the leader; the others go on\n", leader.PID)
	}
	fmt.Fprintf(&b, "Ctrl-C stops the nodes; their data stays in %s\n\n", c.dir)
	return b.String()
}

func (c *cluster) endpoints() string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.config.Client)
	}
	return strings.Join(all, ",")
}

// watchInterval is how often nodes that are no children of ours are looked for.
const watchInterval = 500 * time.Millisecond

// watch says which nodes end and come back, until ctx is done or nobody takes what is printed.
func (c *cluster) watch(ctx context.Context) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case e := <-c.exits:
			e.node.running = false
			_, err = fmt.Fprintf(c.out, "%s has ended: %s; start it again with: %s\n", e.node.config.ID, e.reason(), e.node.restartLine())
		case <-tick.C:
			err = c.lookForOthers(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// lookForOthers notices nodes that were started from elsewhere, and when they are gone again.
func (c *cluster) lookForOthers(ctx context.Context) error {
	var down []*child
	for _, n := range c.nodes {
		if !n.running {
			down = append(down, n)
		}
	}
	if down == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	nodes, _ := c.client.Status(ctx) // if none answers, none was started
	for _, n := range down {
		i := slices.IndexFunc(nodes, func(s client.NodeStatus) bool { return s.Endpoint == n.config.Client })
		if i < 0 || errors.Is(nodes[i].Err, context.DeadlineExceeded) || errors.Is(nodes[i].Err, context.Canceled) {
			continue
		}
		var err error
		switch pid := nodes[i].PID; {
		case pid == n.elsewhere:
			continue
		case pid != 0:
			n.elsewhere = pid
			_, err = fmt.Fprintf(c.out, "%s is up again pid=%d\n", n.config.ID, pid)
		default:
			n.elsewhere = 0
			_, err = fmt.Fprintf(c.out, "%s has ended; start it again with: %s\n", n.config.ID, n.restartLine())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stopWait is how long the nodes may take for a clean end.
const stopWait = 8 * time.Second

// stop ends the nodes that are our children, and waits for them.
func (c *cluster) stop() {
	for _, n := range c.nodes {
		n.release()
	}
	deadline := time.NewTimer(stopWait)
	defer deadline.Stop()
	for _, n := range c.nodes {
		if !n.running {
			continue
		}
		select {
		case <-n.done:
		case <-deadline.C:
			deadline.Reset(0) // for the others, too
			_, _ = fmt.Fprintf(c.out, "%s does not end; killing it\n", n.config.ID)
			n.kill()
		}
	}
	var left []string
	for _, n := range c.nodes {
		if n.elsewhere != 0 {
			left = append(left, fmt.Sprintf("%s (pid %d)", n.config.ID, n.elsewhere))
		}
	}
	if left != nil {
		_, _ = fmt.Fprintf(c.out, "left running, as it was started elsewhere: %s\n", strings.Join(left, ", "))
	}
}
