// Package retry holds the rules by which a client of the client port goes on after an attempt: which node to ask next, whether and after what
// pause to ask again, when to follow the leader that a node names, and when nobody knows whether a write was done.
//
// A Call is one request from its first attempt to its end; Routes are what a client knows of where to ask, for all its calls. Both are data: there is
// no clock, goroutine, socket or random source in them, so that package client runs on them over TCP and the simulator's clients over
// virtual time. The caller makes the attempts, and bounds them and all of them together in time.
//
// Nothing here is safe for concurrent use. A Routes is shared by calls under its owner's lock.
package retry
