// Package suite has the workloads, and runs them: Main is the whole program that the benchmark's commands are, given the systems that it may measure.
//
// A run is a number of rounds. In each, every workload is measured on every system in every shape, the systems one after the other, so that what changes on
// the machine in the course of time meets all of them. Each such cell is measured in a process of its own: Main starts the program again for it, and runCell does
// the work there. So one system's heap, goroutines and settings don't touch another's, and its memory and processor time are its own.
package suite
