// Package dragonboat runs dragonboat v4 as a peer: the library as an application embeds it, on either of its log stores, with a Go map as its state machine (package
// table), applied in batches. A group is a shard.
package dragonboat
