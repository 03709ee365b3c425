// Package statemachine says what a replicated state machine is (Machine) and what it keeps its state in (Engine).
//
// A Machine turns committed entries into state; the node runtime drives it from one applier goroutine. An Engine is a
// versioned ordered map under a machine: statemachine/btree keeps it in memory, statemachine/pebble on disk, and
// statemachine/smtest has a model of it and the conformance kit that every engine runs.
//
// The package imports nothing of the project: indexes and revisions have types of their own here.
package statemachine
