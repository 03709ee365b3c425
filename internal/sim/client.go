package sim

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim/check"
	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// client is a client of the cluster, one operation after the other. It goes by the rules of package client: what may have been done is not
// done again unless it may be done twice, a leader that is named is followed, and between attempts there is a pause that doubles.
type client struct {
	world  *World
	number int
	random *rand.Rand
	// serial makes values unique.
	serial int
	// stopped: no operation is begun any more.
	stopped bool

	stage stage
	op    operation
	// began is when the operation began, attempt counts the attempts of all operations: an answer to an old one is not looked at.
	began   time.Duration
	attempt int
	pause   time.Duration
	follows int
	// leaders are those who served last, by group, -1 where that is not known; turn says who is asked then.
	leaders [groupCount]int
	turn    int
	target  *lane
	pending *node.Pending
	reply   reply
	// revision and index are what the client has seen last, for swaps and reads of the log.
	revisions map[string]uint64
	index     raft.Index
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
)

func newClient(w *World, number int) *client {
	return &client{world: w, number: number, random: rand.New(rand.NewPCG(w.Plan.Seed, uint64(1000+number))), leaders: [groupCount]int{-1, -1},
		revisions: map[string]uint64{}}
}

// travel draws how long something is on its way between a client and a node.
func (c *client) travel() time.Duration {
	return 50*time.Microsecond + time.Duration(c.random.Int64N(int64(2*time.Millisecond)))
}

// at puts the client's next step on the agenda.
func (c *client) at(d time.Duration, kind eventKind, number int) {
	c.world.agenda.add(c.world.Now()+d, kind, c.number, number)
}

// wake goes on with what the client has waited for.
func (c *client) wake() {
	switch c.stage {
	case resting:
		if !c.stopped {
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
	c.stage, c.target, c.pending, c.op = resting, nil, nil, operation{}
	if c.stopped {
		return
	}
	c.at(time.Duration(c.random.ExpFloat64()*float64(c.world.Plan.Think)), wakeEvent, 0)
}

// begin begins an operation.
func (c *client) begin() {
	c.op = c.invent()
	c.began, c.pause, c.follows = c.world.Now(), 0, 0
	c.op.id = c.world.history.Invoke(c.number, int64(c.world.Now()), c.op.request)
	c.ask()
}

// ask sends the request to the node that seems right.
func (c *client) ask() {
	c.attempt++
	lanes := c.world.lanes
	at := c.leaders[c.op.group]
	if at < 0 || c.op.anywhere {
		at = c.turn % len(lanes)
	}
	c.target, c.stage = lanes[at], asking
	c.at(c.travel(), wakeEvent, 0)
	c.at(attemptTimeout, giveUpEvent, c.attempt)
}

// arrive hands the request to the node.
func (c *client) arrive() {
	l := c.target
	if !l.up() {
		c.answer(reply{err: errUnreachable})
		return
	}
	if l.paused > c.world.Now() {
		c.at(l.paused-c.world.Now(), wakeEvent, 0)
		return
	}
	r, pending := c.op.submit(l)
	if pending == nil {
		c.answer(r)
		return
	}
	c.stage, c.pending = waiting, pending
	l.waiting = append(l.waiting, c)
}

// poll looks whether the node has finished. It reports whether it has.
func (c *client) poll() bool {
	out, known, err := c.pending.Poll()
	if !known {
		return false
	}
	c.pending = nil
	if err != nil {
		c.answer(reply{err: err})
	} else {
		c.answer(c.op.finish(c.target, out))
	}
	return true
}

// answer sends the node's answer on its way, unless it gets lost.
func (c *client) answer(r reply) {
	c.stage, c.reply = answering, r
	if !c.world.chance(c.world.Plan.Weather.Mute) {
		c.at(c.travel(), answerEvent, c.attempt)
	}
}

// dropped tells the client that the node it waits for has gone.
func (c *client) dropped() {
	c.pending = nil
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
	c.pending = nil
	c.judge(reply{err: errTimeout})
}

// judge says what follows from an attempt.
func (c *client) judge(r reply) {
	var elsewhere *raft.NotLeaderError
	var failed *node.FailedError
	switch err := r.err; {
	case err == nil:
		if !c.op.anywhere {
			c.leaders[c.op.group] = c.target.number
		}
		c.done(r.result)
	case errors.Is(err, node.ErrUncertain), errors.Is(err, errBroken), errors.Is(err, errTimeout):
		c.avoid()
		if c.op.writes {
			c.world.reach.add(uncertainAnswered)
			c.lose()
		} else {
			c.again()
		}
	case errors.As(err, &elsewhere):
		c.redirect(elsewhere.Leader)
	case errors.Is(err, node.ErrDiskFull):
		c.world.reach.add(diskFullAnswered)
		c.fail()
	case errors.Is(err, node.ErrBusy):
		c.again()
	case errors.Is(err, errUnreachable), errors.Is(err, node.ErrNotAdmitted), errors.Is(err, node.ErrClosed), errors.Is(err, ledger.ErrClosed), errors.As(err, &failed):
		c.avoid()
		c.again()
	default:
		c.fail()
	}
}

// avoid makes the next attempt go elsewhere.
func (c *client) avoid() {
	if c.leaders[c.op.group] == c.target.number {
		c.leaders[c.op.group] = -1
	}
	c.turn++
}

// redirect follows a node that names the leader, if it knows one.
func (c *client) redirect(to raft.NodeID) {
	c.avoid()
	if to == raft.None || c.world.lanes[c.world.number(to)] == c.target || c.follows >= 3 {
		c.follows = 0
		c.again()
		return
	}
	c.follows++
	c.world.reach.add(redirected)
	c.leaders[c.op.group] = c.world.number(to)
	c.ask()
}

// again makes another attempt after a pause, unless the time is over.
func (c *client) again() {
	if c.world.Now()-c.began > retryTimeout || c.stopped {
		c.fail()
		return
	}
	c.pause = min(max(2*c.pause, minPause), maxPause)
	c.stage = pausing
	c.at(c.pause/2+time.Duration(c.random.Int64N(int64(c.pause/2+1))), wakeEvent, 0)
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
