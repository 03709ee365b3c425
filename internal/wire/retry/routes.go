package retry

import (
	"slices"
	"time"
)

// Endpoint is a client port that a client knows: its number, from 0, in the order in which they became known.
type Endpoint int

// Nowhere is no endpoint.
const Nowhere Endpoint = -1

// returnAfter is for how long reads stay away from the nearest endpoint when that has failed.
const returnAfter = 30 * time.Second

// Routes are what a client knows of where to ask. The zero value knows no endpoint.
type Routes struct {
	// count is how many endpoints there are.
	count int
	// turn says which endpoint is asked where no leader is known.
	turn int
	// nearest says which endpoint serves what is Nearby, and left when that last became another one.
	nearest int
	left    time.Duration
	// leaders holds the endpoint of each group's leader, as far as is known.
	leaders map[string]Endpoint
}

// Add makes another endpoint known and gives its number.
func (t *Routes) Add() Endpoint {
	t.count++
	return Endpoint(t.count - 1)
}

// target gives the endpoint to ask: the one of the group's leader, as far as is known, or the nearest one, otherwise one that did not fail last. It is
// none of those in without, and Nowhere when no other is known.
func (t *Routes) target(r *Request, now time.Duration, without []Endpoint) Endpoint {
	turn := t.turn
	if r.Nearby {
		if t.nearest > 0 && now-t.left >= returnAfter {
			t.nearest = 0
		}
		turn = t.nearest
	} else if at, known := t.leaders[r.Group]; known && !slices.Contains(without, at) {
		return at
	}
	for i := range t.count {
		if at := Endpoint((turn + i) % t.count); !slices.Contains(without, at) {
			return at
		}
	}
	return Nowhere
}

// leads notes that an endpoint is that of a group's leader.
func (t *Routes) leads(group string, at Endpoint) {
	if t.leaders == nil {
		t.leaders = map[string]Endpoint{}
	}
	t.leaders[group] = at
}

// avoid makes the next attempt of such a request go elsewhere.
func (t *Routes) avoid(r *Request, at Endpoint, now time.Duration) {
	if r.Nearby {
		if Endpoint(t.nearest%t.count) == at {
			t.nearest, t.left = t.nearest+1, now
		}
		return
	}
	if leader, known := t.leaders[r.Group]; known && leader == at {
		delete(t.leaders, r.Group)
	}
	if Endpoint(t.turn%t.count) == at {
		t.turn++
	}
}

// redirect follows an answer that names the leader. It reports whether that is another endpoint to ask.
func (t *Routes) redirect(r *Request, from, to Endpoint, now time.Duration) bool {
	t.avoid(r, from, now)
	if to == Nowhere || to == from {
		return false
	}
	t.leads(r.Group, to)
	return true
}
