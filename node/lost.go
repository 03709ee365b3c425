package node

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
)

// A replica may lose its machine's state and nothing of its log: the image from which it would start again is rotten, or the engine's files are gone,
// while the entries behind are trimmed. All that it promised is in the log and the group file, so it votes, takes entries and acknowledges them as
// before. It serves nothing, hands leadership on where the others let it, and asks the leader for an image until it has one that ends
// within its log. The log stays as it is: what was acknowledged above the image must not be forgotten.

// lost says that the machine's state is gone.
type lost struct {
	// least is where the image that is needed ends, or above.
	least raft.Index
	// since is what was found.
	since error
}

// needing is a replica whose machine is to be filled again. Images loop.
type needing struct {
	replica *replica
	// filling: an image is here and goes into the machine. spoiled: one has gone into it in part.
	filling, spoiled bool
	// again is when the leader is asked again.
	again raft.Monotonic
}

// loseState notes that the machine has nothing of what it had applied. REQUIRES: the replica is being opened.
func (r *replica) loseState(why error) {
	r.log.Error("the state of the machine is lost, the log is not; the replica serves nothing until the leader has sent an image", "err", why)
	r.images.lost.Store(&lost{least: r.ledger.Base().ID.Index, since: why})
	r.node.images.post(func() { r.node.images.needings = append(r.node.images.needings, &needing{replica: r}) })
}

// unwell tells the core whether others should rather lead than this replica. Owner.
func (r *replica) unwell() {
	r.core.DiskStalled(r.owner.stalled || r.images.lost.Load() != nil)
}

// askAround asks the leaders for the images that are needed. Images loop.
func (m *images) askAround(now raft.Monotonic) {
	m.needings = slices.DeleteFunc(m.needings, func(n *needing) bool {
		r := n.replica
		l := r.images.lost.Load()
		if l == nil || r.failed() {
			return true
		}
		leader := r.roles.load().Leader
		if n.filling || now < n.again || r.images.installing.Load() || leader == raft.None || leader == m.node.opts.ID {
			return false
		}
		n.again = now.Add(failurePause)
		m.sendImages(snapshot.Ask(leader, r.opts.ID, l.least))
		return false
	})
}

// asked begins to send an image to a replica that has lost its machine's state, or to make one that is new enough.
func (m *images) asked(from raft.NodeID, group raft.GroupID, least raft.Index) {
	r := m.node.replica(group)
	if r == nil || r.failed() || r.images.store == nil || r.images.lost.Load() != nil || r.roles.load().Role != raft.Leader {
		return
	}
	if slices.ContainsFunc(m.offered, func(o offered) bool { return o.peer == from && o.group == group && o.until == 0 }) {
		return
	}
	if raft.Index(r.applied.load()) < least {
		return // no image could end there yet
	}
	if newest, ok := r.images.store.Newest(); !ok || newest.Base.ID.Index < max(least, r.ledger.Base().ID.Index) {
		r.images.wanted.Store(true)
		m.node.applier.work.add(r)
		return // whoever asks does so again
	}
	m.offer(r, from)
}

// sendImages sends one frame of the image connection.
func (m *images) sendImages(f snapshot.Frame) {
	frame := transport.Frame{Kind: transport.KindImage, Head: f.Head, Body: [][]byte{f.Body}}
	if err := m.node.transport.Send(f.To, transport.Image, []transport.Frame{frame}); err != nil {
		m.offers.Unreachable(f.To)
		m.fetches.Unreachable(f.To)
		m.unsent = true
	}
}

// refill begins to fill the machine that has lost its state, and reports false where the image is for the core to decide about: it ends beyond the log,
// and would take the log's place. What it leaves is asked for again: an image that ends in a part of the log that is not durable yet, say, since a
// power cut would leave a machine that is ahead of the log.
func (m *images) refill(r *replica, meta snapshot.Meta) bool {
	i := slices.IndexFunc(m.needings, func(n *needing) bool { return n.replica == r })
	// The other way round lost might be of before an installation that is over by then.
	installing, l := r.images.installing.Load(), r.images.lost.Load()
	if i < 0 || l == nil {
		return false
	}
	n, at := m.needings[i], meta.Base.ID.Index
	if n.filling || at < l.least {
		return true
	}
	if !r.covers(meta.Base) {
		return false
	}
	if installing || uint64(at) > r.synced.Load() {
		return true
	}
	if n.spoiled {
		if err := r.emptyMachine(); err != nil {
			r.fail(err)
			return true
		}
	}
	n.filling, n.spoiled = true, false
	f := &filling{replica: r, base: meta.Base, refill: true}
	f.step, f.stop = iter.Pull(func(pause func(struct{}) bool) {
		machine := r.images.current.Load().machine
		f.next, f.err = &swap{base: meta.Base, machine: machine, refilled: true}, r.restore(machine, meta, pause)
	})
	m.fillings = append(m.fillings, f)
	return true
}

// covers reports whether the log goes on from a base.
func (r *replica) covers(b raft.Base) bool {
	at, err := r.ledger.BaseAt(b.ID.Index)
	return err == nil && at.ID == b.ID && at.Checksum == b.Checksum
}

// refilled hands the machine to the applier. After a failure it is emptied before the next attempt, and not now: an installation may be about to put
// another machine in its place.
func (m *images) refilled(f *filling) {
	r := f.replica
	for _, n := range m.needings {
		if n.replica == r {
			n.filling, n.spoiled, n.again = false, f.err != nil, m.node.opts.Clock.Monotonic().Add(failurePause)
		}
	}
	if r.images.lost.Load() == nil { // an image has taken the place of log and machine meanwhile
		return
	}
	if f.err == nil {
		if r.images.swap.CompareAndSwap(nil, f.next) {
			m.node.applier.work.add(r)
		}
		return
	}
	r.log.Error("the machine could not be filled from the image; another is asked for", "image", f.base.ID, "err", f.err)
}

// emptyMachine replaces the machine that has lost its state, and that an image has filled in part, by an empty one. REQUIRES: nothing is
// being installed. Images loop.
func (r *replica) emptyMachine() error {
	place := r.place(r.ledger.EngineEpoch())
	if err := errors.Join(r.machines.close(r.images.current.Load().machine), r.opts.Factory.Drop(place)); err != nil {
		return err
	}
	machine, err := r.opts.Factory.Open(place)
	if err != nil {
		return fmt.Errorf("opening the machine: %w", err)
	}
	r.machines.add(machine)
	r.images.current.Store(&current{machine})
	return nil
}

// takeRefilled puts the machine in force that has its state again. Applier.
func (r *replica) takeRefilled(next *swap) {
	if r.images.lost.Load() == nil {
		return // another image came first
	}
	r.apply.machine, r.apply.reader = next.machine, r.ledger.Reader(next.base.ID.Index+1)
	r.noteImage(next.base)
	r.found(next.base)
	r.log.Info("the machine has its state again", "at", next.base.ID)
	r.tell(func(r *replica) { r.node.image(r.opts.ID, ImageInstalled, next.base.ID.Index) })
}

// found ends the loss: the machine is at a base of the log. Applier.
func (r *replica) found(base raft.Base) {
	r.applied.raise(uint64(base.ID.Index))
	r.appliedEnd.raise(uint64(base.Position))
	r.images.lost.Store(nil)
	r.tell((*replica).unwell)
	r.node.applier.work.add(r)
}
