// Package quorum is the arithmetic of majorities: what a majority has reached, and how a vote stands.
//
// It knows nothing of nodes or configurations; raft calls it once for each half of a joint configuration and takes the
// smaller answer (Raft thesis §4.3).
package quorum
