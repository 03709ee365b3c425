package rafttest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ledgerkv/ledgerkv/raft"
)

// packet is a message on its way, with the entries or the image it names.
type packet struct {
	raft.Message
	entries []raft.Entry
	image   *image
}

// cluster is some replicas and what is under way between them.
type cluster struct {
	replicas []*replica
	network  []packet
	// cut holds the directed links that lose everything.
	cut map[link]bool
	// lose, when not nil, says what else is lost.
	lose  func(*packet) bool
	check *checker
	start start
	// observe is Schedule.Observe.
	observe func(raft.NodeID, *raft.Output, []raft.EntryID)
}

type link struct{ from, to raft.NodeID }

// newCluster makes replicas with empty logs and one configuration among all of them, and starts them.
func newCluster(config raft.Configuration, settings raft.Config) (*cluster, error) {
	return newClusterOf(startOurs, config, settings)
}

// newClusterOf does so with cores that start makes.
func newClusterOf(start start, config raft.Configuration, settings raft.Config) (*cluster, error) {
	c := &cluster{cut: map[link]bool{}, check: newChecker(), start: start}
	for _, m := range config.Members {
		if err := c.add(m.ID, config, settings); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// add starts another replica with an empty log.
func (c *cluster) add(id raft.NodeID, config raft.Configuration, settings raft.Config) error {
	settings.ID = id
	r := &replica{id: id, cfg: settings, start: c.start}
	r.disk.log.base.Configuration = config
	c.replicas = append(c.replicas, r)
	return r.run()
}

func (c *cluster) replica(id raft.NodeID) *replica {
	for _, r := range c.replicas {
		if r.id == id {
			return r
		}
	}
	return nil
}

// take takes an output, checks it, sends what may be sent at once, and applies what is committed and synced.
func (c *cluster) take(r *replica) (raft.Output, error) {
	before := r.commit
	o := r.take()
	if err := c.check.took(r, &o, c.replicas); err != nil {
		return o, err
	}
	if c.observe != nil {
		c.observe(r.id, &o, r.log.ids(before, o.Commit))
	}
	for i := range o.Send {
		if err := c.check.leaves(r, &o.Send[i]); err != nil {
			return o, err
		}
		c.send(r, &o.Send[i])
	}
	return o, c.apply(r)
}

// sync makes the n oldest outputs of a replica durable and sends what waited for that. An image that one of them asks for may be
// installed from then on, as it must not overtake what came before.
func (c *cluster) sync(r *replica, n int) error {
	for _, o := range r.sync(n) {
		for i := range o.SendSynced {
			if err := c.check.leaves(r, &o.SendSynced[i]); err != nil {
				return err
			}
			c.send(r, &o.SendSynced[i])
		}
		r.installable = r.installable || o.Install != nil && r.received != nil
	}
	return c.apply(r)
}

// apply brings the machine up to min(commit, synced).
func (c *cluster) apply(r *replica) error {
	for r.machine.index < min(r.commit, r.synced) {
		r.machine.apply(r.log.entry(r.machine.index + 1))
	}
	if r.machine.index > r.core.Status().Applied {
		r.core.Applied(r.machine.index)
	}
	return c.check.applied(r)
}

// send resolves what a message names and puts it on its way. What no longer fits the ledger is dropped.
func (c *cluster) send(r *replica, m *raft.Message) {
	p := packet{Message: *m}
	switch m.Type {
	case raft.MsgAppend:
		var ok bool
		if p.entries, ok = r.log.between(m.Prev, m.Last); !ok {
			return
		}
	case raft.MsgImage:
		p.image = r.image()
		if m.Image != nil {
			p.image = &image{base: m.Image.Base, machine: c.check.machines[m.Image.Base.ID.Index]}
		}
		p.Image = &raft.ImageMeta{Base: p.image.base}
	}
	c.network = append(c.network, p)
}

// lost says whether a packet can't arrive.
func (c *cluster) lost(p *packet) bool {
	to := c.replica(p.To)
	return to == nil || to.core == nil || c.cut[link{p.From, p.To}] || c.lose != nil && c.lose(p)
}

// remove takes the packet at i off the network, keeping the order of the others.
func (c *cluster) remove(i int) packet {
	p := c.network[i]
	c.network = slices.Delete(c.network, i, i+1)
	return p
}

// arrive hands a packet to its receiver, or, if it is lost, to nobody; the sender of an image learns which.
func (c *cluster) arrive(p packet, lost bool) error {
	lost = lost || c.lost(&p)
	if from := c.replica(p.From); p.Type == raft.MsgImage && from.core != nil {
		defer from.core.ImageSent(p.To, p.image.base.ID, !lost)
	}
	if lost {
		return nil
	}
	to := c.replica(p.To)
	before := to.core.Status().Installing
	err := to.core.Step(p.Message, p.entries)
	if p.Type == raft.MsgImage && before != to.core.Status().Installing {
		to.received = p.image
	}
	return err
}

// crash stops a process: what was not synced is gone, but for what keep says: it is called for each output in order, and what
// it lets pass is on the disk all the same.
func (c *cluster) crash(r *replica, keep func(o *raft.Output) (kept raft.Output, more bool)) {
	for i := range r.unsynced {
		o, more := keep(&r.unsynced[i])
		r.disk.persist(&o)
		if !more {
			break
		}
	}
	r.core, r.unsynced = nil, nil
}

// loseAll is a power cut that keeps nothing.
func loseAll(*raft.Output) (raft.Output, bool) { return raft.Output{}, false }

// restart starts a process again.
func (c *cluster) restart(r *replica) error {
	c.check.restarted(r.id)
	return r.run()
}

// read asks a replica for a linearizable read, by ReadIndex or by ForwardRead.
func (c *cluster) read(r *replica, ask func(Core, raft.ReadID) error) (raft.ReadID, error) {
	r.reads++
	id := raft.ReadID{Boot: r.boot<<8 | uint64(slices.Index(c.replicas, r)), Counter: uint64(r.reads)}
	err := ask(r.core, id)
	if err == nil {
		c.check.asked[id] = c.check.highest()
	}
	return id, err
}

// leaseRead asks a replica for a read without a round, by its own clock, and checks what it gets.
func (c *cluster) leaseRead(r *replica, now raft.Monotonic) (raft.Index, bool, error) {
	index, ok := r.core.LeaseRead(now)
	if ok && index < c.check.highest() {
		return index, ok, fmt.Errorf("law 8: %s may serve a read at %d by its lease, but %d is committed", r.id, index, c.check.highest())
	}
	return index, ok, nil
}

// describe prints a message as scripts show it.
func describe(m *raft.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s->%s %s t%d", m.From, m.To, m.Type, m.Term)
	switch m.Type {
	case raft.MsgPreVote, raft.MsgVote:
		fmt.Fprintf(&b, " last=%s", m.Last)
		if m.Force {
			b.WriteString(" force")
		}
	case raft.MsgPreVoteResp, raft.MsgVoteResp:
		if !m.Reject {
			b.WriteString(" granted")
		}
	case raft.MsgAppend:
		fmt.Fprintf(&b, " (%s, %s] commit=%d", m.Prev, m.Last, m.Commit)
	case raft.MsgAppendResp:
		if m.Prev != (raft.EntryID{}) || !m.Reject {
			fmt.Fprintf(&b, " last=%s", m.Last)
		}
		if m.Prev != (raft.EntryID{}) {
			fmt.Fprintf(&b, " prev=%s hint=%s", m.Prev, m.Hint)
		}
	case raft.MsgHeartbeat:
		fmt.Fprintf(&b, " round=%d commit=%d", m.Round, m.Commit)
		b.WriteString(asks(m))
	case raft.MsgHeartbeatResp:
		fmt.Fprintf(&b, " round=%d last=%s", m.Round, m.Last)
		b.WriteString(asks(m))
	case raft.MsgRemoved:
		fmt.Fprintf(&b, " by=%s", m.Last)
	case raft.MsgReadIndex:
		fmt.Fprintf(&b, " %d", m.Read.Counter)
	case raft.MsgReadIndexResp:
		fmt.Fprintf(&b, " %d at=%d", m.Read.Counter, m.Commit)
	case raft.MsgImage:
		if m.Image != nil {
			fmt.Fprintf(&b, " base=%s", m.Image.Base.ID)
		}
	}
	if m.Reject {
		b.WriteString(" rejected")
	}
	return b.String()
}

// asks prints what else a heartbeat asks for, or its answer promises.
func asks(m *raft.Message) (text string) {
	if m.Lease > 0 {
		text = fmt.Sprintf(" lease=%s", m.Lease)
	}
	if m.Quiet {
		text += " quiet"
	}
	return text
}
