package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// Client speaks to a cluster. All methods are safe for concurrent use.
type Client struct {
	opts Options
	// ctx ends with the client.
	ctx   context.Context
	stop  context.CancelFunc
	loops sync.WaitGroup

	mu sync.Mutex
	// endpoints are those given and those learned; there is at least one.
	endpoints []*endpoint
	// turn says which endpoint is asked where no leader is known.
	turn int
	// nearest says which endpoint serves reads with ReadFrom Any, and left when that last became another one.
	nearest int
	left    time.Time
	// leaders holds the endpoint of each group's leader, as far as is known.
	leaders map[string]*endpoint
	closed  bool
}

// Open makes a client. It connects when it is first used, so it fails only for options that can't be used.
func Open(opts Options) (*Client, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	c := &Client{opts: opts.withDefaults(), leaders: map[string]*endpoint{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	for _, address := range opts.Endpoints {
		c.addEndpoint(address)
	}
	return c, nil
}

// Close closes all connections. Calls under way fail: writes that were sent with ErrUncertain, all others with ErrClosed.
func (c *Client) Close() error {
	c.stop()
	c.mu.Lock()
	c.closed = true
	endpoints := c.endpoints
	c.mu.Unlock()
	for _, e := range endpoints {
		e.close()
	}
	c.loops.Wait()
	return nil
}

// request is a call from its beginning to its end, over all attempts.
type request struct {
	group  string
	verb   rpc.Verb
	args   any
	result any
	// writes: it may change something. repeatable: it does no harm to do it twice.
	writes, repeatable bool
	// anywhere: any replica may serve it. nearby: and the nearest one shall, rather than the leader.
	anywhere, nearby bool
}

func newRequest(group string, verb rpc.Verb, args, result any) request {
	return request{group: group, verb: verb, args: args, result: result, writes: verb.Writes(), repeatable: !verb.Writes()}
}

// newRead gives a request that reads at a level.
func (c *Client) newRead(level ReadLevel, verb rpc.Verb, args, result any) request {
	r := newRequest(c.opts.Group, verb, args, result)
	r.writes, r.repeatable = false, true
	r.nearby = c.opts.ReadFrom == Any
	r.anywhere = r.nearby || level.OfReplica()
	return r
}

// next says what follows from an attempt.
type next uint8

const (
	finish    next = iota
	again          // after a pause
	follow         // at once: the leader was named
	elsewhere      // at once, and not at this endpoint: what is to be read is damaged there
)

// do makes attempts until one is final.
func (c *Client) do(ctx context.Context, r request) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.RetryTimeout, errRetryTimeout)
	defer cancel()
	follows := 0
	var pause time.Duration
	var last error
	var around detour
	doubt := false
	for {
		e := c.target(r, around.closed)
		if e == nil {
			return around.damage
		}
		outcome := c.attempt(ctx, e, r)
		doubt = doubt || r.writes && mayBeDone(outcome)
		step, err := c.judge(e, r, outcome)
		if last == nil || ctx.Err() == nil { // That the time ran out says less than what went wrong before.
			last = err
		}
		switch {
		case step == finish:
			return around.explain(doubtful(doubt, err))
		case step == elsewhere:
			around.avoid(ctx, e, err)
			continue
		case step == follow:
			around.misled(e, c.target(r, nil))
			if follows++; follows <= 3 {
				continue
			}
		}
		follows = 0
		pause = c.pauseAfter(pause)
		if stopped := c.wait(ctx, pause); stopped != nil {
			return around.explain(doubtful(doubt, givenUp(stopped, last)))
		}
	}
}

// mayBeDone says that an attempt which gave err may have done what was asked, or may yet do it.
func mayBeDone(err error) bool {
	var answer *rpc.Error
	return rpc.IsSent(err) || errors.As(err, &answer) && answer.Code == rpc.CodeUncertain
}

// doubtful is the error of a call with an attempt before the last one that may have done it: what is wrong with the last one does
// not mean that nothing was done.
func doubtful(doubt bool, err error) error {
	if !doubt || err == nil || errors.Is(err, ErrUncertain) {
		return err
	}
	return fmt.Errorf("%w: an earlier attempt was not answered, and then: %w", ErrUncertain, err)
}

// givenUp is the error of a call that was not served: stopped is why no further attempt is made, last what the last one gave.
func givenUp(stopped, last error) error {
	switch {
	case errors.Is(stopped, ErrClosed):
		return ErrClosed
	case errors.Is(stopped, errRetryTimeout):
		return fmt.Errorf("%w: %w: the last reason was: %w", ErrUnavailable, stopped, last)
	}
	return fmt.Errorf("client: given up, nothing was done: %w: the last reason was: %w", stopped, last)
}

// errRetryTimeout is what ends the attempts of a call whose context gives it more time than Options.RetryTimeout.
var errRetryTimeout = fmt.Errorf("Options.RetryTimeout has passed: %w", context.DeadlineExceeded)

// attempt asks one node, once.
func (c *Client) attempt(ctx context.Context, e *endpoint, r request) error {
	conn, err := e.connect(ctx)
	if err != nil {
		return &rpc.CallError{Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.AttemptTimeout)
	defer cancel()
	return conn.Call(ctx, r.group, r.verb, r.args, r.result)
}

// judge says what follows from an attempt, and gives the error that callers know when it is the last one.
func (c *Client) judge(e *endpoint, r request, err error) (next, error) {
	if err == nil {
		if !r.anywhere {
			c.served(r.group, e)
		}
		return finish, nil
	}
	var answer *rpc.Error
	if errors.As(err, &answer) {
		return c.judgeAnswer(e, r, answer)
	}
	if rpc.IsSent(err) && !r.repeatable {
		c.avoid(r, e)
		return finish, fmt.Errorf("%w: %s: %w", ErrUncertain, e.address, err)
	}
	if errors.Is(err, ErrClosed) || c.ctx.Err() != nil {
		return finish, ErrClosed
	}
	c.avoid(r, e)
	var refused *rpc.RefusedError
	if errors.As(err, &refused) && c.opts.Cluster != "" && refused.Cluster != c.opts.Cluster {
		return finish, fmt.Errorf("%w: %w", ErrWrongCluster, err)
	}
	return again, fmt.Errorf("%s: %w", e.address, err)
}

// judgeAnswer is judge for a node's own answer.
func (c *Client) judgeAnswer(e *endpoint, r request, answer *rpc.Error) (next, error) {
	switch answer.Code {
	case rpc.CodeNotLeader:
		if c.redirect(r, e, answer) {
			return follow, answer
		}
		return again, answer
	case rpc.CodeClosed, rpc.CodeUnavailable:
		c.avoid(r, e)
		return again, answer
	case rpc.CodeBusy, rpc.CodeTimeout, rpc.CodeConfigurationPending:
		if r.anywhere { // another replica may be less busy, or further
			c.avoid(r, e)
		}
		return again, answer
	case rpc.CodeUncertain:
		if r.repeatable {
			return again, answer
		}
	case rpc.CodeCorrupt:
		if !r.writes {
			return elsewhere, fmt.Errorf("%w (%s)", reason(answer), e.address)
		}
	}
	return finish, reason(answer)
}

// pauseAfter gives the pause that follows a pause.
func (c *Client) pauseAfter(pause time.Duration) time.Duration {
	return min(max(2*pause, c.opts.MinPause), c.opts.MaxPause)
}

// wait pauses for between half of the pause and all of it. It gives the reason to stop, if there is one.
func (c *Client) wait(ctx context.Context, pause time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.ctx.Done():
		return ErrClosed
	}
}
