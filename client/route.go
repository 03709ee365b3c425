package client

import (
	"slices"

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

// target gives the endpoint to ask about a group: its leader's, as far as is known, otherwise one that did not fail last. It is none of those
// in without, and nil when no other is known.
func (c *Client) target(group string, without []*endpoint) *endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.leaders[group]; e != nil && !slices.Contains(without, e) {
		return e
	}
	for i := range c.endpoints {
		if e := c.endpoints[(c.turn+i)%len(c.endpoints)]; !slices.Contains(without, e) {
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

// avoid makes the next attempt go elsewhere.
func (c *Client) avoid(group string, e *endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaders[group] == e {
		delete(c.leaders, group)
	}
	if c.endpoints[c.turn%len(c.endpoints)] == e {
		c.turn++
	}
}

// redirect follows an answer that names the leader. It reports whether that is another endpoint to ask.
func (c *Client) redirect(group string, from *endpoint, answer *rpc.Error) bool {
	c.avoid(group, from)
	to := c.endpointAt(answer.Address)
	if to == nil && answer.Leader != "" {
		for _, e := range c.known() {
			if e.isNode(answer.Leader) {
				to = e
			}
		}
	}
	if to == nil || to == from {
		return false
	}
	c.served(group, to)
	return true
}
