package transport

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// ManualFaults are what a ManualNetwork does to frames that are due, each with a probability from 0 to 1.
type ManualFaults struct {
	// Drop loses a frame without breaking its link.
	Drop float64
	// Duplicate delivers a frame and leaves it on its link, to be delivered again.
	Duplicate float64
}

// Waiting says how many frames wait on a link.
type Waiting struct {
	From, To raft.NodeID
	Class    Class
	Frames   int
}

// manualQueueBytes bounds what waits on one link of a ManualNetwork.
const manualQueueBytes = 64 << 20

// errStalled is why a link breaks whose peer takes nothing.
var errStalled = errors.New("transport: the peer took nothing and too much is waiting for it")

// ManualNetwork connects nodes on one goroutine: Send only puts frames on a link, and the caller decides which link is
// next, by hand or by a seed. With the same seed and the same calls the same happens. Frames of one link stay in order.
//
// It has no goroutine, lock or clock; it and its transports belong to one goroutine. Nothing is dialed before Dial is called.
// A handler may call Send and Disconnect, and nothing else of the network or its transports.
type ManualNetwork struct {
	random *rand.Rand
	faults [Image + 1]ManualFaults
	nodes  map[raft.NodeID]*manual
	// links are those that are up, sorted by from, to and class.
	links []*manualLink
	cuts  map[direction]bool
	holds map[direction]bool
	// classHolds are the directions in which one class waits.
	classHolds map[classDirection]bool
	// idle: the last Dial left no link out that another could bring up, and nothing has changed since.
	idle bool
	// now is the time, and delay how long a frame travels; nil: no time.
	now   time.Duration
	delay func(from, to raft.NodeID, c Class) time.Duration
}

// manualLink is a link that is up.
type manualLink struct {
	from, to *manual
	class    Class
	waiting  []travelling
	bytes    int
	held     bool // frames wait until the direction is released
}

// travelling is a frame on its way, and when it arrives.
type travelling struct {
	parcel
	due time.Duration
}

// NewManualNetwork makes a network whose choices are drawn from seed.
func NewManualNetwork(seed uint64) *ManualNetwork {
	return &ManualNetwork{
		random: rand.New(rand.NewPCG(seed, 0)),
		nodes:  make(map[raft.NodeID]*manual),
		cuts:   make(map[direction]bool),
		holds:  make(map[direction]bool),

		classHolds: make(map[classDirection]bool),
	}
}

// Transport makes a transport for a node. The node is on the network from Start to Close; then its id may be used again.
func (n *ManualNetwork) Transport(id raft.NodeID) Transport {
	return &manual{network: n, id: id, up: make(map[linkKey]*manualLink)}
}

// SetFaults says what happens to frames from now on.
func (n *ManualNetwork) SetFaults(f ManualFaults) {
	for i := range n.faults {
		n.faults[i] = f
	}
}

// SetClassFaults is SetFaults for the frames of one class.
func (n *ManualNetwork) SetClassFaults(c Class, f ManualFaults) { n.faults[c] = f }

// SetDelay says how long each frame that is sent from now on travels. Frames of one link stay in order, so one may wait for the one before it.
// The caller moves the time by SetNow.
func (n *ManualNetwork) SetDelay(delay func(from, to raft.NodeID, c Class) time.Duration) {
	n.delay = delay
}

// SetNow says what time it is. It never goes back.
func (n *ManualNetwork) SetNow(now time.Duration) { n.now = now }

// Cut loses every frame from one node to another, those on the way too, and lets neither dial the other. Links stay up.
func (n *ManualNetwork) Cut(from, to raft.NodeID) { n.cuts[direction{from, to}] = true }

// Heal undoes Cut.
func (n *ManualNetwork) Heal(from, to raft.NodeID) {
	delete(n.cuts, direction{from, to})
	n.idle = false
}

// Hold makes every frame from one node to another wait until Release, as a connection does whose packets are lost and sent again; neither can
// dial the other meanwhile. Links stay up.
func (n *ManualNetwork) Hold(from, to raft.NodeID) { n.hold(from, to, true) }

// Release undoes Hold.
func (n *ManualNetwork) Release(from, to raft.NodeID) { n.hold(from, to, false) }

func (n *ManualNetwork) hold(from, to raft.NodeID, held bool) {
	if held {
		n.holds[direction{from, to}] = true
	} else {
		delete(n.holds, direction{from, to})
		n.idle = false
	}
	n.markHeld()
}

// HoldClass is Hold for the frames of one class, whose connection is another one.
func (n *ManualNetwork) HoldClass(from, to raft.NodeID, c Class) {
	n.classHolds[classDirection{direction{from, to}, c}] = true
	n.markHeld()
}

// ReleaseClass undoes HoldClass.
func (n *ManualNetwork) ReleaseClass(from, to raft.NodeID, c Class) {
	delete(n.classHolds, classDirection{direction{from, to}, c})
	n.idle = false
	n.markHeld()
}

// classDirection is a direction and a class of frames.
type classDirection struct {
	direction
	class Class
}

// isHeld says that the frames of a class wait in a direction.
func (n *ManualNetwork) isHeld(from, to raft.NodeID, c Class) bool {
	d := direction{from, to}
	return n.holds[d] || n.classHolds[classDirection{d, c}]
}

func (n *ManualNetwork) markHeld() {
	for _, l := range n.links {
		l.held = n.isHeld(l.from.id, l.to.id, l.class)
	}
}

// HealAll undoes every Cut, Hold and HoldClass.
func (n *ManualNetwork) HealAll() {
	clear(n.cuts)
	clear(n.holds)
	clear(n.classHolds)
	n.idle = false
	n.markHeld()
}

// Break breaks the links between two nodes, in both directions: frames on the way are lost, and both are told.
func (n *ManualNetwork) Break(a, b raft.NodeID) {
	n.breakLinks(errors.New("transport: the link was broken"), func(l *manualLink) bool {
		return l.from.id == a && l.to.id == b || l.from.id == b && l.to.id == a
	})
}

// Reset breaks one link: the frames on the way on it are lost, and both ends are told. It reports whether there was one.
func (n *ManualNetwork) Reset(from, to raft.NodeID, c Class) bool {
	found := false
	n.breakLinks(errors.New("transport: the connection was reset"), func(l *manualLink) bool {
		chosen := l.from.id == from && l.to.id == to && l.class == c
		found = found || chosen
		return chosen
	})
	return found
}

// breakLinks breaks the links that are chosen and tells both sides of each.
func (n *ManualNetwork) breakLinks(err error, chosen func(*manualLink) bool) {
	var broken []*manualLink
	kept := n.links[:0:0]
	for _, l := range n.links {
		if chosen(l) {
			broken = append(broken, l)
		} else {
			kept = append(kept, l)
		}
	}
	n.links = kept
	n.idle = n.idle && len(broken) == 0
	for _, l := range broken {
		delete(l.from.up, linkKey{l.to.id, l.class})
	}
	for _, l := range broken {
		l.from.disconnected(l.to.id, l.class, err)
		l.to.disconnected(l.from.id, l.class, err)
	}
}

// Dial tries every link that is wanted and not up, in the order of ids and classes, and returns how many came up.
func (n *ManualNetwork) Dial() int {
	if n.idle {
		return 0
	}
	up := 0
	n.idle = true
	for _, id := range sortedIDs(n.nodes) {
		from := n.nodes[id]
		for _, peer := range sortedIDs(from.peers) {
			for _, class := range Classes {
				if peer != id && n.dial(from, linkKey{peer, class}) {
					up++
				}
			}
		}
	}
	return up
}

func (n *ManualNetwork) dial(from *manual, key linkKey) bool {
	to := n.nodes[memoryTarget(from.peers[key.peer])]
	if to == nil || from.up[key] != nil || n.severed(direction{from.id, to.id}) || n.severed(direction{to.id, from.id}) ||
		n.isHeld(from.id, to.id, key.class) {
		return false
	}
	if !introduce(from.party, to.party, key) {
		n.idle = false // it may be let in another time
		return false
	}
	l := &manualLink{from: from, to: to, class: key.class, held: n.isHeld(from.id, to.id, key.class)}
	from.up[key] = l
	n.links = append(n.links, l)
	slices.SortFunc(n.links, func(a, b *manualLink) int {
		return cmp.Or(cmp.Compare(a.from.id, b.from.id), cmp.Compare(a.to.id, b.to.id), cmp.Compare(a.class, b.class))
	})
	from.handler.Connected(key.peer, key.class)
	return true
}

// severed says that nothing gets through in a direction.
func (n *ManualNetwork) severed(d direction) bool { return n.cuts[d] || n.holds[d] }

// busy gives the i-th link on which frames wait, or nil when there are no more than i, and how many it counted.
func (n *ManualNetwork) busy(i int) (l *manualLink, count int) {
	for _, l := range n.links {
		if len(l.waiting) == 0 || l.held {
			continue
		}
		if count == i {
			return l, count
		}
		count++
	}
	return nil, count
}

// Pending is the number of frames that wait.
func (n *ManualNetwork) Pending() int {
	pending := 0
	for _, l := range n.links {
		pending += len(l.waiting)
	}
	return pending
}

// Waiting gives the links on which frames wait that are not held, sorted by sender, receiver and class.
func (n *ManualNetwork) Waiting() []Waiting {
	var waiting []Waiting
	for _, l := range n.links {
		if len(l.waiting) > 0 && !l.held {
			waiting = append(waiting, Waiting{From: l.from.id, To: l.to.id, Class: l.class, Frames: len(l.waiting)})
		}
	}
	return waiting
}

// Step delivers, or loses, the first frame of a link drawn from the seed. It returns false when no frame waits.
func (n *ManualNetwork) Step() bool {
	_, count := n.busy(-1)
	if count == 0 {
		return false
	}
	l, _ := n.busy(n.random.IntN(count))
	n.deliver(l)
	return true
}

// DeliverNext delivers, or loses, the first frame of the i-th link of Waiting.
func (n *ManualNetwork) DeliverNext(i int) error {
	l, count := n.busy(i)
	if l == nil {
		return fmt.Errorf("transport: expected one of %d links with frames waiting, found %d", count, i)
	}
	n.deliver(l)
	return nil
}

// Ripe counts the links whose first frame has arrived by now, and gives the earliest time at which another's will; ok is false when there is none.
func (n *ManualNetwork) Ripe() (count int, next time.Duration, ok bool) {
	for _, l := range n.links {
		switch {
		case len(l.waiting) == 0 || l.held:
		case l.waiting[0].due <= n.now:
			count++
		case !ok || l.waiting[0].due < next:
			next, ok = l.waiting[0].due, true
		}
	}
	return count, next, ok
}

// DeliverRipe delivers, or loses, the first frame of the i-th link that Ripe counts, and says which link that was and how many bytes the
// frame had.
func (n *ManualNetwork) DeliverRipe(i int) (w Waiting, bytes int) {
	for _, l := range n.links {
		if len(l.waiting) == 0 || l.held || l.waiting[0].due > n.now {
			continue
		}
		if i > 0 {
			i--
			continue
		}
		w, bytes = Waiting{From: l.from.id, To: l.to.id, Class: l.class, Frames: len(l.waiting)}, l.waiting[0].bytes()
		n.deliver(l)
		break
	}
	return w, bytes
}

// Flush delivers up to limit frames of each link of a node to its peers, whenever they were due: what a dying node has handed to the network
// arrives all the same.
func (n *ManualNetwork) Flush(from raft.NodeID, limit func(to raft.NodeID, c Class, waiting int) int) {
	for _, l := range slices.Clone(n.links) {
		if l.from.id != from || l.held {
			continue
		}
		for k := limit(l.to.id, l.class, len(l.waiting)); k > 0 && len(l.waiting) > 0 && l.from.up[linkKey{l.to.id, l.class}] == l; k-- {
			n.deliver(l)
		}
	}
}

func (n *ManualNetwork) deliver(l *manualLink) {
	p := l.waiting[0].parcel
	faults := &n.faults[l.class]
	dropped := n.cuts[direction{l.from.id, l.to.id}] || n.draw(faults.Drop)
	if !dropped && n.draw(faults.Duplicate) {
		p = copyParcel(p)
	} else {
		l.waiting[0] = travelling{}
		l.waiting = l.waiting[1:]
		l.bytes -= p.bytes()
	}
	if !dropped {
		l.to.handler.Receive(l.from.id, l.class, p.kind, p.head, p.body)
	}
}

// draw is true with probability p. A fault that is off draws nothing, so that it changes nothing.
func (n *ManualNetwork) draw(p float64) bool { return p > 0 && n.random.Float64() < p }

func sortedIDs[V any](m map[raft.NodeID]V) []raft.NodeID {
	ids := make([]raft.NodeID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// manual is a node's transport on a ManualNetwork.
type manual struct {
	party
	network *ManualNetwork
	id      raft.NodeID
	peers   map[raft.NodeID]string
	up      map[linkKey]*manualLink
	closed  bool
}

var _ Transport = (*manual)(nil)

func (m *manual) Start(hello Hello, handler Handler) error {
	hello, err := prepareHello(hello, handler)
	switch {
	case err != nil:
		return err
	case m.closed:
		return ErrClosed
	case hello.Node != m.id:
		return fmt.Errorf("%w: expected node %s, found %s", ErrHello, m.id, hello.Node)
	case m.network.nodes[m.id] != nil:
		return fmt.Errorf("transport: expected no node %s on the network, found one", m.id)
	}
	m.party = party{hello, handler}
	m.network.nodes[m.id] = m
	m.network.idle = false
	return nil
}

func (m *manual) SetPeers(peers map[raft.NodeID]string) {
	m.network.idle = false
	old := m.peers
	m.peers = make(map[raft.NodeID]string, len(peers))
	for id, address := range peers {
		m.peers[id] = address
	}
	m.network.breakLinks(ErrRemoved, func(l *manualLink) bool {
		return l.from == m && m.peers[l.to.id] != old[l.to.id]
	})
}

func (m *manual) Send(to raft.NodeID, c Class, frames []Frame) error {
	if m.closed {
		return ErrClosed
	}
	l := m.up[linkKey{to, c}]
	if l == nil {
		return ErrNotConnected
	}
	parcels, bytes, err := packAll(frames)
	if err != nil {
		return err
	}
	if l.bytes+bytes > manualQueueBytes {
		m.network.breakLinks(errStalled, func(other *manualLink) bool { return other == l })
		return errStalled
	}
	for _, p := range parcels {
		l.waiting = append(l.waiting, travelling{p, m.network.arrival(l)})
	}
	l.bytes += bytes
	return nil
}

// arrival draws when a frame that is sent now arrives.
func (n *ManualNetwork) arrival(l *manualLink) time.Duration {
	if n.delay == nil {
		return n.now
	}
	due := n.now + n.delay(l.from.id, l.to.id, l.class)
	if last := len(l.waiting); last > 0 {
		due = max(due, l.waiting[last-1].due)
	}
	return due
}

func (m *manual) Disconnect(peer raft.NodeID, c Class, err error) {
	m.network.breakLinks(err, func(l *manualLink) bool { return l.to == m && l.from.id == peer && l.class == c })
}

func (m *manual) Addr() string { return memoryAddress(m.id) }

// Close takes the node off the network. Its peers are told.
func (m *manual) Close() error {
	if m.closed {
		return nil
	}
	m.closed = true
	if m.network.nodes[m.id] == m {
		delete(m.network.nodes, m.id)
	}
	m.network.breakLinks(fmt.Errorf("transport: %s is gone", m.id), func(l *manualLink) bool { return l.from == m || l.to == m })
	return nil
}

func (m *manual) disconnected(peer raft.NodeID, c Class, err error) {
	if !m.closed {
		m.handler.Disconnected(peer, c, err)
	}
}
