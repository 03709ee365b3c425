// Package transporttest is the conformance kit of transport.Transport: Run checks on any implementation what the interface
// promises. Recorder is a transport.Handler that writes down what it is told, for tests.
package transporttest
