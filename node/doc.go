// Package node is the runtime: one process's part of a cluster. It hosts any number of groups, each a replicated log with or without a
// state machine, over a few loops.
//
//   - Node is opened on a directory; Group is a group's replica on it, and what users call: Propose, Read, Transfer, AwaitRole.
//   - owner (owner.go) owns the cores and the ends of the logs; syncer (syncer.go) writes and flushes; link (links.go) sends, receiver
//     (receive.go) takes in; applier (applier.go) carries committed entries into machines; provisioner (provisioner.go) prepares disk space;
//     images (images.go, install.go) makes, moves and installs images.
//
// Each loop is a turn that never waits for another loop. In a running node a goroutine calls it; under Options.Manual a harness does,
// in an order of its choice, on one goroutine (internal/sim). Between loops progress travels as watermarks and a wake flag (loop.go);
// only proposals, peers' messages and reads are queues, and each is bounded in bytes. docs/threads.md says who touches what.
//
// The package links nothing outside the standard library.
package node
