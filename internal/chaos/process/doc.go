// Package process runs the nodes of a cluster as real server processes on this machine: it builds the program, writes the
// configuration, starts and ends the processes, looks at the cluster's state through its client port, and compares what is left on disk.
//
// A Cluster and its Nodes belong to one goroutine, which may be another one after a hand-over; Node.Running and Cluster.Client may be used
// from any.
package process
