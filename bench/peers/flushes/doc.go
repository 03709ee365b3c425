// Package flushes finds out whether stores have flushed a write when they acknowledge it, by looking at their system calls.
//
// Verify starts this program once more for each store, under strace. There ServeTraced writes to the store from one caller, and calls access(2) with telling paths
// before and after each write. In the trace stand then, between the two, the flushes that the write has waited for: fsync, fdatasync, msync, and writes to files that
// were opened with O_SYNC or O_DSYNC; strace gives the path of each, and with it the node. A write counts as flushed when so many nodes as are a quorum have begun
// and ended a flush between its two marks. The opposite is not proven by that: a flush between the marks might be of something else. But a store that does not flush
// shows.
package flushes
