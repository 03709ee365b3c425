package transport

import (
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Network connects the nodes of one process, for tests on goroutines. A link has a bounded queue; frames are copied.
// All methods may be called from any goroutine.
type Network struct {
	mu sync.Mutex
	// guarded by mu:
	random *rand.Rand
	loss   float64
	nodes  map[raft.NodeID]*memory
	cuts   map[direction]bool
	pipes  map[*pipe]struct{}
	// changed is closed, and replaced, when a link that could not be made may now be possible.
	changed chan struct{}
}

// NewNetwork makes a network without nodes.
func NewNetwork() *Network {
	return &Network{
		random:  rand.New(rand.NewPCG(1, 0)),
		nodes:   make(map[raft.NodeID]*memory),
		cuts:    make(map[direction]bool),
		pipes:   make(map[*pipe]struct{}),
		changed: make(chan struct{}),
	}
}

// Transport makes a transport for a node. The node is on the network from Start to Close; then its id may be used again.
func (n *Network) Transport(id raft.NodeID) Transport { return newMemory(n, id) }

// SetLoss loses each frame with a probability from 0 to 1, drawn from seed, without breaking its link.
func (n *Network) SetLoss(probability float64, seed uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss, n.random = probability, rand.New(rand.NewPCG(seed, 0))
}

// Cut loses every frame from one node to another, those on the way too, and lets neither dial the other. Links stay up; Break
// breaks them.
func (n *Network) Cut(from, to raft.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[direction{from, to}] = true
}

// Heal undoes Cut.
func (n *Network) Heal(from, to raft.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cuts, direction{from, to})
	n.wake()
}

// HealAll undoes every Cut.
func (n *Network) HealAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cuts)
	n.wake()
}

// Break breaks the links between two nodes, in both directions: frames on the way are lost, and both are told. The links come
// up again unless there is a cut.
func (n *Network) Break(a, b raft.NodeID) {
	err := errors.New("transport: the link was broken")
	n.breakPipes(err, func(p *pipe) bool {
		return p.from.id == a && p.to.id == b || p.from.id == b && p.to.id == a
	})
}

func (n *Network) breakPipes(err error, chosen func(*pipe) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.pipes {
		if chosen(p) {
			p.fail(err)
		}
	}
}

// wake lets waiting links try again. The caller holds mu.
func (n *Network) wake() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// reach gives the node at an address when it can be dialed now, and a channel that is closed when that may have changed.
func (n *Network) reach(from raft.NodeID, address string) (*memory, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	to := n.nodes[memoryTarget(address)]
	if to == nil || n.cuts[direction{from, to.id}] || n.cuts[direction{to.id, from}] {
		return nil, n.changed
	}
	return to, n.changed
}

// loses decides the fate of a frame that is sent or, with inFlight set, that is about to arrive.
func (n *Network) loses(from, to raft.NodeID, inFlight bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cuts[direction{from, to}] || !inFlight && n.loss > 0 && n.random.Float64() < n.loss
}

// enter puts a node on the network; it fails when its id is there already.
func (n *Network) enter(m *memory) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nodes[m.id] != nil {
		return false
	}
	n.nodes[m.id] = m
	n.wake()
	return true
}

// leave takes a node off the network and breaks its links.
func (n *Network) leave(m *memory) {
	n.mu.Lock()
	if n.nodes[m.id] == m {
		delete(n.nodes, m.id)
	}
	n.mu.Unlock()
	n.breakPipes(errors.New("transport: the node is gone"), func(p *pipe) bool { return p.from == m || p.to == m })
}

func (n *Network) add(p *pipe) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pipes[p] = struct{}{}
}

func (n *Network) remove(p *pipe) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pipes, p)
}
