// Package disk is a file system in memory that loses power: the crash model of docs/format.md ("What is assumed of disks"),
// at sectors of 512 bytes.
//
// A Disk implements fs.FS. It keeps two states at once: what the kernel shows to a running process, and what a power cut
// may leave. Crash turns the second into a new Disk, KillProcess the first. Of what was not synced any consistent subset
// survives a power cut:
//
//   - a sector written since the file's last Datasync is old, or any of the versions written since, each on its own;
//   - a file's length is the synced one or any it has had since;
//   - a name created, renamed or removed since the last SyncDir of its directory is as before or as after. A rename within
//     a directory is one step, and a second one of the same file does not survive without the first; between two directories the new name is never lost with the old one gone.
//
// Operations that change something are numbered from 1 (Ops), and CrashAt stops the disk at one of them, so that a test can
// run a workload once to count and then cut the power at each. Faults (Inject), a capacity (SetCapacity) and rotten bits
// (Flip) come on top; the hook Before lets a simulator delay or refuse single operations.
//
// Everything is deterministic: the same seed and the same calls give the same result. A Disk may be used from any goroutine;
// with several at once their order is theirs.
package disk
