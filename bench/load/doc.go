// Package load puts load on stores and measures what comes of it.
//
// A System is a store that can be started; a Cluster is one that runs and does an Op at a time for each caller. Run drives a Cluster through a Phase: in a closed
// loop, so many callers that each wait for their answer, or in an open loop, so many operations a second whatever the answers do, their latency counted from the
// moment at which they were meant to begin. It gives a Measure: operations, latencies as HDR histograms, how both went over time, and what it cost in
// processor time, bytes, flushes and memory.
//
// The package knows no store and no workload: package suite has the workloads, package ours LedgerKV as a System, and the module bench/peers other stores. What
// is not of package load's interfaces can be told apart by type assertion: a Cluster that counts its flushes is a FlushCounter, one whose nodes can be stopped
// an Operator.
package load
