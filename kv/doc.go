// Package kv is a replicated, versioned key-value store that a program embeds.
//
// Machine is the replicated state machine: it applies the commands of committed log entries to a statemachine.Engine and
// answers reads from it. Its state is a function of the entries alone. The commands are encoded as docs/format.md says
// ("Entry envelope", "KV commands"), on the goroutine that asks for them, once. NewFactory makes the factory from which the node
// runtime opens machines, on either engine: BTree in memory or Pebble on disk.
//
// The types of what is asked and answered are those of package kv/model, aliased here.
package kv
