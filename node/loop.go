package node

import (
	"sync"
	"sync/atomic"
)

// Loop is one of a node's loops. In a running node each has a goroutine that calls its turn; a one-goroutine harness
// (Options.Manual) calls the turns itself, in an order of its choice.
type Loop struct {
	name string
	// wake holds at most one token: work may be waiting. It is never full in a way that matters and never lost.
	wake chan struct{}
	turn func() (more bool)
	// woken counts the tokens of all loops of the node, for a harness; nil in a running node.
	woken *atomic.Int64
}

func (n *Node) newLoop(name string, turn func() bool) *Loop {
	l := &Loop{name: name, wake: make(chan struct{}, 1), turn: turn}
	if n.opts.Manual {
		l.woken = &n.woken
	}
	return l
}

// Name says which loop it is: owner-0, syncer, control-n2, bulk-n2, applier, provisioner, images, scrubber, peers.
func (l *Loop) Name() string { return l.name }

// Ready reports whether the loop was woken since its last turn.
func (l *Loop) Ready() bool { return len(l.wake) > 0 }

// Turn does what is there to do, up to a budget, and reports whether anything is left. Only a harness calls it, on a node opened
// with Options.Manual. It is harmless when nothing is there.
func (l *Loop) Turn() bool {
	select {
	case <-l.wake:
		l.count(-1)
	default:
	}
	more := l.turn()
	if more {
		l.notify()
	}
	return more
}

// notify wakes the loop. It never blocks and may be called from any goroutine.
func (l *Loop) notify() {
	select {
	case l.wake <- struct{}{}:
		l.count(1)
	default:
	}
}

func (l *Loop) count(tokens int64) {
	if l.woken != nil {
		l.woken.Add(tokens)
	}
}

// run turns the loop until stop or quit is closed, and then once more, so that nothing that was queued before is left behind.
func (l *Loop) run(stop, quit <-chan struct{}) {
	for {
		for l.turn() {
			select {
			case <-stop:
				return
			case <-quit:
				return
			default:
			}
		}
		select {
		case <-l.wake:
		case <-stop:
			l.turn()
			return
		case <-quit:
			l.turn()
			return
		}
	}
}

// stage numbers the loops that replicas wait for in worklists.
type stage int

const (
	ownerStage stage = iota
	syncerStage
	applierStage
	provisionerStage
	stages
)

// worklist is the set of replicas that have work for one loop, in the order in which they got it.
type worklist struct {
	stage stage
	loop  *Loop

	mu     sync.Mutex
	queued []*replica
	spare  []*replica
}

// add puts a replica on the list, once, and wakes the loop.
func (w *worklist) add(r *replica) {
	if !r.listed[w.stage].CompareAndSwap(false, true) {
		return
	}
	w.mu.Lock()
	w.queued = append(w.queued, r)
	w.mu.Unlock()
	w.loop.notify()
}

// take empties the list. The result is valid until the next take. A replica may be added again at once: its flag is cleared before
// its work is looked at, so nothing that arrives meanwhile is missed.
func (w *worklist) take() []*replica {
	w.mu.Lock()
	taken := w.queued
	w.queued = w.spare[:0]
	w.spare = taken
	w.mu.Unlock()
	for _, r := range taken {
		r.listed[w.stage].Store(false)
	}
	return taken
}

// watermark is a progress mark that only rises. One goroutine raises it, any reads it.
type watermark struct{ v atomic.Uint64 }

func (w *watermark) load() uint64 { return w.v.Load() }

// raise stores v and reports whether that was progress.
func (w *watermark) raise(v uint64) bool {
	if v <= w.v.Load() {
		return false
	}
	w.v.Store(v)
	return true
}
