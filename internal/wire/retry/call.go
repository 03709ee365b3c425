package retry

import (
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// Request is what the rules depend on of what is asked.
type Request struct {
	Group string
	// Writes: it may change something. Repeatable: it does no harm to do it twice.
	Writes, Repeatable bool
	// Anywhere: any replica may serve it. Nearby: and the nearest one shall, rather than the leader.
	Anywhere, Nearby bool
}

// Fate says what came of an attempt.
type Fate uint8

// The fates of an attempt.
const (
	// Served: the answer is there.
	Served Fate = iota
	// Answered: the node answered with an error, of which Outcome.Code says which.
	Answered
	// Lost: the request was sent and may have been carried out; there is no answer.
	Lost
	// Unsent: it did not leave.
	Unsent
)

// Outcome is what came of an attempt.
type Outcome struct {
	Fate Fate
	// Code is that of an answer.
	Code rpc.Code
	// Leader is where the leader is that a node named with CodeNotLeader; Nowhere if it named none.
	Leader Endpoint
}

// Step says what follows from an attempt.
type Step uint8

// What follows from an attempt.
const (
	// Finish: there is no other attempt. The call is served, refused, or, if it is in Doubt, of unknown outcome.
	Finish Step = iota
	// Again: after a pause.
	Again
	// Follow: at once, as the leader was named.
	Follow
	// Elsewhere: at once, and not at this endpoint: what is to be read is damaged there.
	Elsewhere
)

// maxFollows is how often in a row a named leader is followed before there is a pause: nodes may disagree on who leads.
const maxFollows = 3

// Call is a request from its first attempt to its end. Its zero value but for Request is a call before its first attempt.
type Call struct {
	Request Request
	// follows counts how often in a row a named leader was followed.
	follows int
	pause   time.Duration
	// doubt: an attempt may have done what the request writes, or may yet do it.
	doubt bool
	// closed are the endpoints not to be asked again: what is to be read is damaged there.
	closed []Endpoint
}

// Target gives the endpoint to ask next, or Nowhere if there is none left where what is to be read may be undamaged. now is a time that
// never goes back, the same for all calls with these routes.
func (c *Call) Target(t *Routes, now time.Duration) Endpoint {
	return t.target(&c.Request, now, c.closed)
}

// After says what follows from an attempt at an endpoint.
func (c *Call) After(t *Routes, at Endpoint, o Outcome, now time.Duration) Step {
	r := &c.Request
	c.doubt = c.doubt || r.Writes && (o.Fate == Lost || o.Fate == Answered && o.Code == rpc.CodeUncertain)
	step := Finish
	switch o.Fate {
	case Served:
		if !r.Anywhere {
			t.leads(r.Group, at)
		}
	case Answered:
		step = c.answered(t, at, o, now)
	case Lost, Unsent:
		t.avoid(r, at, now)
		if o.Fate == Unsent || r.Repeatable {
			step = Again
		}
	}
	if step == Again {
		c.follows = 0
	}
	return step
}

// answered is After for an error that a node answered with.
func (c *Call) answered(t *Routes, at Endpoint, o Outcome, now time.Duration) Step {
	r := &c.Request
	switch o.Code {
	case rpc.CodeNotLeader:
		if !t.redirect(r, at, o.Leader, now) {
			return Again
		}
		if slices.Contains(c.closed, t.target(r, now, nil)) {
			c.close(at) // it knows no better than to send the read to where there is damage
		}
		if c.follows++; c.follows <= maxFollows {
			return Follow
		}
		return Again
	case rpc.CodeClosed, rpc.CodeUnavailable:
		t.avoid(r, at, now)
		return Again
	case rpc.CodeBusy, rpc.CodeTimeout, rpc.CodeConfigurationPending:
		if r.Anywhere { // another replica may be less busy, or further
			t.avoid(r, at, now)
		}
		return Again
	case rpc.CodeUncertain:
		if r.Repeatable {
			return Again
		}
	case rpc.CodeCorrupt:
		if !r.Writes {
			c.close(at)
			return Elsewhere
		}
	}
	return Finish
}

func (c *Call) close(at Endpoint) {
	if !slices.Contains(c.closed, at) {
		c.closed = append(c.closed, at)
	}
}

// Doubt says that an attempt may have done what the request writes, or may yet do it: whatever is wrong with the last one, nobody may say that
// nothing was done.
func (c *Call) Doubt() bool { return c.doubt }

// Limits bound the pauses between attempts.
type Limits struct{ MinPause, MaxPause time.Duration }

// Source is a source of random numbers.
type Source interface {
	// Int64N gives a number in [0, n).
	Int64N(n int64) int64
}

// Pause gives the pause before an attempt that follows Again: it doubles from one to the next, and lasts between half of that and all of it, so
// that clients that failed together don't come back together.
func (c *Call) Pause(l Limits, random Source) time.Duration {
	c.pause = min(max(2*c.pause, l.MinPause), l.MaxPause)
	return c.pause/2 + time.Duration(random.Int64N(int64(c.pause/2+1)))
}

// Heard notes that a node that serves the request in parts is alive: the next pause is a short one. moved: it sent something new, and what is damaged
// is behind it.
func (c *Call) Heard(moved bool) {
	c.pause = 0
	if moved {
		c.closed = nil
	}
}
