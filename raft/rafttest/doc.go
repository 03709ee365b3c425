// Package rafttest runs several raft cores on one goroutine, over a network and disks of its own that do only what they are told.
//
// Run executes a text script: a story of elections, partitions, conflicts and installs, with what is expected to come of each
// step (testdata/*.txt; go test -rewrite writes the expectations anew, to be reviewed like code). Simulate runs a random
// schedule from a seed: messages are lost, repeated and overtake each other, disks become durable late or stall, processes crash
// and lose what they had not synced, clocks run apart, the membership changes, and the clients rest at times so that the group
// falls silent. The laws of docs/safety.md are checked after every step.
//
// The pieces are a ledger in memory (ledger.go), a replica that carries out a core's outputs (replica.go), the cluster with its
// network (cluster.go), and the checker (checker.go). Everything is single-threaded and deterministic.
package rafttest
