package trio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// ErrNoLeader: no node of this process leads the group at the moment. Nothing was done.
var ErrNoLeader = errors.New("trio: no node of this process leads the group at the moment")

// Cluster is the nodes of a peer's cluster, and a load.Operator and load.Processes. Lead, Lost, Member, Any, PIDs and GateFlushes may be called from any goroutine, the
// others from one.
type Cluster[M Member] struct {
	system string
	open   Open[M]
	specs  []Spec
	nodes  []node[M]
	hints  []atomic.Int32 // by group: the node of this process that led when last looked
	past   atomic.Uint64  // flushes of nodes that were closed
}

// node is a place for a node: it holds a member of this process, or a process, or nothing.
type node[M Member] struct {
	apart   bool // belongs in a process of its own
	member  atomic.Pointer[M]
	process atomic.Pointer[load.Process]
	broken  atomic.Pointer[load.Fault] // nil while it is not
}

// Start opens the nodes that specs describe, where the shape wants them, waits until every group has a leader, and in load.ThreeProcesses until it is the node in this
// process. system is the name by which a node's process finds the peer again.
func Start[M Member](ctx context.Context, system string, open Open[M], specs []Spec) (*Cluster[M], error) {
	setup := specs[0].Setup
	c := &Cluster[M]{system: system, open: open, specs: specs, nodes: make([]node[M], len(specs)), hints: make([]atomic.Int32, max(setup.Groups, 1))}
	for i := range c.nodes {
		c.nodes[i].apart = setup.Shape == load.ThreeProcessesRemote || setup.Shape == load.ThreeProcesses && i > 0
	}
	err := c.each(func(i int) error { return c.Start(ctx, i) })
	if err == nil {
		_, err = c.ask(ctx, 0, askFound, 0)
	}
	for g := 0; g < len(c.hints) && err == nil; g++ {
		err = c.elect(ctx, g, setup.Shape == load.ThreeProcesses)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("trio: starting a cluster of %s: %w", system, err), c.Close())
	}
	return c, nil
}

// each calls do for every node, side by side.
func (c *Cluster[M]) each(do func(i int) error) error {
	errs := make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i := range c.nodes {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// elect waits until a group has a leader, which shall be node 0 if wanted.
func (c *Cluster[M]) elect(ctx context.Context, group int, first bool) error {
	var asked time.Time
	return c.poll(ctx, fmt.Sprintf("a leader of group %d", group), func() bool {
		leader := c.whoLeads(ctx, group)
		c.hints[group].Store(int32(leader))
		if first && leader > 0 {
			if time.Since(asked) > 2*time.Second { // a handover takes its time, and one at a time
				asked = time.Now()
				_, _ = c.ask(ctx, leader, askHandOver, group) // refused: asked again
			}
			return false
		}
		return leader >= 0
	})
}

// poll waits until something holds: peers don't tell of themselves when they elect or catch up, so it looks.
func (c *Cluster[M]) poll(ctx context.Context, what string, holds func() bool) error {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("trio: waiting for %s: %w", what, ctx.Err())
		}
	}
	return nil
}

// ask asks a node, wherever it is.
func (c *Cluster[M]) ask(ctx context.Context, i int, question string, group int) (string, error) {
	question += " " + strconv.Itoa(group)
	said := ""
	if fault := c.nodes[i].broken.Load(); fault != nil && *fault == load.Freeze {
		return "", fmt.Errorf("trio: node %d of %s is frozen", i, c.system)
	} else if m := c.nodes[i].member.Load(); m != nil {
		said = answer(ctx, *m, question)
	} else if p := c.nodes[i].process.Load(); p != nil {
		var err error
		if said, err = p.Ask(ctx, question); err != nil {
			return "", err
		}
	} else {
		return "", fmt.Errorf("trio: node %d of %s is not open", i, c.system)
	}
	return said, refusal(said)
}

func (c *Cluster[M]) leads(ctx context.Context, i, group int) bool {
	said, err := c.ask(ctx, i, askLeads, group)
	return err == nil && said == "true"
}

// whoLeads is the node that leads a group, -1 if none.
func (c *Cluster[M]) whoLeads(ctx context.Context, group int) int {
	for i := range c.nodes {
		if c.leads(ctx, i, group) {
			return i
		}
	}
	return -1
}

// Lead is the node of this process that led a group when last looked. Whoever learns from it that it doesn't any more calls Lost. It fails with ErrNoLeader.
func (c *Cluster[M]) Lead(group int) (M, error) {
	if hint := c.hints[group].Load(); hint >= 0 {
		if m := c.nodes[hint].member.Load(); m != nil {
			return *m, nil
		}
	}
	return c.Lost(group)
}

// Lost looks for the leader of a group among the nodes of this process anew. It fails with ErrNoLeader.
func (c *Cluster[M]) Lost(group int) (M, error) {
	for i := range c.nodes {
		if m := c.nodes[i].member.Load(); m != nil && (*m).Leads(group) {
			c.hints[group].Store(int32(i))
			return *m, nil
		}
	}
	var none M
	return none, ErrNoLeader
}

// Member is a node of this process, by number; false if it is not open here.
func (c *Cluster[M]) Member(i int) (M, bool) {
	if m := c.nodes[i].member.Load(); m != nil {
		return *m, true
	}
	var none M
	return none, false
}

// Any is some node that is open in this process, chosen by a number; false if none is.
func (c *Cluster[M]) Any(number int) (M, bool) {
	for i := range c.nodes {
		if m, ok := c.Member((number + i) % len(c.nodes)); ok {
			return m, true
		}
	}
	var none M
	return none, false
}

// PIDs names the processes of nodes that run beside this one.
func (c *Cluster[M]) PIDs() []int {
	var pids []int
	for i := range c.nodes {
		if p := c.nodes[i].process.Load(); p != nil {
			pids = append(pids, p.PID())
		}
	}
	return pids
}

// GateFlushes sums up what the gates of all nodes have counted. A peer that has gates makes a load.FlushCounter of it.
func (c *Cluster[M]) GateFlushes() uint64 {
	sum := c.past.Load()
	for i := range c.nodes {
		said, err := c.ask(context.Background(), i, askFlushes, 0)
		if n, bad := strconv.ParseUint(said, 10, 64); err == nil && bad == nil {
			sum += n
		}
	}
	return sum
}

// Close closes all nodes and waits for them, one after the other: a leader that closes hands leadership to a node that is still there, and would wait for one that
// closes too.
func (c *Cluster[M]) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for i := range c.nodes {
		errs = append(errs, c.Stop(ctx, i))
	}
	return errors.Join(errs...)
}

func (c *Cluster[M]) line(i int) (string, error) {
	text, err := json.Marshal(c.specs[i])
	return string(text), err
}
