package node

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// OpenGroup opens this node's replica of a group, making it if it is not there yet. Every node of the cluster opens the same groups with the same
// ids, names and segment sizes, and as they were made; more may be opened than the last time. It blocks while the log is recovered and the machine is
// brought up. Errors: *ledger.CorruptionError, also when this directory held a replica that is gone; *GroupMismatchError, *MembersMismatchError,
// *ledger.IdentityError, *ledger.FormatError. Nothing was changed then.
func (n *Node) OpenGroup(opts GroupOptions) (*Group, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	n.groupsMu.Lock()
	defer n.groupsMu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	for _, r := range n.replicas() {
		if r.opts.ID == opts.ID || r.opts.Name == opts.Name {
			return nil, fmt.Errorf("node: a group with id %d or name %q is open already", opts.ID, opts.Name)
		}
	}
	r, err := n.openReplica(opts)
	if err != nil {
		return nil, fmt.Errorf("node: opening group %q: %w", opts.Name, err)
	}
	n.addReplica(r)
	n.provisioner.work.add(r)
	r.owner.work.add(r)
	return &Group{r}, nil
}

// incarnation is raised only when a group is rebuilt from a survivor.
const incarnation = 1

func (n *Node) openReplica(opts GroupOptions) (*replica, error) {
	dir := path.Join(n.opts.Dir, "groups", fmt.Sprintf("%016x", uint64(opts.ID)))
	r := &replica{node: n, opts: opts, log: n.opts.Logger.With("group", opts.Name), roles: newRoles()}
	r.owner = n.owners[uint64(opts.ID)%uint64(len(n.owners))]
	r.lease.Store(int64(noLease))
	r.proposals.limit, r.reads.limit, r.inbox.limit = opts.QueueBytes, opts.QueueBytes, 2*maxInflightBytes
	lo := ledger.Options{
		FS: n.opts.FS, Dir: dir, SegmentSize: opts.SegmentSize, TailBytes: opts.TailBytes, Logger: r.log,
		Format:   n.opts.Format,
		Identity: ledger.Identity{Cluster: n.cluster, Group: opts.ID, Incarnation: incarnation, Node: n.opts.ID, Directory: n.directory},
	}
	var err error
	if r.ledger, err = n.openLedger(lo, HeldGroup{ID: opts.ID, Name: opts.Name, Machine: opts.Factory != nil, SegmentSize: opts.SegmentSize}); err != nil {
		return nil, err
	}
	tip, err := r.ledger.BaseAt(r.ledger.Last().Index)
	if err = errors.Join(err, n.madeAmong(tip.Configuration)); err != nil {
		return nil, errors.Join(err, r.ledger.Close())
	}
	if err := r.openMachine(dir); err != nil {
		return nil, errors.Join(err, r.ledger.Close())
	}
	if err := r.openCore(); err != nil {
		return nil, errors.Join(err, r.machines.closeAll(), r.ledger.Close())
	}
	return r, nil
}

// openMachine opens the machine where the group file says it is, removes what an interrupted install has left, and, where the machine's
// own state is older than an image, fills it from the image.
func (r *replica) openMachine(dir string) error {
	base := r.ledger.Base()
	if r.opts.Factory == nil {
		r.applied.raise(uint64(base.ID.Index))
		r.appliedEnd.raise(uint64(base.Position))
		return nil
	}
	var err error
	if r.images.store, err = snapshot.Open(r.node.opts.FS, path.Join(dir, "images"), r.imageIdentity()); err != nil {
		return err
	}
	for _, problem := range r.images.store.Problems() {
		r.log.Error("an image is unusable; it is left in place", "err", problem)
	}
	place := r.place(r.ledger.EngineEpoch())
	if err := r.dropOtherEpochs(dir, place.Epoch); err != nil {
		return err
	}
	machine, err := r.opts.Factory.Open(place)
	if err != nil {
		return fmt.Errorf("opening the machine: %w", err)
	}
	if machine, err = r.restoreNewer(machine, place); err != nil {
		return err
	}
	applied, last := raft.Index(machine.Applied()), r.ledger.Last().Index
	if applied == 0 && base.ID.Index > 0 {
		r.images.current.Store(&current{machine})
		r.machines.add(machine)
		r.loseState(fmt.Errorf("no image at or above %s, where the log begins, can be read, and the machine has applied nothing", base.ID))
		return nil
	}
	if applied < base.ID.Index || applied > last {
		return errors.Join(machine.Close(), &ledger.CorruptionError{Path: place.Dir, Index: applied, Err: fmt.Errorf(
			"the machine has applied entry %d, expected %d to %d, the range of the ledger: one of the two is not this replica's, or is damaged", applied, base.ID.Index, last)})
	}
	at, err := r.ledger.BaseAt(applied)
	if err != nil {
		return errors.Join(err, machine.Close())
	}
	r.applied.raise(uint64(applied))
	r.appliedEnd.raise(uint64(at.Position))
	r.images.current.Store(&current{machine})
	r.apply.machine, r.apply.reader = machine, r.ledger.Reader(applied+1)
	r.machines.add(machine)
	for _, meta := range r.fittingImages() {
		if meta.Base.ID.Index <= applied {
			r.noteImage(meta.Base)
			break
		}
	}
	return nil
}

// fittingImages are the images of this log's range, newest first. One that was received and not installed before a crash lies beyond.
func (r *replica) fittingImages() []snapshot.Meta {
	var fitting []snapshot.Meta
	for _, meta := range slices.Backward(r.images.store.List()) {
		if r.covers(meta.Base) {
			fitting = append(fitting, meta)
		}
	}
	return fitting
}

// place is where the machine of an epoch is.
func (r *replica) place(epoch uint64) statemachine.Place {
	dir := path.Join(r.node.opts.Dir, "groups", fmt.Sprintf("%016x", uint64(r.opts.ID)), fmt.Sprintf("engine-%08x", epoch))
	return statemachine.Place{Group: uint64(r.opts.ID), Epoch: epoch, Dir: dir}
}

func (r *replica) dropOtherEpochs(dir string, current uint64) error {
	epochs, err := r.opts.Factory.Epochs(uint64(r.opts.ID), dir)
	if err != nil {
		return fmt.Errorf("listing the machine's epochs: %w", err)
	}
	slices.Sort(epochs)
	for _, e := range epochs {
		if e == current {
			continue
		}
		if err := r.opts.Factory.Drop(r.place(e)); err != nil {
			return fmt.Errorf("dropping the machine's epoch %d: %w", e, err)
		}
	}
	return nil
}

// restoreNewer fills an empty machine from the newest image that fits the ledger. A machine that keeps its own state is left as it is.
func (r *replica) restoreNewer(machine statemachine.Machine, place statemachine.Place) (statemachine.Machine, error) {
	if machine.Applied() != 0 {
		return machine, nil
	}
	for _, meta := range r.fittingImages() {
		err := r.restore(machine, meta, func(struct{}) bool { return true })
		if err == nil {
			return machine, nil
		}
		r.log.Error("an image could not be loaded; trying an older one", "image", meta, "err", err)
		if err := errors.Join(machine.Close(), r.opts.Factory.Drop(place)); err != nil {
			return nil, err
		}
		if machine, err = r.opts.Factory.Open(place); err != nil {
			return nil, fmt.Errorf("opening the machine: %w", err)
		}
	}
	return machine, nil
}

// restore fills a machine from an image; it pauses now and then, and gives up where a pause says so.
func (r *replica) restore(machine statemachine.Machine, meta snapshot.Meta, pause func(struct{}) bool) error {
	reader, err := r.images.store.Open(meta)
	if err != nil {
		return err
	}
	return errors.Join(machine.Restore(&paced{chunks: reader, pause: pause}), reader.Close())
}

// maxInflightBytes is the most that a leader may have on its way to one peer; maxAppendBytes the most that one append names.
const (
	maxInflightBytes = 16 << 20
	maxAppendBytes   = 1 << 20
)

func (r *replica) openCore() error {
	at := r.ledger.Restart()
	at.Commit = max(at.Base.ID.Index, raft.Index(r.applied.load()))
	core, err := raft.New(raft.Config{
		ID: r.node.opts.ID, Seed: r.node.seed.Uint64(), Boot: r.node.boot,
		ElectionTimeout: r.node.opts.ElectionTimeout, HeartbeatInterval: r.node.opts.HeartbeatInterval,
		MaxAppendBytes: r.opts.AppendBytes, MaxInflightBytes: r.opts.InflightBytes, LogOnly: r.opts.Factory == nil,
		LeaseDuration: r.opts.Lease, QuietAfter: r.node.opts.quietAfter(),
	}, at)
	if err != nil {
		return err
	}
	r.core = core
	r.appendedAt = r.node.opts.Clock.Monotonic()
	r.told = r.appendedAt
	core.DiskStalled(r.images.lost.Load() != nil)
	r.named = r.node.wasNamed(&at)
	entry := core.Configuration()
	r.configuration.Store(&entry)
	r.distrust()
	r.commit.raise(uint64(at.Commit))
	r.synced.Store(uint64(at.Last.Index))
	for _, t := range r.ledger.Trims() {
		r.noteTrim(t.At, t.KeepFrom)
	}
	r.tell(func(r *replica) { r.takeTrims(raft.Index(r.commit.load())) })
	return nil
}

// close makes the replica durable as far as it can and gives its files back. Every loop has ended.
func (r *replica) close() error {
	var errs []error
	if !r.failed() {
		errs = append(errs, r.settle())
		if r.apply.machine != nil {
			errs = append(errs, r.apply.machine.Flush())
		}
	}
	if r.apply.reader != nil {
		errs = append(errs, r.apply.reader.Close())
	}
	return errors.Join(append(errs, r.machines.closeAll(), r.ledger.Close())...)
}
