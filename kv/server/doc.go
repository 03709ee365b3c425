// Package server is the node's side of the client port, and its admin port.
//
// A Server answers the requests of internal/wire/rpc from the groups of a node: key-value groups through their kv.Store, log groups
// through their node.Group. It keeps no state of its own but counters, so that what it says is what the group says. Admin is the
// HTTP handler of the admin port: health, readiness, metrics, status and profiles.
//
// Writes and linearizable reads are served by a group's leader alone; every other node answers with the leader's client address.
// While no leader is known a request waits for one, but only for a moment, so that a client that asked a node that is cut off
// goes elsewhere. Local reads, and reads of committed log entries, are served by any replica.
//
// Every method may be called from any goroutine. Requests are served concurrently, on goroutines of package rpc, which bounds them
// by bytes for each connection; what ranges hold in memory is bounded here, over all connections.
package server
