// Package fs is the file system as the ledger and the images need it: positional reads and writes, datasync, zero-filled
// preallocation, rename and the sync of a directory. OS is the real one; internal/sim/disk supplies one that crashes.
//
// Nothing is durable before it is synced: a file's bytes and length by File.Datasync, and its existence, name or removal by
// SyncDir of its directory. No implementation may promise more, and no caller may assume more.
package fs
