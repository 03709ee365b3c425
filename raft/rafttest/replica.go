package rafttest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"github.com/ledgerkv/ledgerkv/raft"
)

// machine is the state that applied entries lead to: a digest of all of them.
type machine struct {
	index  raft.Index
	digest uint64
}

// apply takes the next entry.
func (m *machine) apply(e *raft.Entry) {
	h := fnv.New64a()
	var head [25]byte
	binary.LittleEndian.PutUint64(head[:], m.digest)
	binary.LittleEndian.PutUint64(head[8:], uint64(e.ID.Index))
	binary.LittleEndian.PutUint64(head[16:], uint64(e.ID.Term))
	head[24] = byte(e.Kind)
	h.Write(head[:])
	h.Write(e.Body)
	m.index, m.digest = e.ID.Index, h.Sum64()
}

// image is a base and the machine's state there.
type image struct {
	base    raft.Base
	machine machine
}

// disk is what survives a crash.
type disk struct {
	state raft.HardState
	log   ledger
	// machine is the state at log.base.
	machine machine
}

// replica is one process with its disk.
type replica struct {
	id   raft.NodeID
	cfg  raft.Config
	disk disk
	// start makes the core, which is nil while the process is down; the rest is then meaningless.
	start start
	core  Core
	boot  uint64
	clock raft.Monotonic
	// log is the disk's and everything written since; machine has applied it up to the synced part of the commit index.
	log     ledger
	machine machine
	// unsynced holds the outputs that were taken and are not durable yet, in order.
	unsynced []raft.Output
	commit   raft.Index
	// synced is the last entry of log that is durable.
	synced raft.Index
	// received is the image that the core was told of last; installable says that everything before it is durable.
	received    *image
	installable bool
	reads       int
	// stalled: a script's settle leaves the disk alone.
	stalled bool
}

// run starts the process: it makes a core from what the disk holds.
func (r *replica) run() error {
	r.boot++
	if last := r.disk.log.last().Term; last > r.disk.state.Term {
		// The entries survived a crash and the hard state didn't. There was no vote in the term: it would have waited.
		r.disk.state = raft.HardState{Term: last}
	}
	cfg := r.cfg
	cfg.Boot = r.boot
	core, err := r.start(cfg, r.disk.log.restart(r.disk.state), r.disk.log.entries)
	if err != nil {
		return fmt.Errorf("%s can't start from its own disk: %w", r.id, err)
	}
	r.core, r.log, r.machine, r.unsynced = core, r.disk.log.clone(), r.disk.machine, nil
	r.commit, r.synced, r.received, r.installable = r.log.base.ID.Index, r.log.last().Index, nil, false
	core.Tick(r.clock)
	return nil
}

// take takes an output and writes what it asks for, without a sync.
func (r *replica) take() raft.Output {
	o := r.core.Output()
	r.log.write(o.Truncate, o.Append)
	if o.Truncate != 0 {
		r.synced = min(r.synced, o.Truncate-1)
	}
	r.commit = o.Commit
	r.unsynced = append(r.unsynced, o)
	return o
}

// persist brings an output to the disk.
func (d *disk) persist(o *raft.Output) {
	if o.State != nil {
		d.state = *o.State
	}
	d.log.write(o.Truncate, o.Append)
}

// sync makes the n oldest outputs durable and gives them back.
func (r *replica) sync(n int) []raft.Output {
	done := r.unsynced[:n:n]
	r.unsynced = r.unsynced[n:]
	for i := range done {
		r.disk.persist(&done[i])
	}
	if n > 0 {
		r.synced = r.agreement()
		r.core.Synced(done[n-1].Seq)
	}
	return done
}

// agreement is the last entry that log and disk share.
func (r *replica) agreement() raft.Index {
	i := min(r.log.last().Index, r.disk.log.last().Index)
	for {
		a, ok := r.log.id(i)
		if b, _ := r.disk.log.id(i); !ok || a == b {
			return i
		}
		i--
	}
}

// install carries out Output.Install, once everything before it is durable, and tells the core.
func (r *replica) install() {
	if !r.installable {
		return
	}
	img := r.received
	r.received, r.installable = nil, false
	r.log = ledger{base: img.base}
	r.disk.log, r.disk.machine = r.log.clone(), img.machine
	r.machine, r.commit, r.synced = img.machine, img.base.ID.Index, img.base.ID.Index
	r.core.Installed(img.base, true)
}

// failInstall tells the core that the image it asked for could not be installed.
func (r *replica) failInstall() {
	r.core.Installed(r.received.base, false)
	r.received, r.installable = nil, false
}

// compact removes the log up to i, which is applied.
func (r *replica) compact(i raft.Index, at machine) {
	b := r.log.baseAt(i)
	r.log.compact(b)
	r.disk.log.compact(b)
	r.disk.machine = at
	r.core.Compacted(b)
}

// image is the replica's state at its applied index.
func (r *replica) image() *image {
	return &image{base: r.log.baseAt(r.machine.index), machine: r.machine}
}
