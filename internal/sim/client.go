package sim

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
	"github.com/ledgerkv/ledgerkv/kv/server"
	"github.com/ledgerkv/ledgerkv/raft"
)

// client is a client of the cluster, one operation after the other. It goes by the rules of package client, which are those of internal/wire/retry.
type client struct {
	world  *World
	number int
	random *rand.Rand
	// serial makes values unique.
	serial int
	// stopped: no operation is begun any more.
	stopped bool
	// nearby: it reads from the nearest replica (client.Any).
	nearby bool

	stage stage
	op    operation
	// began is when the operation began, attempt counts the attempts of all operations: an answer to an old one is not looked at.
	began   time.Duration
	attempt int
	call    retry.Call
	// routes are over endpoints, which are lanes by their numbers; at is the one that is asked.
	routes    retry.Routes
	endpoints []int
	at        retry.Endpoint
	target    *lane
	wait      wait
	reply     reply
	// barriers are what lies between the client and the nodes, by lane.
	barriers map[int]barrier
	seen     memory
}

// barrier counts the faults between a client and a node.
type barrier struct {
	// cut: nothing arrives. held: requests do, and their answers don't.
	cut, held int
}

// memory is what a client has been shown, for its next operations.
type memory struct {
	// revisions are those of keys, for swaps, revision and applied the newest of the store, index that of the log.
	revisions         map[string]uint64
	revision, applied uint64
	index             raft.Index
}

// stage is where an operation of a client stands.
type stage uint8

const (
	resting   stage = iota // until the next operation
	pausing                // until the next attempt
	asking                 // the request is on its way
	waiting                // the node works on it
	answering              // the answer is on its way
)

// reply is what a node answers.
type reply struct {
	result check.Result
	err    error
}

const (
	// attemptTimeout and retryTimeout bound an attempt and all attempts, in virtual time; minPause and maxPause the pause between two.
	attemptTimeout = 2 * time.Second
	retryTimeout   = 10 * time.Second
	minPause       = 10 * time.Millisecond
	maxPause       = 500 * time.Millisecond
)

// What can happen to a request besides what the node answers.
var (
	errUnreachable = errors.New("the node can't be reached; nothing was sent")
	errBroken      = errors.New("the connection broke after the request was sent")
	errTimeout     = errors.New("there was no answer in time")
	errNowhere     = errors.New("what is asked for is damaged everywhere")
)

func newClient(w *World, number int) *client {
	c := &client{world: w, number: number, random: rand.New(rand.NewPCG(w.Plan.Seed, uint64(1000+number))), barriers: map[int]barrier{},
		seen: memory{revisions: map[string]uint64{}}}
	c.nearby = c.random.IntN(2) == 0
	for _, lane := range c.random.Perm(len(w.lanes)) {
		c.endpoint(lane)
	}
	return c
}

// endpoint gives the endpoint of a lane.
func (c *client) endpoint(lane int) retry.Endpoint {
	if i := slices.Index(c.endpoints, lane); i >= 0 {
		return retry.Endpoint(i)
	}
	c.endpoints = append(c.endpoints, lane)
	return c.routes.Add()
}

// travel draws how long something is on its way between a client and a node.
func (c *client) travel() time.Duration {
	return 50*time.Microsecond + time.Duration(c.random.Int64N(int64(2*time.Millisecond)))
}

// later puts the client's next step on the agenda.
func (c *client) later(d time.Duration, kind eventKind, number int) {
	c.world.agenda.add(c.world.Now()+d, kind, c.number, number)
}

// wake goes on with what the client has waited for.
func (c *client) wake() {
	switch c.stage {
	case resting:
		switch pause := c.world.lull - c.world.Now(); {
		case c.stopped:
		case pause > 0:
			c.later(pause, wakeEvent, 0)
		default:
			c.begin()
		}
	case pausing:
		c.ask()
	case asking:
		c.arrive()
	}
}

// rest waits for the next operation.
func (c *client) rest() {
	c.stage, c.target, c.wait, c.op = resting, nil, wait{}, operation{}
	if c.stopped {
		return
	}
	c.later(time.Duration(c.random.ExpFloat64()*float64(c.world.Plan.Think)), wakeEvent, 0)
}

// begin begins an operation.
func (c *client) begin() {
	c.op = c.invent()
	c.began, c.call = c.world.Now(), retry.Call{Request: c.op.rules}
	c.op.id = c.world.history.Invoke(c.number, int64(c.world.Now()), c.op.request)
	c.ask()
}

// ask sends the request to the node that seems right.
func (c *client) ask() {
	if c.at = c.call.Target(&c.routes, c.world.Now()); c.at == retry.Nowhere {
		c.end(reply{err: errNowhere})
		return
	}
	c.attempt++
	c.target, c.stage = c.world.lanes[c.endpoints[c.at]], asking
	c.later(c.travel(), wakeEvent, 0)
	c.later(attemptTimeout, giveUpEvent, c.attempt)
}

// arrive hands the request to the node.
func (c *client) arrive() {
	l := c.target
	if c.barriers[l.number].cut > 0 {
		c.world.reach.add(clientCutOff)
		if c.random.IntN(2) == 0 { // or nothing is heard of it any more
			c.answer(reply{err: errUnreachable})
		}
		return
	}
	if !l.up() {
		c.answer(reply{err: errUnreachable})
		return
	}
	if l.paused > c.world.Now() {
		c.later(l.paused-c.world.Now(), wakeEvent, 0)
		return
	}
	if c.wait = c.op.submit(l); !c.poll() {
		c.stage = waiting
		l.waiting = append(l.waiting, c)
	}
}

// poll looks whether the node has finished. It reports whether it has.
func (c *client) poll() bool {
	r, known := c.op.finish(c.target, &c.wait)
	if known {
		c.wait = wait{}
		c.answer(r)
	}
	return known
}

// answer sends the node's answer on its way, unless it gets lost or is held.
func (c *client) answer(r reply) {
	c.stage, c.reply = answering, r
	if c.barriers[c.target.number].held > 0 {
		c.world.reach.add(answerHeld)
		return
	}
	if !c.world.chance(c.world.Plan.Weather.Mute) {
		c.later(c.travel(), answerEvent, c.attempt)
	}
}

// dropped tells the client that the node it waits for has gone.
func (c *client) dropped() {
	c.wait = wait{}
	c.answer(reply{err: errBroken})
}

// answered takes the answer to an attempt in.
func (c *client) answered(attempt int) {
	if attempt == c.attempt && c.stage == answering {
		c.judge(c.reply)
	}
}

// giveUp ends an attempt that took too long.
func (c *client) giveUp(attempt int) {
	if attempt != c.attempt || c.stage < asking {
		return
	}
	if c.stage == waiting {
		c.target.waiting = slices.DeleteFunc(c.target.waiting, func(x *client) bool { return x == c })
	}
	c.wait = wait{}
	c.judge(reply{err: errTimeout})
}

// judge says what follows from an attempt.
func (c *client) judge(r reply) {
	outcome := retry.Outcome{Leader: retry.Nowhere}
	switch {
	case r.err == nil:
		outcome.Fate = retry.Served
	case errors.Is(r.err, errUnreachable):
		outcome.Fate = retry.Unsent
	case errors.Is(r.err, errBroken), errors.Is(r.err, errTimeout):
		outcome.Fate = retry.Lost
	default:
		answer := server.Answer(r.err)
		outcome.Fate, outcome.Code = retry.Answered, answer.Code
		if answer.Leader != "" {
			outcome.Leader = c.endpoint(c.world.number(raft.NodeID(answer.Leader)))
		}
		if answer.Code == rpc.CodeDiskFull {
			c.world.reach.add(diskFullAnswered)
		}
	}
	switch c.call.After(&c.routes, c.at, outcome, c.world.Now()) {
	case retry.Finish:
		c.end(r)
	case retry.Again:
		c.again()
	case retry.Follow:
		c.world.reach.add(redirected)
		c.ask()
	case retry.Elsewhere:
		c.ask()
	}
}

// again makes another attempt after a pause, unless the time is over.
func (c *client) again() {
	if c.world.Now()-c.began > retryTimeout || c.stopped {
		c.end(reply{err: errTimeout})
		return
	}
	c.stage = pausing
	c.later(c.call.Pause(retry.Limits{MinPause: minPause, MaxPause: maxPause}, c.random), wakeEvent, 0)
}

// end ends an operation: it was carried out, it was not, nobody knows.
func (c *client) end(r reply) {
	switch {
	case r.err == nil:
		c.done(r.result)
	case c.call.Doubt():
		c.world.reach.add(uncertainAnswered)
		c.lose()
	default:
		c.fail()
	}
}

// done, fail and lose end an operation: it was carried out, it was not, nobody knows.
func (c *client) done(r check.Result) {
	c.world.history.Return(c.op.id, int64(c.world.Now()), r)
	c.learn(r)
	c.tell(r, "")
	c.rest()
}

func (c *client) fail() {
	c.world.history.Fail(c.op.id, int64(c.world.Now()))
	c.tell(nil, "failed")
	c.rest()
}

func (c *client) lose() {
	c.world.history.Lose(c.op.id, int64(c.world.Now()))
	c.tell(nil, "uncertain")
	c.rest()
}
