// Chaos runs three real server processes over real disks and sockets, does to them what machines and networks do, and holds what clients
// were told against what is there:
//
//	go run ./internal/chaos -for 10m
//
// A seed decides which faults come when. Nothing else is repeatable: the processes run as the machine lets them. docs/testing.md says what is
// done, what is checked, and how to read the report.
//
// The parts: package process has the servers, package proxy the network between them, package history what clients saw and the rules for it. Here are
// the clients, the faults, and the run.
package main
