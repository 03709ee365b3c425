package trio

import (
	"sync"
	"sync/atomic"
)

// Gate is what a node's writes and flushes pass on their way to the files: it counts the flushes, and holds all of them up while the disk is meant to stall. The
// zero Gate is open. Its methods may be called from any goroutine.
type Gate struct {
	flushes atomic.Uint64
	shut    atomic.Pointer[chan struct{}] // closed when the gate opens; nil while it is open

	mu sync.Mutex // one Stall or Resume at a time
}

// Pass blocks while the disk stalls. A write calls it first.
func (g *Gate) Pass() {
	if shut := g.shut.Load(); shut != nil {
		<-*shut
	}
}

// Flush blocks while the disk stalls, runs a flush, counts it if it succeeded, and gives its error.
func (g *Gate) Flush(flush func() error) error {
	g.Pass()
	if err := flush(); err != nil {
		return err
	}
	g.flushes.Add(1)
	return nil
}

// Flushes is how many flushes have succeeded.
func (g *Gate) Flushes() uint64 { return g.flushes.Load() }

// Stall makes every write and flush that begins from now on wait for Resume.
func (g *Gate) Stall() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut.Load() == nil {
		shut := make(chan struct{})
		g.shut.Store(&shut)
	}
}

// Resume lets everything go on that waits.
func (g *Gate) Resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if shut := g.shut.Swap(nil); shut != nil {
		close(*shut)
	}
}
