package client

import (
	"time"

	"github.com/ledgerkv/ledgerkv/internal/wire/retry"
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
	e := &endpoint{client: c, address: address, number: c.routes.Add()}
	c.endpoints = append(c.endpoints, e)
	return e
}

// known gives the endpoints known by now.
func (c *Client) known() []*endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*endpoint(nil), c.endpoints...)
}

// now is the time since the client was opened.
func (c *Client) now() time.Duration { return time.Since(c.opened) }

// target gives the endpoint that a call asks next, nil when there is none left.
func (c *Client) target(call *retry.Call) *endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := call.Target(&c.routes, c.now()); at != retry.Nowhere {
		return c.endpoints[at]
	}
	return nil
}

// leaderOf finds the endpoint of the leader that an answer names.
func (c *Client) leaderOf(answer *rpc.Error) retry.Endpoint {
	var to *endpoint
	for _, e := range c.known() { // who is connected is there for certain; where a node was found, or is said to be, it may be no more
		if answer.Leader != "" && e.isNode(answer.Leader) && (to == nil || e.connected()) {
			to = e
		}
	}
	if told := c.endpointAt(answer.Address); told != nil && (to == nil || !to.connected()) {
		to = told
	}
	if to == nil {
		return retry.Nowhere
	}
	return to.number
}
