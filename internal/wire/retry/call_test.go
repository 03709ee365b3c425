package retry_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// routesOf knows n endpoints.
func routesOf(n int) *retry.Routes {
	t := &retry.Routes{}
	for range n {
		t.Add()
	}
	return t
}

func answered(code rpc.Code) retry.Outcome {
	return retry.Outcome{Fate: retry.Answered, Code: code, Leader: retry.Nowhere}
}

func led(by retry.Endpoint) retry.Outcome {
	return retry.Outcome{Fate: retry.Answered, Code: rpc.CodeNotLeader, Leader: by}
}

var (
	served = retry.Outcome{Fate: retry.Served}
	lost   = retry.Outcome{Fate: retry.Lost}
	unsent = retry.Outcome{Fate: retry.Unsent}

	write      = retry.Request{Group: "kv", Writes: true}
	repeatable = retry.Request{Group: "kv", Writes: true, Repeatable: true}
	read       = retry.Request{Group: "kv", Repeatable: true}
	anywhere   = retry.Request{Group: "kv", Repeatable: true, Anywhere: true}
	nearby     = retry.Request{Group: "kv", Repeatable: true, Anywhere: true, Nearby: true}
)

// TestCalls tells calls: where each attempt is made, what comes of it, and what follows.
func TestCalls(t *testing.T) {
	t.Parallel()
	type attempt struct {
		at   retry.Endpoint
		came retry.Outcome
		then retry.Step
	}
	for name, c := range map[string]struct {
		request  retry.Request
		attempts []attempt
		doubt    bool
		next     retry.Endpoint // where the next call like it goes
	}{
		"served":                            {write, []attempt{{0, served, retry.Finish}}, false, 0},
		"refused":                           {write, []attempt{{0, answered(rpc.CodeBadRequest), retry.Finish}}, false, 0},
		"unreachable":                       {write, []attempt{{0, unsent, retry.Again}, {1, served, retry.Finish}}, false, 1},
		"a write without an answer":         {write, []attempt{{0, lost, retry.Finish}}, true, 1},
		"a write of uncertain outcome":      {write, []attempt{{0, answered(rpc.CodeUncertain), retry.Finish}}, true, 0},
		"a read without an answer":          {read, []attempt{{0, lost, retry.Again}, {1, lost, retry.Again}, {2, served, retry.Finish}}, false, 2},
		"what may be repeated":              {repeatable, []attempt{{0, lost, retry.Again}, {1, answered(rpc.CodeUncertain), retry.Again}, {1, served, retry.Finish}}, true, 1},
		"repeated and refused":              {repeatable, []attempt{{0, lost, retry.Again}, {1, answered(rpc.CodeFutureRevision), retry.Finish}}, true, 1},
		"the leader is named":               {write, []attempt{{0, led(2), retry.Follow}, {2, served, retry.Finish}}, false, 2},
		"no leader is named":                {write, []attempt{{0, led(retry.Nowhere), retry.Again}, {1, served, retry.Finish}}, false, 1},
		"a node names itself":               {write, []attempt{{0, led(0), retry.Again}, {1, served, retry.Finish}}, false, 1},
		"the leader can't be reached":       {write, []attempt{{0, led(2), retry.Follow}, {2, unsent, retry.Again}, {1, served, retry.Finish}}, false, 1},
		"nodes disagree on who leads":       {write, []attempt{{0, led(1), retry.Follow}, {1, led(0), retry.Follow}, {0, led(1), retry.Follow}, {1, led(0), retry.Again}, {0, led(1), retry.Follow}}, false, 1},
		"a busy leader is asked again":      {write, []attempt{{0, answered(rpc.CodeBusy), retry.Again}, {0, served, retry.Finish}}, false, 0},
		"a busy replica is not":             {anywhere, []attempt{{0, answered(rpc.CodeTimeout), retry.Again}, {1, served, retry.Finish}}, false, 1},
		"a node that goes":                  {write, []attempt{{0, answered(rpc.CodeClosed), retry.Again}, {1, answered(rpc.CodeUnavailable), retry.Again}, {2, served, retry.Finish}}, false, 2},
		"the nearest is left when it fails": {nearby, []attempt{{0, unsent, retry.Again}, {1, served, retry.Finish}}, false, 1},
		"the nearest is not the leader's":   {nearby, []attempt{{0, led(2), retry.Follow}, {1, served, retry.Finish}}, false, 1},
		"around damage":                     {read, []attempt{{0, answered(rpc.CodeCorrupt), retry.Elsewhere}, {1, led(0), retry.Follow}, {2, served, retry.Finish}}, false, 2},
		"damage everywhere": {read, []attempt{{0, answered(rpc.CodeCorrupt), retry.Elsewhere}, {1, answered(rpc.CodeCorrupt), retry.Elsewhere},
			{2, answered(rpc.CodeCorrupt), retry.Elsewhere}, {at: retry.Nowhere}}, false, 0},
		"a write that meets damage": {write, []attempt{{0, answered(rpc.CodeCorrupt), retry.Finish}}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			routes := routesOf(3)
			call := retry.Call{Request: c.request}
			for i, a := range c.attempts {
				at := call.Target(routes, 0)
				require.Equal(t, a.at, at, "attempt %d", i)
				if at != retry.Nowhere {
					require.Equal(t, a.then, call.After(routes, at, a.came, 0), "attempt %d", i)
				}
			}
			require.Equal(t, c.doubt, call.Doubt())
			again := retry.Call{Request: c.request}
			require.Equal(t, c.next, again.Target(routes, 0))
		})
	}
}

// TestTheNearestIsTriedAgain: half a minute after it failed.
func TestTheNearestIsTriedAgain(t *testing.T) {
	t.Parallel()
	routes := routesOf(2)
	call := retry.Call{Request: nearby}
	require.Equal(t, retry.Again, call.After(routes, 0, unsent, time.Second))
	require.Equal(t, retry.Endpoint(1), call.Target(routes, 30*time.Second))
	require.Equal(t, retry.Endpoint(0), call.Target(routes, 31*time.Second))
}

// TestAStreamThatMovesForgets: damage that is behind it, and the pauses of before.
func TestAStreamThatMovesForgets(t *testing.T) {
	t.Parallel()
	routes, limits, random := routesOf(1), retry.Limits{MinPause: 10, MaxPause: 1000}, rand.New(rand.NewPCG(1, 1))
	call := retry.Call{Request: anywhere}
	require.Equal(t, retry.Elsewhere, call.After(routes, 0, answered(rpc.CodeCorrupt), 0))
	for range 8 {
		call.Pause(limits, random)
	}
	call.Heard(false)
	require.Equal(t, retry.Nowhere, call.Target(routes, 0))
	require.LessOrEqual(t, call.Pause(limits, random), time.Duration(10))
	call.Heard(true)
	require.Equal(t, retry.Endpoint(0), call.Target(routes, 0))
}

// TestPausesDouble: each is between half of its length and all of it.
func TestPausesDouble(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	call := retry.Call{Request: read}
	for _, most := range []time.Duration{10, 20, 40, 80, 100, 100} {
		pause := call.Pause(retry.Limits{MinPause: 10, MaxPause: 100}, random)
		require.GreaterOrEqual(t, pause, most/2)
		require.LessOrEqual(t, pause, most)
	}
}
