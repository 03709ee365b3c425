// Package history is what clients of a cluster asked and were answered, and decides whether that can be.
//
// A Recorder takes in operations from many goroutines and writes them to a file as lines of JSON. Check holds them against these rules:
//
//   - Each key of the store is linearizable (github.com/anishathalye/porcupine, key by key): puts, deletes, transactions, reads, ranges and
//     deletions of ranges as far as they concern the key. A write whose outcome is uncertain may take place once, at any time after it was
//     sent, or never.
//   - The order is that of the revisions that the answers give: each read, local ones and ranges too, gives the state at its revision, over all its keys.
//   - Revisions rise in real time: a write has a higher one than everything that was answered before it began, a linearizable read no lower one.
//   - What is read was written: by an operation that did not fail for certain, had begun, and was answered with that revision if it was answered.
//   - An entry of the log is the same for everybody, was appended, once, by an append that did not fail, and is at the index and position that the append was
//     told; indexes rise in real time; a reader leaves no index out, but for what was trimmed.
//
// Values and entries must be unique over a whole history, so that what is read tells who wrote it.
package history
