// Command log is the storage of a small broker: a replicated commit log with topics on it, on package node alone. It runs three brokers in one process,
// sends messages to the master, reads them in place on every broker, hands the mastership over, and stops the master.
//
//	go run ./examples/log ./data
//
// A real broker runs one Broker (broker.go) in each process, with the same Peers everywhere. Beside the standard library it links the rooms of a log
// alone: node, ledger, snapshot, raft. The directory is kept: run it again and the messages are still there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/node"
)

func main() {
	basePort := flag.Int("base-port", 7600, "the brokers listen on this port of the loopback interface and the two after it")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: log [--base-port N] DIR")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(context.Background(), localCluster(flag.Arg(0), *basePort), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// localCluster is three nodes on this machine.
func localCluster(dir string, basePort int) []node.Options {
	var peers []node.Peer
	for i := range 3 {
		peers = append(peers, node.Peer{ID: node.NodeID(fmt.Sprintf("n%d", i+1)), Address: fmt.Sprintf("127.0.0.1:%d", basePort+i)})
	}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var all []node.Options
	for _, p := range peers {
		all = append(all, node.Options{Dir: filepath.Join(dir, string(p.ID)), ID: p.ID, Cluster: "log-example", Peers: peers, Logger: quiet})
	}
	return all
}

// cluster is the brokers that run, and what they say of their roles.
type cluster struct {
	mu      sync.Mutex
	brokers map[node.NodeID]*Broker
	master  node.NodeID
	changed chan struct{} // closed when master changes
	out     io.Writer
}

func run(ctx context.Context, nodes []node.Options, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := &cluster{brokers: map[node.NodeID]*Broker{}, changed: make(chan struct{}), out: out}
	defer func() { err = errors.Join(err, c.close()) }()
	for _, o := range nodes {
		b, err := OpenBroker(o, func(r Role) { c.follow(o.ID, r) })
		if err != nil {
			return err
		}
		c.brokers[o.ID] = b
	}
	last, err := c.produce(ctx, "orders", "created", "paid", "shipped")
	if err != nil {
		return err
	}
	if err := c.readEverywhere(ctx, "orders", last); err != nil {
		return err
	}
	// Mastership can be handed over …
	master, err := c.handOver(ctx)
	if err != nil {
		return err
	}
	// … and it moves by itself when the master is gone.
	if err := c.stop(master); err != nil {
		return err
	}
	if last, err = c.produce(ctx, "orders", "delivered"); err != nil {
		return err
	}
	return c.readEverywhere(ctx, "orders", last)
}

// produce sends messages to the master, whoever that is.
func (c *cluster) produce(ctx context.Context, topic string, messages ...string) (last Place, err error) {
	for _, m := range messages {
		for {
			master, err := c.awaitMaster(ctx, "")
			if err != nil {
				return last, err
			}
			last, err = c.brokers[master].Produce(ctx, topic, []byte(m))
			var elsewhere *node.NotLeaderError
			if errors.As(err, &elsewhere) { // nothing was done: the role is about to change
				continue
			}
			if err != nil {
				return last, err
			}
			c.print("%s wrote %q: entry %d, payload at %d", master, m, last.Index, last.Position)
			break
		}
	}
	return last, nil
}

// readEverywhere reads a topic on every broker, in place.
func (c *cluster) readEverywhere(ctx context.Context, topic string, upTo Place) error {
	for id, b := range c.brokers {
		places, err := b.Topic(ctx, topic, upTo.Index)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		line := ""
		for _, p := range places {
			payload, err := b.Fetch(p)
			if err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			line += " " + string(payload)
		}
		c.print("%s has%s", id, line)
	}
	return nil
}

func (c *cluster) print(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, format+"\n", args...)
}

// follow takes a broker's role.
func (c *cluster) follow(id node.NodeID, r Role) {
	if r.Master {
		c.print("%s is master of term %d", id, r.Term)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.Master:
		c.master = id
	case c.master == id:
		c.master = ""
	default:
		return
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// awaitMaster waits for a master other than the one named.
func (c *cluster) awaitMaster(ctx context.Context, other node.NodeID) (node.NodeID, error) {
	for {
		c.mu.Lock()
		master, changed := c.master, c.changed
		c.mu.Unlock()
		if master != "" && master != other {
			return master, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("no master: %w", ctx.Err())
		}
	}
}

// handOver makes another broker the master and gives its name.
func (c *cluster) handOver(ctx context.Context) (node.NodeID, error) {
	for {
		from, err := c.awaitMaster(ctx, "")
		if err != nil {
			return "", err
		}
		to := c.anyBut(from)
		err = c.brokers[from].Transfer(ctx, to)
		var elsewhere *node.NotLeaderError
		switch {
		case err == nil:
			return c.awaitMaster(ctx, from)
		case errors.Is(err, node.ErrNotTransferred), errors.As(err, &elsewhere): // the other one was too slow: try again
		default:
			return "", err
		}
	}
}

// anyBut gives another broker than the one named.
func (c *cluster) anyBut(id node.NodeID) node.NodeID {
	for other := range c.brokers {
		if other != id {
			return other
		}
	}
	return id
}

// stop ends a broker.
func (c *cluster) stop(id node.NodeID) error {
	c.print("%s is stopped", id)
	b := c.brokers[id]
	delete(c.brokers, id)
	err := b.Close()
	c.follow(id, Role{}) // it says nothing more itself
	return err
}

func (c *cluster) close() error {
	var errs []error
	for id := range c.brokers {
		errs = append(errs, c.brokers[id].Close())
	}
	return errors.Join(errs...)
}
