// Package lone runs stores of a single machine as peers, Pebble and bbolt: what a disk and an engine can do where nothing is replicated.
package lone
