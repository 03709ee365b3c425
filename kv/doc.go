// Package kv is a replicated, versioned key-value store that a program embeds.
//
// Open starts a node with one store; Attach gives the store of a group that runs on a node of one's own. A Store puts, reads,
// deletes and compacts, and carries out transactions; a View reads one revision.
//
//	store, err := kv.Open(kv.Options{Dir: dir}) // one node, no port
//	rev, err := store.Put(ctx, []byte("topics/orders"), value)
//	item, err := store.Get(ctx, []byte("topics/orders"))
//
// A write takes this way: Store encodes it as a log entry (docs/format.md, "Entry envelope" and "KV commands"), once, on the
// caller's goroutine; the node commits it; Machine, the replicated state machine, applies it to a statemachine.Engine and gives the
// result. A read asks the node how far the machine has to be, waits for that, and reads the machine on the caller's
// goroutine. The machine's state is a function of the entries alone: what can't be carried out is refused by every replica alike.
//
// A Factory makes the machines of a node, on either engine: BTree in memory or Pebble on disk. Replicas of one group may have
// different ones.
//
// The types of what is asked and answered are those of package kv/model, aliased here, and the errors are those of kv/model and
// node. The append functions and Machine are there for programs that bring their own runtime, such as the simulator.
package kv
