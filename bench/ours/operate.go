package ours

import (
	"context"
	"errors"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/raft"
)

// errNoLeader: no member says that it leads.
var errNoLeader = errors.New("ours: no member leads at the moment")

// Leader is the member that leads group 0, as it says itself; see load.Operator.
func (c *cluster) Leader(ctx context.Context) (int, error) {
	for i, s := range c.seats {
		if m := s.local.Load(); m != nil {
			if m.groups[0].Role().Ready {
				return i, nil
			}
		} else if answer, err := s.ask(ctx, askLeads); err == nil && answer == answerLeads {
			return i, nil
		}
	}
	return 0, errNoLeader
}

// Stop closes a member cleanly.
func (c *cluster) Stop(ctx context.Context, node int) error { return c.seats[node].stop(ctx) }

// Start opens a member again. Where it is the only one it waits until it leads, too.
func (c *cluster) Start(ctx context.Context, node int) error {
	if err := c.seats[node].start(ctx, c.system); err != nil {
		return err
	}
	if len(c.seats) > 1 {
		return nil
	}
	return c.awaitLeader(ctx)
}

// CaughtUp waits until a member has applied what was committed at the leader.
func (c *cluster) CaughtUp(ctx context.Context, node int) error {
	committed, err := poll(ctx, func() (uint64, bool) {
		leader, err := c.Leader(ctx)
		if err != nil {
			return 0, false
		}
		n, err := c.seats[leader].committed(ctx)
		return n, err == nil
	})
	if err != nil {
		return err
	}
	s := c.seats[node]
	if m := s.local.Load(); m != nil {
		return m.groups[0].WaitApplied(ctx, raft.Index(committed))
	}
	_, err = poll(ctx, func() (struct{}, bool) {
		applied, err := s.askNumber(ctx, askApplied)
		return struct{}{}, err == nil && applied >= committed
	})
	return err
}

func (s *seat) committed(ctx context.Context) (uint64, error) {
	if m := s.local.Load(); m != nil {
		return uint64(m.groups[0].Committed()), nil
	}
	return s.askNumber(ctx, askCommit)
}

// Break lets a fault befall a member. What is in this process can neither be killed nor frozen.
func (c *cluster) Break(ctx context.Context, node int, fault load.Fault) error {
	s := c.seats[node]
	m := s.local.Load()
	switch {
	case fault == load.StallDisk && m != nil:
		m.fs.gate.set(true)
		return nil
	case fault == load.StallDisk:
		_, err := s.ask(ctx, askStall)
		return err
	case m != nil:
		return load.ErrUnsupported
	case fault == load.Kill:
		if p := s.take(); p != nil {
			p.Kill()
		}
		return nil
	case fault == load.Freeze:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.process.Freeze()
	}
	return load.ErrUnsupported
}

// Mend ends a fault: a member that was killed is started, one that was frozen goes on, a disk works again.
func (c *cluster) Mend(ctx context.Context, node int) error {
	s := c.seats[node]
	if m := s.local.Load(); m != nil {
		m.fs.gate.set(false)
		return nil
	}
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if p == nil {
		return s.start(ctx, c.system)
	}
	if err := p.Thaw(); err != nil {
		return err
	}
	_, err := p.Ask(ctx, askUnstall)
	return err
}
