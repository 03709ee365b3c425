package node

import (
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// diskWatch finds out that the disk hangs: one flush, of whichever group, does not return. A core sees that by itself when it waits for
// something of its own; this is for the others, which would take office, or keep it, only to stand still at the first write. It counts
// ticks, as a process that stood still can't blame the disk.
type diskWatch struct {
	// seen is the syncer's flush at the last tick, ticks for how many it has been under way. Ticker.
	seen  uint64
	ticks int
	// stalled: it has not returned for a raft.DefaultStallTimeout. Ticker to owners.
	stalled atomic.Bool
}

// tick looks at the syncer once more, and reports whether it stalls now and did not, or the other way round. Ticker.
func (d *diskWatch) tick(n *Node) (changed bool) {
	now := n.syncer.flushes.load()
	if now%2 == 0 || now != d.seen {
		d.seen, d.ticks = now, 0
	} else {
		d.ticks++
	}
	stalled := time.Duration(d.ticks)*n.opts.TickInterval >= raft.DefaultStallTimeout
	was := d.stalled.Swap(stalled)
	switch {
	case stalled && !was:
		n.opts.Logger.Error("a flush does not return; what this node leads is handed over", "for", time.Duration(d.ticks)*n.opts.TickInterval)
	case was && !stalled:
		n.opts.Logger.Info("the disk answers again")
	}
	return stalled != was
}

// watchDisk tells the cores what has become of the disk. Owner.
func (o *owner) watchDisk() {
	if stalled := o.node.disk.stalled.Load(); stalled != o.stalled {
		o.stalled = stalled
		for _, r := range o.node.ownedBy(o) {
			r.unwell()
			if stalled && r.leading && r.silent.Load() {
				r.core.Wake()
				o.work.add(r)
			}
		}
	}
}
