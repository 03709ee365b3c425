// Package ours makes LedgerKV a load.System: with its engines in memory and on disk, in every shape, and as a cluster that runs already.
//
// A member is a node in this process with its groups and, where clients are remote, its client port; a cluster is some members here and some in processes of their
// own, which are members there.
package ours
