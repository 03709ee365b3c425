// Package limits measures what the machine itself can do: flushes, writes, a round trip over loopback, and the engines without anything around them. A store can't be
// faster than these, so its figures are shown as a share of them. Package suite calls it once in each round of a run.
package limits
