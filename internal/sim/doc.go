// Package sim runs whole nodes on one goroutine: the loops that run in production, in an order drawn from a seed, over
// disks that lose power (internal/sim/disk) and a network that does as it is told (transport.ManualNetwork). The same seed gives the
// same run.
//
// Run carries a Plan out, which Draw makes of a seed: a World of nodes and clients in which things go wrong, and in which every law of
// docs/safety.md is checked at each step. Shrink makes a failing plan smaller, and a Trace shows a run to people. The command is
// internal/sim/cmd/sim; docs/testing.md says how all this is used, read and extended.
//
// Cluster is the harness below. Its own tests cut the power at every I/O of a workload (Scenario).
//
// Nothing here starts a goroutine. A World belongs to one goroutine; several may run at the same time.
package sim
