package node

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// The installation of an image goes through the loops one after the other: the owner asks for it, the images loop fills a new machine and a new
// ledger aside, the syncer flips the group file, the applier changes machines, and the owner tells the core. A crash before the flip leaves
// the old set, after it the new one.

// swap is a machine that was filled from an image, in force from the flip on, on its way to the applier.
type swap struct {
	base    raft.Base
	machine statemachine.Machine // nil in a log-only group
	old     statemachine.Place
	// refilled: log and place are the same as before, only the machine's state had been lost.
	refilled bool
}

// openMachines are a replica's machines that are open: the one in force and, during an installation, the one that it replaces or that is to
// replace it. However far that has come, closing the replica closes them all.
type openMachines struct {
	mu   sync.Mutex
	open []statemachine.Machine
}

func (o *openMachines) add(m statemachine.Machine) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = append(o.open, m)
}

func (o *openMachines) close(m statemachine.Machine) error {
	o.mu.Lock()
	o.open = slices.DeleteFunc(o.open, func(x statemachine.Machine) bool { return x == m })
	o.mu.Unlock()
	return m.Close()
}

func (o *openMachines) closeAll() error {
	o.mu.Lock()
	open := o.open
	o.open = nil
	o.mu.Unlock()
	var errs []error
	for _, m := range open {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// filling is an installation that is being prepared: a share of the image is read in each turn of the images loop, so that other groups' images
// move on beside it. What reads them is a coroutine of that loop, and runs while step does.
type filling struct {
	replica *replica
	base    raft.Base
	// step goes on, and reports whether there is more to do. stop gives it up.
	step func() (struct{}, bool)
	stop func()
	// refill: the machine in force is being filled, as it has lost its state.
	refill bool
	// What came of it.
	reset *ledger.Reset
	next  *swap
	err   error
}

// fillBytes is how much of an image goes into a machine in a turn.
const fillBytes = 1 << 20

// errClosing: the node is being closed.
var errClosing = errors.New("node: the image is given up, as the node closes")

// paced gives an image's chunks, and lets the loop go on with something else after each fillBytes.
type paced struct {
	chunks statemachine.ChunkSource
	pause  func(struct{}) bool
	bytes  int
}

// Next is the next chunk's.
func (p *paced) Next() ([]byte, error) {
	if p.bytes >= fillBytes {
		p.bytes = 0
		if !p.pause(struct{}{}) {
			return nil, errClosing
		}
	}
	b, err := p.chunks.Next()
	p.bytes += len(b)
	return b, err
}

// install begins to replace the log and the machine of a group. Owner.
func (m *images) install(r *replica, base raft.Base) {
	r.images.installing.Store(true)
	m.post(func() {
		f := &filling{replica: r, base: base}
		f.step, f.stop = iter.Pull(func(pause func(struct{}) bool) { f.reset, f.next, f.err = m.prepare(r, base, pause) })
		m.fillings = append(m.fillings, f)
	})
}

// fill goes on with the installations that are being prepared. Images loop.
func (m *images) fill() {
	m.fillings = slices.DeleteFunc(m.fillings, func(f *filling) bool {
		if _, more := f.step(); more {
			return false
		}
		m.filled(f)
		return true
	})
}

// filled hands what is ready to the syncer, or has the core told later that there is nothing.
func (m *images) filled(f *filling) {
	r := f.replica
	if f.refill {
		m.refilled(f)
		return
	}
	if f.err != nil {
		r.log.Error("an image could not be installed; the log and the machine stay as they were", "image", f.base.ID, "err", f.err)
		r.images.installing.Store(false)
		m.later(r, false, func(r *replica) { r.core.Installed(f.base, false) })
		return
	}
	r.units.push(unit{job: func() error { return r.flip(f.reset, f.next) }})
	m.node.syncer.work.add(r)
}

// prepare makes the new machine and the new ledger, both durable, beside those in force; it pauses where others may go on. Images loop.
func (m *images) prepare(r *replica, base raft.Base, pause func(struct{}) bool) (*ledger.Reset, *swap, error) {
	next := &swap{base: base, old: r.place(r.ledger.EngineEpoch())}
	if r.opts.Factory != nil {
		machine, err := r.openFrom(base, r.place(next.old.Epoch+1), pause)
		if err != nil {
			return nil, nil, err
		}
		next.machine = machine
		r.machines.add(machine)
	}
	reset, err := r.ledger.PrepareReset(base)
	if err != nil && next.machine != nil {
		err = errors.Join(err, r.machines.close(next.machine))
	}
	return reset, next, err
}

// openFrom fills the machine at a new place from the image that ends at base.
func (r *replica) openFrom(base raft.Base, place statemachine.Place, pause func(struct{}) bool) (statemachine.Machine, error) {
	if err := r.opts.Factory.Drop(place); err != nil { // what an earlier attempt has left
		return nil, fmt.Errorf("dropping the machine's epoch %d: %w", place.Epoch, err)
	}
	for _, meta := range r.images.store.List() {
		if meta.Base.ID != base.ID {
			continue
		}
		machine, err := r.opts.Factory.Open(place)
		if err != nil {
			return nil, fmt.Errorf("opening the machine: %w", err)
		}
		if err := r.restore(machine, meta, pause); err != nil {
			return nil, errors.Join(err, machine.Close(), r.opts.Factory.Drop(place))
		}
		return machine, nil
	}
	return nil, fmt.Errorf("%w: image %s", snapshot.ErrNotFound, base.ID)
}

// flip makes the new set the one in force. Syncer.
func (r *replica) flip(reset *ledger.Reset, next *swap) error {
	epoch := next.old.Epoch
	if next.machine != nil {
		epoch++
	}
	if err := r.ledger.CommitReset(reset, epoch); err != nil {
		return err
	}
	r.images.swap.Store(next)
	r.node.applier.work.add(r)
	return nil
}

// takeSwap changes machines. Applier.
func (r *replica) takeSwap() {
	next := r.images.swap.Swap(nil)
	if next == nil {
		return
	}
	if next.refilled {
		r.takeRefilled(next)
		return
	}
	if next.machine != nil {
		old := r.images.current.Load().machine
		if r.apply.reader != nil {
			_ = r.apply.reader.Close() // gives files back that are no longer part of the log
		}
		r.apply.machine, r.apply.reader = next.machine, r.ledger.Reader(next.base.ID.Index+1)
		r.images.current.Store(&current{next.machine})
		r.noteImage(next.base)
		r.node.images.post(func() { r.node.images.retire(r, old, next.old) })
	}
	r.found(next.base)
	r.images.installing.Store(false) // after found: see refill
	for _, w := range r.waiting.upTo(next.base.ID.Index, nil) {
		w.pending.complete(Proposed{}, uncertain(errReplaced))
	}
	r.completeOvertaken(next.base.ID.Term)
	r.readWaiting.upTo(next.base.ID.Index)
	r.tell(func(r *replica) { r.installed(next.base) })
}

// retire closes a machine that is no longer in force and gives up the image that is being made of it. It runs behind everything that the
// applier has asked for before, on the loop that reads machines' images.
func (m *images) retire(r *replica, old statemachine.Machine, place statemachine.Place) {
	for i, k := range m.makings {
		if k.machine == old {
			k.writer.Abort()
			m.end(k)
			m.makings = append(m.makings[:i], m.makings[i+1:]...)
			break
		}
	}
	if err := errors.Join(r.machines.close(old), r.opts.Factory.Drop(place)); err != nil {
		r.log.Warn("removing the machine that an image has replaced", "err", err)
	}
}

// installed tells the core that its log is now the image's base. Owner.
func (r *replica) installed(base raft.Base) {
	r.unsynced, r.trims = nil, nil
	r.synced.Store(uint64(base.ID.Index))
	r.core.Installed(base, true)
	r.node.image(r.opts.ID, ImageInstalled, base.ID.Index)
	r.log.Info("installed an image", "at", base.ID)
}
