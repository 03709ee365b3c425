package rpc

import "sync/atomic"

// gauge bounds a sum of bytes over all connections of a port. Unlike at a budget nobody waits: who finds it full is told so.
type gauge struct {
	size int64
	used atomic.Int64
}

// try takes n bytes if they are left; more than all count as all. It gives what it took, for give.
func (g *gauge) try(n int) (took int, ok bool) {
	took = int(min(int64(n), g.size))
	if g.used.Add(int64(took)) > g.size {
		g.used.Add(int64(-took))
		return 0, false
	}
	return took, true
}

// take takes n bytes, left or not.
func (g *gauge) take(n int) int {
	g.used.Add(int64(n))
	return n
}

// give gives n bytes back.
func (g *gauge) give(n int) { g.used.Add(int64(-n)) }
