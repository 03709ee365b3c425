package ours

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
	"github.com/ledgerkv/ledgerkv/client"
)

// cluster is some members, here and in other processes, and the way to call them.
type cluster struct {
	system string
	shape  load.Shape
	seats  []*seat
	calls  interface {
		Do(ctx context.Context, op *load.Op) (load.Done, error)
		close() error
	}
}

// seat is a member's place: the member is there or was stopped.
type seat struct {
	spec spec
	// apart: it is in a process of its own.
	apart bool
	local atomic.Pointer[member]

	mu      sync.Mutex
	process *load.Process
	gone    uint64 // flushes of members that sat here before
}

// start opens all members and waits until they take operations.
func (c *cluster) start(ctx context.Context, remote bool) error {
	errs := make([]error, len(c.seats))
	var starts sync.WaitGroup
	for i, s := range c.seats {
		starts.Go(func() { errs[i] = s.start(ctx, c.system) })
	}
	starts.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if !remote {
		if err := c.leadHere(ctx); err != nil {
			return err
		}
		e, err := embed(ctx, c.seats)
		c.calls = e
		return err
	}
	if err := c.awaitLeader(ctx); err != nil {
		return err
	}
	r, err := dial(client.Options{Endpoints: c.endpoints()}, groupName(true, 0))
	c.calls = r
	return err
}

func (c *cluster) endpoints() []string {
	var out []string
	for _, p := range c.seats[0].spec.Peers {
		out = append(out, p.Client)
	}
	return out
}

// awaitLeader waits until a member says that it leads group 0.
func (c *cluster) awaitLeader(ctx context.Context) error {
	_, err := poll(ctx, func() (int, bool) {
		leader, err := c.Leader(ctx)
		return leader, err == nil
	})
	return err
}

// leadHere hands the leadership of group 0 to the member in this process, where the others are in processes of their own.
func (c *cluster) leadHere(ctx context.Context) error {
	if c.shape != load.ThreeProcesses {
		return nil
	}
	if err := c.awaitLeader(ctx); err != nil {
		return err
	}
	asker, err := client.Open(client.Options{Endpoints: c.endpoints()})
	if err != nil {
		return err
	}
	defer asker.Close()
	here := c.seats[0].local.Load()
	_, err = poll(ctx, func() (struct{}, bool) {
		if here.groups[0].Role().Ready {
			return struct{}{}, true
		}
		_ = asker.Transfer(ctx, here.groups[0].Name(), here.spec.ID) // when it fails it is tried again, until ctx is done
		return struct{}{}, here.groups[0].Role().Ready
	})
	return err
}

// poll asks again and again, every few milliseconds, until there is an answer or ctx is done.
func poll[T any](ctx context.Context, ask func() (T, bool)) (T, error) {
	t := time.NewTicker(2 * time.Millisecond)
	defer t.Stop()
	for {
		if answer, ok := ask(); ok {
			return answer, nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
}

// start opens the member of a seat, here or in a process of its own.
func (s *seat) start(ctx context.Context, system string) error {
	if !s.apart {
		m, err := openMember(s.spec)
		if err == nil {
			s.local.Store(m)
		}
		return err
	}
	text, err := json.Marshal(s.spec)
	if err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	p, err := load.Spawn(ctx, system, string(text))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = p
	return nil
}

// stop closes the member of a seat cleanly.
func (s *seat) stop(ctx context.Context) error {
	if m := s.local.Swap(nil); m != nil {
		defer s.remember(m.fs.flushes.Load())
		return m.close()
	}
	if p := s.take(); p != nil {
		return p.Stop(ctx)
	}
	return nil
}

// take empties the seat of its process and gives that.
func (s *seat) take() *load.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.process
	s.process = nil
	return p
}

func (s *seat) remember(flushes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone += flushes
}

// patience is how long a member in a process of its own may take to answer: one that is frozen does not.
const patience = 500 * time.Millisecond

// ask asks a member in a process of its own.
func (s *seat) ask(ctx context.Context, question string) (string, error) {
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if p == nil {
		return "", errors.New("ours: the member is not running")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.Ask(ctx, question)
}

func (s *seat) askNumber(ctx context.Context, question string) (uint64, error) {
	answer, err := s.ask(ctx, question)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(answer, 10, 64)
}

// Do does an operation; see load.Cluster.
func (c *cluster) Do(ctx context.Context, op *load.Op) (load.Done, error) { return c.calls.Do(ctx, op) }

// Flushes counts those of all members; see load.FlushCounter.
func (c *cluster) Flushes() uint64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var sum uint64
	for _, s := range c.seats {
		if m := s.local.Load(); m != nil {
			sum += m.fs.flushes.Load()
		} else if n, err := s.askNumber(ctx, askFlushes); err == nil {
			sum += n
		}
		s.mu.Lock()
		sum += s.gone
		s.mu.Unlock()
	}
	return sum
}

// PIDs names the members' processes; see load.Processes.
func (c *cluster) PIDs() []int {
	var out []int
	for _, s := range c.seats {
		s.mu.Lock()
		if s.process != nil {
			out = append(out, s.process.PID())
		}
		s.mu.Unlock()
	}
	return out
}

// Close closes the callers' side and then the members, all at once.
func (c *cluster) Close() error {
	errs := make([]error, len(c.seats)+1)
	if c.calls != nil {
		errs[0] = c.calls.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var stops sync.WaitGroup
	for i, s := range c.seats {
		stops.Go(func() { errs[i+1] = s.stop(ctx) })
	}
	stops.Wait()
	return errors.Join(errs...)
}
