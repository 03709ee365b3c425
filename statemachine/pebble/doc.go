// Package pebble keeps engines on disk, in one Pebble store that many groups share.
//
// A Store is opened once in a process and a directory; Store.Engine gives a statemachine.Engine for each group and epoch, which
// is a key prefix of the store (a namespace). The layout and why it is what it is: docs/adr/0001-pebble-layout.md.
//
// # Durability
//
// There is no write-ahead log: the group's ledger is one. A commit goes to Pebble's memory table, and to disk when that is
// full, when Engine.Flush asks for it, and when the store is closed. Pebble flushes commits in their order and each one
// whole, so after a crash a namespace is as some commit left it, the applied index included; Engine.Durable tells a lower
// bound of which. What is behind it must be applied again from the ledger.
//
// # Faults
//
// A full disk (ErrNoSpace) ends nothing. Flushes and compactions fail and are tried again; Flush returns the error; commits
// go on until about three memory tables wait for the disk, then Commit blocks; reads go on. All resumes when space returns.
// Close does not wait for space: what was not flushed is lost and must be applied again.
//
// Any other background failure, such as an I/O error or a damaged file, is final (ErrFailed, with CorruptionError for
// damage): from then on Commit and Flush fail, and nothing more is written to or removed from the directory, as though the
// process had ended there. The store must be closed. It may be opened again: what was durable before is either there or
// reported as damaged. Pebble's own way, to exit the process, is not taken.
//
// # Threads
//
// An engine's writer (Begin … Commit, Flush, Restore) is one goroutine; Flush may be called from others as well. Views and
// images may be opened on any goroutine and used by one at a time. A store has two goroutines of its own, one that follows
// flushes and one that removes compacted history (the sweeper); Close stops both and waits for them.
//
// A view or image holds compacted history back from the sweeper, and one that has read holds files and memory tables. They must be
// closed; they end by themselves only with their engine.
package pebble
