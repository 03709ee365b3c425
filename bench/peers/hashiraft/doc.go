// Package hashiraft runs hashicorp/raft over raft-wal as a peer: the library as an application embeds it, with a Go map as its state machine (package table), applied
// in batches.
package hashiraft
