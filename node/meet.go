package node

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// met are the nodes that this process knows, and by which directory. What a process has met under an id it takes for that id as long
// as it runs, and what a configuration or a pin says is the only directory that it ever meets under it: so a vote or an acknowledgement that
// is counted for an id comes from one directory only (docs/adr/0005).
type met struct {
	mu sync.Mutex
	// nodes only grows. It begins with the pins.
	nodes map[raft.NodeID]meeting
	// invited are those that are dialed though no configuration names them, until a tick.
	invited map[raft.NodeID]invitation
	// callers are those that no configuration names and that talk to this node all the same, and the tick of their last word: whoever was removed
	// and does not know, or a leader that a replica which was away has never heard of.
	callers map[raft.NodeID]uint64
	// changed is closed at the next meeting or refusal.
	changed chan struct{}
	// refusals is the last reason for which a connection to or from an id was refused.
	refusals map[raft.NodeID]string
}

// meeting is what is known of a node.
type meeting struct {
	directory UUID
	// address is where it says that it is reached; it may be empty.
	address string
	// answered: it has answered a call of ours, and the control connection with it has not broken since.
	answered bool
	// format is the highest entry format that its last hello named; 0 when the control connection with it has broken since.
	format uint32
}

type invitation struct {
	address string
	until   uint64 // ticks
}

const (
	// maxMet bounds the nodes that a process remembers, maxInvited those that are invited at a time.
	maxMet     = 4096
	maxInvited = 64
	// inviteTicks is for how many ticks a node that was invited and not added is dialed.
	inviteTicks = 60_000
)

func newMet(id *Identity) *met {
	m := &met{nodes: map[raft.NodeID]meeting{}, invited: map[raft.NodeID]invitation{}, callers: map[raft.NodeID]uint64{},
		changed: make(chan struct{}), refusals: map[raft.NodeID]string{}}
	for _, p := range id.Pins {
		m.nodes[p.Node] = meeting{directory: p.Directory}
	}
	m.nodes[id.Node] = meeting{directory: id.Directory}
	return m
}

// directory is the one under which a node is known.
func (m *met) directory(id raft.NodeID) (UUID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, ok := m.nodes[id]
	return x.directory, ok
}

// lost forgets that a node has answered: what comes back under its id may be somebody else, who is refused. Any goroutine.
func (m *met) lost(id raft.NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if x, ok := m.nodes[id]; ok {
		x.answered = false
		m.nodes[id] = x
	}
}

// wake tells those who wait for a meeting. mu is held.
func (m *met) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// called notes a word of a node that is no peer, and reports whether it is the first for long. Any goroutine.
func (m *met) called(id raft.NodeID, tick uint64) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.callers[id]
	m.callers[id] = tick
	return !known
}

// Admit decides whether a node is the one that it says it is: the directory that a configuration in force here names for it, committed or not,
// or that was pinned, or that this process met first. The directory of a member, once met, is pinned durably. A node that nobody has
// heard of may talk to this one, as its configuration may be newer than any here; but not one that is new in a cluster that it means to begin.
func (v receiver) Admit(h transport.Hello, dialed bool) error {
	n := v.node
	if h.Newcomer && !n.joined && !n.initial(h.Node) {
		return fmt.Errorf("node %s is not a member of this cluster as %s knows it, and means to be one of its first: a node that is to be added later is started to join", h.Node, n.opts.ID)
	}
	n.identityMu.Lock()
	defer n.identityMu.Unlock()
	if err := n.recognise(h, false); err != nil {
		return err
	}
	if err := n.understands(h); err != nil {
		return err
	}
	if _, pinned := n.identity.pinned(h.Node); !pinned && n.member(h.Node) {
		next := n.identity.withPin(h.Node, UUID(h.Directory))
		if err := next.save(n.opts.FS, n.opts.Dir); err != nil {
			return fmt.Errorf("node %s could not record the directory of %s: %w", n.opts.ID, h.Node, err)
		}
		n.identity = next
	}
	if err := n.recognise(h, true); err != nil {
		return err
	}
	n.met.mu.Lock()
	defer n.met.mu.Unlock()
	x := n.met.nodes[h.Node]
	x.answered = x.answered || dialed
	n.met.nodes[h.Node] = x
	if dialed {
		n.met.wake()
	}
	return nil
}

// recognise says why a node can't be the one that it says it is, or, when meet is set, remembers it.
//
// It looks at the configurations and remembers under one lock; an owner that puts a configuration into force publishes it first and looks at
// who was met then (replica.distrust). So of a meeting and a configuration that contradict each other one sees the other.
func (n *Node) recognise(h transport.Hello, meet bool) error {
	directory := UUID(h.Directory)
	n.met.mu.Lock()
	defer n.met.mu.Unlock()
	known, ok := n.met.nodes[h.Node]
	if ok && known.directory != directory {
		return fmt.Errorf("node %s is known to %s by the directory %s and now comes with %s: its directory was wiped or replaced, or another node uses its name; "+
			"it may not take part under the old name, choose a new id", h.Node, n.opts.ID, known.directory, directory)
	}
	for _, r := range n.replicas() {
		m, ok := r.configuration.Load().Configuration.Member(h.Node)
		if ok && m.Directory != [16]byte{} && UUID(m.Directory) != directory {
			return fmt.Errorf("node %s is a member of group %q with the directory %s and comes with %s to %s: its directory was wiped or replaced, or another node uses its name; "+
				"it may not take part under the old name, choose a new id", h.Node, r.opts.Name, UUID(m.Directory), directory, n.opts.ID)
		}
	}
	if !ok && len(n.met.nodes) >= maxMet {
		return fmt.Errorf("node %s has met %d nodes and remembers no more: restart it", n.opts.ID, maxMet)
	}
	if meet {
		known.directory, known.format = directory, h.Format.Max
		if h.Address != "" {
			known.address = h.Address
		}
		n.met.nodes[h.Node] = known
	}
	return nil
}

// initial says whether a node is one of those with which this node's cluster began.
func (n *Node) initial(id raft.NodeID) bool {
	return !n.joined && slices.ContainsFunc(n.opts.Peers, func(p Peer) bool { return p.ID == id })
}

// member says whether a node is an initial member, or one in a configuration in force here.
func (n *Node) member(id raft.NodeID) bool {
	if n.initial(id) {
		return true
	}
	for _, r := range n.replicas() {
		if _, ok := r.configuration.Load().Configuration.Member(id); ok {
			return true
		}
	}
	return false
}

// Connected counts the peers that have admitted this node, until all initial members have.
func (v receiver) Connected(peer raft.NodeID, c transport.Class) {
	n := v.node
	n.opts.Logger.Debug("connected", "peer", peer, "class", c)
	if h := n.opts.Hooks.Connected; h != nil {
		h(peer)
	}
	n.identityMu.Lock()
	defer n.identityMu.Unlock()
	n.linksUp[peer] = true
	n.becomeAdmitted()
}

// becomeAdmitted lets the node take part when every other initial member has recognised it and that could be recorded. identityMu is held.
func (n *Node) becomeAdmitted() {
	if n.running.Load() {
		return
	}
	for _, p := range n.opts.Peers {
		if p.ID != n.opts.ID && !n.linksUp[p.ID] {
			return
		}
	}
	next := *n.identity
	next.Admitted = true
	if err := next.save(n.opts.FS, n.opts.Dir); err != nil {
		n.opts.Logger.Error("could not record that this node is admitted; it stays out and tries again", "err", err)
		return
	}
	n.identity = &next
	n.admit()
}

// Refused says why a handshake failed, once for each new reason.
func (v receiver) Refused(peer raft.NodeID, reason string) {
	m := v.node.met
	m.mu.Lock()
	repeated := m.refusals[peer] == reason
	if _, known := m.refusals[peer]; known || len(m.refusals) < maxMet {
		m.refusals[peer] = reason
	}
	m.wake()
	m.mu.Unlock()
	if !repeated {
		v.node.opts.Logger.Warn("connection refused", "peer", peer, "reason", reason)
	}
}

// address is where a node says that it is reached.
func (m *met) address(id raft.NodeID) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x, ok := m.nodes[id]
	return x.address, ok && x.address != ""
}

// strangers are the nodes that are dialed though they are no members, by address: those invited, and those that call. Who is a member by now, or
// has been silent for long, is forgotten; heard gives the tick of a peer's last word. more: some are left, to be looked at again.
func (m *met) strangers(members map[raft.NodeID]string, now, grace uint64, heard func(raft.NodeID) uint64) (addresses map[raft.NodeID]string, more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	addresses = map[raft.NodeID]string{}
	maps.DeleteFunc(m.callers, func(id raft.NodeID, last uint64) bool { return members[id] != "" || max(last, heard(id))+grace <= now })
	maps.DeleteFunc(m.invited, func(id raft.NodeID, x invitation) bool { return members[id] != "" || x.until <= now })
	for id := range m.callers {
		if x := m.nodes[id]; x.address != "" {
			addresses[id] = x.address
		}
	}
	for id, x := range m.invited {
		addresses[id] = x.address
	}
	return addresses, len(addresses) > 0
}
