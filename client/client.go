package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// Client speaks to a cluster. All methods are safe for concurrent use.
type Client struct {
	opts Options
	// ctx ends with the client.
	ctx   context.Context
	stop  context.CancelFunc
	loops sync.WaitGroup
	// opened is when the client was opened: its time begins there.
	opened time.Time

	mu sync.Mutex
	// endpoints are those given and those learned; there is at least one.
	endpoints []*endpoint
	// routes say which of them to ask, by their numbers.
	routes retry.Routes
	closed bool
}

// Open makes a client. It connects when it is first used, so it fails only for options that can't be used.
func Open(opts Options) (*Client, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	c := &Client{opts: opts.withDefaults(), opened: time.Now()}
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

// request is what is asked, over all attempts.
type request struct {
	retry.Request
	verb   rpc.Verb
	args   any
	result any
}

func newRequest(group string, verb rpc.Verb, args, result any) request {
	rules := retry.Request{Group: group, Writes: verb.Writes(), Repeatable: !verb.Writes()}
	return request{Request: rules, verb: verb, args: args, result: result}
}

// newRead gives a request that reads at a level.
func (c *Client) newRead(level ReadLevel, verb rpc.Verb, args, result any) request {
	r := newRequest(c.opts.Group, verb, args, result)
	r.Writes, r.Repeatable = false, true
	r.Nearby = c.opts.ReadFrom == Any
	r.Anywhere = r.Nearby || level.OfReplica()
	return r
}

// do makes attempts until one is final.
func (c *Client) do(ctx context.Context, r request) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opts.RetryTimeout, errRetryTimeout)
	defer cancel()
	call := retry.Call{Request: r.Request}
	var last error
	var around detour
	for {
		e := c.target(&call)
		if e == nil {
			return around.damage
		}
		step, err := c.judge(&call, e, c.attempt(ctx, e, r))
		if last == nil || ctx.Err() == nil { // That the time ran out says less than what went wrong before.
			last = err
		}
		switch step {
		case retry.Finish:
			return around.explain(doubtful(call.Doubt(), err))
		case retry.Elsewhere:
			around.met(ctx, e, err)
		case retry.Again:
			if stopped := c.wait(ctx, &call); stopped != nil {
				return around.explain(doubtful(call.Doubt(), givenUp(stopped, last)))
			}
		}
	}
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
	return conn.Call(ctx, r.Group, r.verb, r.args, r.result)
}

// judge says what follows from an attempt, and gives the error that callers know when it is the last one.
func (c *Client) judge(call *retry.Call, e *endpoint, err error) (retry.Step, error) {
	var answer *rpc.Error
	answered := err != nil && errors.As(err, &answer)
	outcome := retry.Outcome{Fate: retry.Unsent, Leader: retry.Nowhere}
	switch {
	case err == nil:
		outcome.Fate = retry.Served
	case answered:
		outcome.Fate, outcome.Code = retry.Answered, answer.Code
		if answer.Code == rpc.CodeNotLeader {
			outcome.Leader = c.leaderOf(answer)
		}
	case rpc.IsSent(err):
		outcome.Fate = retry.Lost
	}
	c.mu.Lock()
	step := call.After(&c.routes, e.number, outcome, c.now())
	c.mu.Unlock()
	switch {
	case err == nil:
		return step, nil
	case answered:
		return step, answerError(step, e, answer)
	case step == retry.Finish:
		return step, fmt.Errorf("%w: %s: %w", ErrUncertain, e.address, err)
	case errors.Is(err, ErrClosed) || c.ctx.Err() != nil:
		return retry.Finish, ErrClosed
	}
	var refused *rpc.RefusedError
	if errors.As(err, &refused) && c.opts.Cluster != "" && refused.Cluster != c.opts.Cluster {
		return retry.Finish, fmt.Errorf("%w: %w", ErrWrongCluster, err)
	}
	return step, fmt.Errorf("%s: %w", e.address, err)
}

// answerError gives a node's answer as an error: in words that callers know where it can be the last one.
func answerError(step retry.Step, e *endpoint, answer *rpc.Error) error {
	switch step {
	case retry.Finish:
		return reason(answer)
	case retry.Elsewhere:
		return fmt.Errorf("%w (%s)", reason(answer), e.address)
	}
	return answer
}

// global draws from the global source, which any goroutine may use.
type global struct{}

// Int64N gives a number in [0, n).
func (global) Int64N(n int64) int64 { return rand.Int64N(n) }

// wait pauses before another attempt. It gives the reason to stop, if there is one.
func (c *Client) wait(ctx context.Context, call *retry.Call) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(call.Pause(retry.Limits{MinPause: c.opts.MinPause, MaxPause: c.opts.MaxPause}, global{}))
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
