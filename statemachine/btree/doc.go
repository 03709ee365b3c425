// Package btree is the engine that keeps its state in memory: a statemachine.Engine for state that comes back from an image and
// the log after a restart. New makes an empty one.
//
// A hash table leads from a key to its item, and an item to the chain of its versions, newest first. A B-tree over the
// keys serves for order alone, so that an overwrite or a point read never touches it. A view is a revision: it looks for the
// newest version at or below it, and nothing is copied or cloned for it. Events are a queue of versions in order of revision.
//
// One goroutine writes. What a batch writes goes into the chains at once, with revisions that no reader looks at until Commit
// publishes them with one atomic store. Point reads take no lock; ranges take one for a slice of keys at a time, and events
// one for a moment at their start.
//
// Compaction is logical at once. Versions are given back by later commits, a bounded number in each, and not while a view
// or an image that was opened before may need them: an open view holds back all space given back since. Reading a key at a
// past revision takes time in proportion to the key's newer versions.
//
// A key of 16 bytes with one version of 128 bytes takes about 310 bytes in all, and a version's event 20 more until it is compacted
// (BenchmarkMemory).
package btree
