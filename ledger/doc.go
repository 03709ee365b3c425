// Package ledger is a replica's log on disk: records, segments, the tail in memory, the durable mark, the group file, the base,
// recovery and readers. docs/format.md draws every byte, and the names here are the names there.
//
// # Who calls what
//
// A Ledger is shared by four kinds of goroutines, and each method says which of them it is for:
//
//   - the owner, one goroutine, appends and truncates in memory (Append, AppendRecord, Truncate) and hands what it did to the
//     syncer as a [Write] (Cut). It never waits for the disk, with the one exception that Truncate names.
//   - the syncer, one goroutine, is the only one that writes records and the group file: Write, Flush, Idle, Trim, CommitReset.
//   - the provisioner, one goroutine, prepares zero-filled space ahead of need, and does the housekeeping: sidecars, removal and
//     recycling of segments (Provision).
//   - readers, any number on any goroutine: Records, Reader, Record, RecordAt, ReadAt, BaseAt.
//
// What they share is the index: where the log begins and ends, which entry is where, and the tail in memory. A mutex guards it,
// which nobody holds while touching a file. The provisioner's own lock is held across its file work; only the syncer
// ever waits for it, when it has outrun the provisioner, resets the ledger, or trims it on a full device.
//
// # What is durable when
//
// Nothing that was given to Append is durable before a Flush that began after the Write holding it has returned without error. The
// hard state given to Cut is made durable by the same Flush. After a failed flush the ledger is latched: every later Write
// and Flush gives the same [FailedError], because the kernel may have dropped what it could not write and says so once.
//
// # Lifetimes
//
// Bytes in the tail never change once they were appended; truncation starts new buffers. So slices that readers got from memory stay
// valid as long as they are referenced. Slices read from disk belong to the caller, but for those of a Reader, which reuses
// its buffer.
package ledger
