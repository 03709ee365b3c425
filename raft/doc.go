// Package raft is the consensus core: the Raft algorithm (Ongaro's thesis) as data in, data out.
//
// A Core is one replica of one group. It starts no goroutine and has no clock, file, lock, channel, logger or global random
// source; it can't block and never sees an I/O error. Its node tells it what happened (Tick, Step, Propose, ReadIndex, Synced,
// Applied, …) and takes what is to be done about it from Output: hard state and entries to persist, messages to send at
// once, messages to send once the output is durable, reads to serve, the commit index. The same calls give the same outputs,
// always.
//
// A core keeps a table of terms and sparse waypoints, never entries: bodies pass through it from Propose or Step to
// Output.Append. Its memory doesn't grow with the number of entries.
//
// One goroutine at a time may use a Core; every method returns at once. A panic means that an invariant is broken, in the
// core or by its caller (docs/safety.md lists them); no message, however hostile, causes one.
//
// The package also holds the vocabulary types of the project (Index, Term, EntryID, Entry, Configuration, Base …). It imports
// nothing but the standard library and its own raft/quorum. raft/rafttest runs several cores in one goroutine, from text
// scripts and from random schedules.
package raft
