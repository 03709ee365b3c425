// Package sim runs whole nodes on one goroutine: the loops that run in production, in an order drawn from a seed, over
// disks that lose power (internal/sim/disk) and a network that does as it is told (transport.ManualNetwork). The same seed gives the
// same run.
//
// Cluster is the harness. Its tests cut the power at every I/O of a workload.
package sim
