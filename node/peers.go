package node

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// peers is the loop that decides with whom this node talks: the members of the configurations in force of its groups, committed or not; the
// initial members until there is a group that knows better; who was invited; and who talks to it uncalled. It starts and ends
// links and tells the transport. A peer that nobody needs any more keeps its links for a while: the last commit, and the word that it was
// removed, have to reach it.
type peers struct {
	node *Node
	loop *Loop
	// table is replaced as a whole by the loop, and read by anyone.
	table atomic.Pointer[peerTable]
	// restless: something ends at a tick to come. Loop to ticker.
	restless atomic.Bool
	// unwanted holds the ticks at which links end. Loop only.
	unwanted map[raft.NodeID]uint64
}

// peerTable is an immutable view of a node's peers.
type peerTable struct {
	byID  map[raft.NodeID]*peer
	order []*peer // by id
	loops []*Loop // the links', in the order of the peers
}

// peer is another node: its links.
type peer struct {
	id            raft.NodeID
	address       string
	control, bulk *link
	// quit ends the links' goroutines.
	quit chan struct{}
	// heard is the tick at which something came from it last. Receiver to anyone.
	heard atomic.Uint64
	// dead: nothing has come from it for an ElectionTimeout. Ticker to anyone.
	dead atomic.Bool
}

// restTicks is how often the loop looks for links that are to end.
const restTicks = 16

func newPeers(n *Node) *peers {
	p := &peers{node: n, unwanted: map[raft.NodeID]uint64{}}
	p.loop = n.newLoop("peers", p.turn)
	p.table.Store(&peerTable{})
	return p
}

// grace is for how many ticks a peer keeps its links that nobody needs any more.
func (p *peers) grace() uint64 {
	return uint64(4 * p.node.opts.ElectionTimeout / p.node.opts.TickInterval)
}

// find is a peer, or nil. Any goroutine.
func (p *peers) find(id raft.NodeID) *peer { return p.table.Load().byID[id] }

// heard notes that something came from a node. Receiver.
func (p *peers) heard(id raft.NodeID) {
	now := p.node.ticks.Load()
	if x := p.find(id); x != nil {
		x.heard.Store(now)
	} else if p.node.met.called(id, now) {
		p.loop.notify()
	}
}

// turn makes the links be those that are wanted.
func (p *peers) turn() (more bool) {
	if p.node.transport == nil {
		return false
	}
	old, now := p.table.Load(), p.node.ticks.Load()
	wanted, more := p.wanted(now)
	for _, x := range old.order {
		if _, still := wanted[x.id]; still {
			delete(p.unwanted, x.id)
			continue
		}
		ends, known := p.unwanted[x.id]
		if !known {
			ends = now + p.grace()
			p.unwanted[x.id] = ends
		}
		if now < ends {
			wanted[x.id] = x.address
			continue
		}
		delete(p.unwanted, x.id)
	}
	p.restless.Store(more || len(p.unwanted) > 0)
	if !old.has(wanted) {
		p.replace(old, wanted)
	}
	return false
}

// has says whether the table is of just these addresses.
func (t *peerTable) has(addresses map[raft.NodeID]string) bool {
	if len(t.order) != len(addresses) {
		return false
	}
	for _, x := range t.order {
		if address, ok := addresses[x.id]; !ok || address != x.address {
			return false
		}
	}
	return true
}

// replace publishes the peers of these addresses, and starts and ends links.
func (p *peers) replace(old *peerTable, addresses map[raft.NodeID]string) {
	next := &peerTable{byID: map[raft.NodeID]*peer{}}
	for _, id := range slices.Sorted(maps.Keys(addresses)) {
		x := &peer{id: id, address: addresses[id]}
		if before := old.byID[id]; before != nil {
			x.control, x.bulk, x.quit = before.control, before.bulk, before.quit
			x.heard.Store(before.heard.Load())
			x.dead.Store(before.dead.Load())
		} else {
			x.control, x.bulk, x.quit = newLink(p.node, id, transport.Control), newLink(p.node, id, transport.Bulk), make(chan struct{})
			x.heard.Store(p.node.ticks.Load())
		}
		next.byID[id] = x
		next.order = append(next.order, x)
		next.loops = append(next.loops, x.control.loop, x.bulk.loop)
	}
	p.table.Store(next)
	p.node.transport.SetPeers(addresses)
	for _, x := range next.order {
		if old.byID[x.id] == nil && p.node.started {
			p.node.run(x.control.loop, x.quit)
			p.node.run(x.bulk.loop, x.quit)
		}
	}
	for _, x := range old.order {
		if next.byID[x.id] == nil {
			p.node.opts.Logger.Info("a node is no peer any more", "peer", x.id)
			close(x.quit)
		}
	}
}

// wanted are the addresses of those with whom this node has to talk. A member whose address groups give differently has that of
// the group with the lowest id. more: some of it ends with time.
func (p *peers) wanted(now uint64) (addresses map[raft.NodeID]string, more bool) {
	n := p.node
	members := map[raft.NodeID]string{}
	needy := len(n.replicas()) == 0 || !n.running.Load()
	for _, r := range n.replicas() {
		c := r.configuration.Load()
		needy = needy || len(c.Configuration.Members) == 0
		if !r.involved(c) {
			continue
		}
		for _, m := range c.Configuration.Members {
			if members[m.ID] == "" {
				members[m.ID] = n.addressOf(m)
			}
		}
	}
	if needy {
		for _, m := range n.opts.Peers {
			if members[m.ID] == "" {
				members[m.ID] = m.Address
			}
		}
	}
	addresses, more = n.met.strangers(members, now, p.grace(), func(id raft.NodeID) uint64 {
		if x := p.find(id); x != nil {
			return x.heard.Load()
		}
		return 0
	})
	for id, address := range members {
		if address == "" {
			address, _ = n.met.address(id)
		}
		if address != "" {
			addresses[id] = address
		}
	}
	delete(addresses, n.opts.ID)
	return addresses, more
}

// addressOf is where a member is reached. A configuration that was never changed says where the nodes were when the cluster began; what this
// process was told is newer.
func (n *Node) addressOf(m raft.Member) string {
	if m.Directory == [16]byte{} {
		for _, p := range n.opts.Peers {
			if p.ID == m.ID && p.Address != "" {
				return p.Address
			}
		}
	}
	return m.Address
}

// involved says whether the replica has anything to say to the members of the configuration in force: not once it knows that it is none.
func (r *replica) involved(c *raft.ConfigurationEntry) bool {
	if r.removed.Load() {
		return false
	}
	_, is := c.Configuration.Member(r.node.opts.ID)
	return is || c.ID.Index > raft.Index(r.commit.load())
}
