// Package trio runs the nodes of a peer's cluster, in this process or in processes of their own, and operates them alike.
//
// A peer gives an Open, which opens one node, and wraps the Cluster that Start makes of three of them in one that knows the peer's operations. Cluster finds the
// leader among the nodes of this process, asks nodes in other processes the same questions over their standard input, and is a load.Operator, load.Processes and
// load.FlushCounter. Gate is what a node's writes and flushes pass, where the peer lets one hook in below it.
package trio
