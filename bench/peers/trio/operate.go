package trio

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// Leader is the node that leads group 0, wherever it runs. It fails with ErrNoLeader.
func (c *Cluster[M]) Leader(ctx context.Context) (int, error) {
	if i := c.whoLeads(ctx, 0); i >= 0 {
		return i, nil
	}
	return 0, ErrNoLeader
}

// Start opens a node where it belongs, on what its directory holds.
func (c *Cluster[M]) Start(ctx context.Context, i int) error {
	n := &c.nodes[i]
	if n.member.Load() != nil || n.process.Load() != nil {
		return fmt.Errorf("trio: node %d of %s is open already", i, c.system)
	}
	if !n.apart {
		m, err := c.open(ctx, c.specs[i])
		if err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
		n.member.Store(&m)
		return nil
	}
	line, err := c.line(i)
	if err != nil {
		return err
	}
	p, err := load.Spawn(ctx, c.system, line)
	if err != nil {
		return fmt.Errorf("node %d: %w", i, err)
	}
	n.process.Store(p)
	return nil
}

// Stop closes a node cleanly and waits for it. What is broken is mended first. That it is not open is no error.
func (c *Cluster[M]) Stop(ctx context.Context, i int) error {
	n := &c.nodes[i]
	if fault := n.broken.Load(); fault != nil && *fault != load.Kill {
		if err := c.Mend(ctx, i); err != nil {
			return err
		}
	}
	if said, err := c.ask(ctx, i, askFlushes, 0); err == nil {
		flushes, _ := strconv.ParseUint(said, 10, 64)
		c.past.Add(flushes)
	}
	if m := n.member.Swap(nil); m != nil {
		return (*m).Close()
	}
	if p := n.process.Swap(nil); p != nil {
		return p.Stop(ctx)
	}
	return nil
}

// CaughtUp blocks until a node has applied what some other node had applied when it was called, in every group.
func (c *Cluster[M]) CaughtUp(ctx context.Context, i int) error {
	for g := range c.hints {
		want, err := c.mostApplied(ctx, g)
		if err != nil {
			return err
		}
		err = c.poll(ctx, fmt.Sprintf("node %d to catch up", i), func() bool {
			said, err := c.ask(ctx, i, askApplied, g)
			has, bad := strconv.ParseUint(said, 10, 64)
			return err == nil && bad == nil && has >= want
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mostApplied is the highest index of a group that a node has applied. A node that is not open doesn't count.
func (c *Cluster[M]) mostApplied(ctx context.Context, group int) (uint64, error) {
	most, answered := uint64(0), false
	for i := range c.nodes {
		if said, err := c.ask(ctx, i, askApplied, group); err == nil {
			n, err := strconv.ParseUint(said, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("trio: node %d of %s: %w", i, c.system, err)
			}
			most, answered = max(most, n), true
		}
	}
	if !answered {
		return 0, errors.New("trio: no node is open that could say what was committed")
	}
	return most, nil
}

// Break lets a fault befall a node. Kill and Freeze are for nodes in processes of their own, StallDisk for peers with gates.
func (c *Cluster[M]) Break(ctx context.Context, i int, fault load.Fault) error {
	n := &c.nodes[i]
	p := n.process.Load()
	switch {
	case fault == load.Kill && p != nil:
		n.process.Store(nil)
		p.Kill()
	case fault == load.Freeze && p != nil:
		if err := p.Freeze(); err != nil {
			return err
		}
	case fault == load.StallDisk:
		if _, err := c.ask(ctx, i, askStall, 0); err != nil {
			return fmt.Errorf("trio: to stall the disk of node %d: %w: %w", i, load.ErrUnsupported, err)
		}
	default:
		return load.ErrUnsupported
	}
	n.broken.Store(&fault)
	return nil
}

// Mend ends what Break began.
func (c *Cluster[M]) Mend(ctx context.Context, i int) error {
	n := &c.nodes[i]
	fault := n.broken.Swap(nil)
	if fault == nil {
		return fmt.Errorf("trio: node %d of %s is not broken", i, c.system)
	}
	switch *fault {
	case load.Kill:
		return c.Start(ctx, i)
	case load.Freeze:
		return n.process.Load().Thaw()
	}
	_, err := c.ask(ctx, i, askResume, 0)
	return err
}
