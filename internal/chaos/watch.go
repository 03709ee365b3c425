package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/internal/chaos/process"
)

// How a process is, as far as was done to it.
const (
	up     = "up"
	down   = "down"
	frozen = "stopped"
)

// watch looks at the cluster from outside while faults come and go: who leads, whether a process or a replica has ended by itself.
type watch struct {
	cluster *process.Cluster
	tally   *tally
	ctx     context.Context
	cancel  context.CancelFunc
	wait    sync.WaitGroup

	mu      sync.Mutex
	leaders map[string]string
	states  map[string]string
	// isFull: the small disk is full. metFull: its node has met that since it was started.
	isFull, metFull bool
	// flawed are nodes whose flushes were made to fail since they were started: their replicas stop by right. started is when each was started last.
	flawed  map[string]bool
	started map[string]time.Time
	// ended: the small disk's node has ended, or a replica of it has stopped, because of that.
	ended bool
}

// lookEvery is how often the state is looked at, lookTimeout how long for.
const lookEvery, lookTimeout = 200 * time.Millisecond, time.Second

func startWatch(c *process.Cluster, t *tally) *watch {
	w := &watch{cluster: c, tally: t, leaders: map[string]string{}, states: map[string]string{}, flawed: map[string]bool{}, started: map[string]time.Time{}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	for _, n := range c.Nodes {
		w.states[n.ID] = up
	}
	w.wait.Add(1)
	go func() {
		defer w.wait.Done()
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		for w.ctx.Err() == nil {
			w.look()
			select {
			case <-ticker.C:
			case <-w.ctx.Done():
			}
		}
	}()
	return w
}

func (w *watch) stop() {
	w.cancel()
	w.wait.Wait()
}

func (w *watch) look() {
	ctx, cancel := context.WithTimeout(w.ctx, lookTimeout)
	defer cancel()
	asked := time.Now()
	nodes, _ := w.cluster.Client.Status(ctx) // when nobody answers there is no leader to be seen
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, group := range process.Groups {
		w.leaders[group] = ""
		if n := w.cluster.LeaderIn(nodes, group); n != nil {
			w.leaders[group] = n.ID
		}
	}
	for _, n := range nodes {
		for _, g := range n.Groups {
			if g.Role == "stopped" && w.started[n.ID].Before(asked) { // else it is the process of before that has answered
				w.gone(n.ID, fmt.Sprintf("the replica of group %s on %s has stopped: %s", g.Name, n.ID, g.Problem))
			}
		}
	}
	for _, n := range w.cluster.Nodes {
		if died, err := n.Died(); died && w.states[n.ID] == up {
			w.gone(n.ID, fmt.Sprintf("the process of %s has ended by itself: %v", n.ID, err))
		}
	}
}

// gone notes that a node or a replica has ended. Where a full disk may be the cause it is begun anew once there is space. REQUIRES: mu.
func (w *watch) gone(node, what string) {
	if w.flawed[node] {
		return
	}
	if node != smallDisk || !w.metFull {
		w.tally.violate(what)
		return
	}
	if !w.ended {
		w.ended = true
		w.tally.fault("ended by a full disk")
	}
	w.tally.note("with a full disk: %s", what)
}

// revive starts the small disk's node again if a full disk has ended it, or a replica of it, and there is space.
func (w *watch) revive() error {
	n := w.cluster.Node(smallDisk)
	w.mu.Lock()
	due := w.ended && !w.isFull && w.states[smallDisk] == up
	w.mu.Unlock()
	if !due {
		return nil
	}
	if err := w.kill(n); err != nil {
		return err
	}
	return w.start(n)
}

// leader is the id of a group's leader, "" when none is known.
func (w *watch) leader(group string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leaders[group]
}

func (w *watch) note(n *process.Node, state string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[n.ID] = state
}

func (w *watch) kill(n *process.Node) error {
	w.note(n, down)
	return n.Kill()
}

func (w *watch) start(n *process.Node) error {
	w.mu.Lock()
	if n.ID == smallDisk {
		w.metFull, w.ended = w.isFull, false
	}
	delete(w.flawed, n.ID)
	w.mu.Unlock()
	err := n.Start()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states[n.ID], w.started[n.ID] = up, time.Now()
	return err
}

// signal sends a signal; that a process has ended by itself is seen elsewhere.
func (w *watch) signal(n *process.Node, s syscall.Signal) error {
	if err := n.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// flaw notes that the flushes of a node are being made to fail.
func (w *watch) flaw(n *process.Node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flawed[n.ID] = true
}

// full notes that the small disk is full, or no longer.
func (w *watch) full(is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isFull, w.metFull = is, w.metFull || is
}

// transfer asks for a new leader, whatever becomes of it.
func (w *watch) transfer(group, to string) {
	w.wait.Add(1)
	go func() {
		defer w.wait.Done()
		ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
		defer cancel()
		_ = w.cluster.Client.Transfer(ctx, group, to) // among faults it may fail in every way
	}()
}

// String is the nodes' states and who leads.
func (w *watch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []string
	for _, n := range w.cluster.Nodes {
		text := n.ID + " " + w.states[n.ID]
		for _, group := range process.Groups {
			if w.leaders[group] == n.ID {
				text += " (" + group + ")"
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// awaitLeaders waits until every group has a leader.
func awaitLeaders(ctx context.Context, c *process.Cluster) error {
	return c.Await(ctx, "a leader of every group", func(nodes []client.NodeStatus) bool {
		for _, group := range process.Groups {
			if c.LeaderIn(nodes, group) == nil {
				return false
			}
		}
		return true
	})
}
