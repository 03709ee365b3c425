package client

import (
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/rpc"
)

// maxEndpoints bounds the endpoints that are learned, so that no answer makes the client grow without end.
const maxEndpoints = 256

// endpointAt gives the endpoint of an address, new or known; nil when there are too many.
func (c *Client) endpointAt(address string) *endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addEndpoint(address)
}

// addEndpoint is endpointAt. REQUIRES: mu.
func (c *Client) addEndpoint(address string) *endpoint {
	for _, e := range c.endpoints {
		if e.address == address {
			return e
		}
	}
	if address == "" || len(c.endpoints) >= maxEndpoints || c.closed {
		return nil
	}
	e := &endpoint{client: c, address: address}
	c.endpoints = append(c.endpoints, e)
	return e
}

// known gives the endpoints known by now.
func (c *Client) known() []*endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*endpoint(nil), c.endpoints...)
}

// returnAfter is for how long reads stay away from the nearest endpoint when that has failed.
const returnAfter = 30 * time.Second

// target gives the endpoint to ask: the one of the group's leader, as far as is known, or the nearest one, otherwise one that did not fail last. It is
// none of those in without, and nil when no other is known.
func (c *Client) target(r request, without []*endpoint) *endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	turn := c.turn
	if r.nearby {
		if c.nearest > 0 && time.Since(c.left) >= returnAfter {
			c.nearest = 0
		}
		turn = c.nearest
	} else if e := c.leaders[r.group]; e != nil && !slices.Contains(without, e) {
		return e
	}
	for i := range c.endpoints {
		if e := c.endpoints[(turn+i)%len(c.endpoints)]; !slices.Contains(without, e) {
			return e
		}
	}
	return nil
}

// served notes that an endpoint served a group as its leader.
func (c *Client) served(group string, e *endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaders[group] = e
}

// avoid makes the next attempt of such a request go elsewhere.
func (c *Client) avoid(r request, e *endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.nearby {
		if c.endpoints[c.nearest%len(c.endpoints)] == e {
			c.nearest, c.left = c.nearest+1, time.Now()
		}
		return
	}
	if c.leaders[r.group] == e {
		delete(c.leaders, r.group)
	}
	if c.endpoints[c.turn%len(c.endpoints)] == e {
		c.turn++
	}
}

// redirect follows an answer that names the leader. It reports whether that is another endpoint to ask.
func (c *Client) redirect(r request, from *endpoint, answer *rpc.Error) bool {
	c.avoid(r, from)
	var to *endpoint
	for _, e := range c.known() { // who is connected is there for certain; where a node was found, or is said to be, it may be no more
		if answer.Leader != "" && e.isNode(answer.Leader) && (to == nil || e.connected()) {
			to = e
		}
	}
	if told := c.endpointAt(answer.Address); told != nil && (to == nil || !to.connected()) {
		to = told
	}
	if to == nil || to == from {
		return false
	}
	c.served(r.group, to)
	return true
}
