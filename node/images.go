package node

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
	"github.com/ledgerkv/ledgerkv/statemachine"
)

// imageState is what a replica has to do with images.
type imageState struct {
	// store holds this replica's images; nil in a log-only group.
	store *snapshot.Store
	// current is the machine in force, nil in a log-only group; an empty one, which serves nobody, while lost says so. The applier replaces it, and the
	// images loop one that is lost; any goroutine reads it.
	current atomic.Pointer[current]
	// making: an image is being written. wanted: one is needed though none is due.
	making, wanted atomic.Bool
	// notBefore is a time before which no image is begun, as one came to nothing: a raft.Monotonic.
	notBefore atomic.Int64
	// installing: an image is being installed. The owner sets it, whoever ends the installation takes it back.
	installing atomic.Bool
	// sending is the lowest index of the images on their way to peers, 0 when there is none. Images loop.
	sending atomic.Uint64
	// swap is an installed image that waits for the applier to take it over.
	swap atomic.Pointer[swap]
	// lost says that the machine's state is gone, nil while all is well. It is set when the replica is opened; the applier takes it back.
	lost atomic.Pointer[lost]
	// last is where the newest image ends, for the triggers and for retention; nil when there is none. Any goroutine.
	last atomic.Pointer[imageEnd]
}

type current struct{ machine statemachine.Machine }

// images is the loop that makes, sends, fetches and installs images, a step at a time.
type images struct {
	node    *Node
	loop    *Loop
	offers  *snapshot.Offers
	fetches *snapshot.Fetches

	// due is when the loop has something to do unasked: a raft.Monotonic. Loop to ticker.
	due atomic.Int64

	mu     sync.Mutex
	events []func() // bounded by what can be under way: a few for each group and peer, and the frames of the fetch windows

	// Images loop only from here on.
	makings []*making
	// fillings are the machines that are being filled from images.
	fillings []*filling
	// needings are the replicas that have lost their machine's state.
	needings []*needing
	// offered is what is on its way, or has arrived a moment ago, in the order of offering.
	offered []offered
	// delayed are failures of which the cores are not told yet.
	delayed []delayed
	// outgoing and incoming are when the transfers want the next turn; 0 where they don't. unsent: a frame did not leave, and they have not said yet
	// what becomes of that.
	outgoing, incoming raft.Monotonic
	unsent             bool
	// closing: nothing is begun any more.
	closing bool
}

// failurePause is how long a core is kept from asking again after something that came to nothing: the making, the sending or the installation of an
// image. It would ask at the next heartbeat, and each attempt may read or write all of it.
const failurePause = time.Second

// delayed is something that a core is told in a while.
type delayed struct {
	replica *replica
	until   raft.Monotonic
	// offer: an image that could not be sent.
	offer bool
	tell  func(*replica)
}

type offered struct {
	peer  raft.NodeID
	group raft.GroupID
	index raft.Index
	// until is when the log above an image that has arrived need not be kept for the peer any longer; 0 while it is on its way.
	until raft.Monotonic
}

// catchUpTime is how long the log above an image that a peer has got is kept for it: it installs the image and fetches what follows. Without
// that, a log that is trimmed as fast as it is written would send the peer for another image, again and again.
const catchUpTime = 10 * time.Second

// making is an image that is being written.
type making struct {
	replica *replica
	machine statemachine.Machine
	image   statemachine.Image
	writer  *snapshot.Writer
}

func newImages(n *Node) *images {
	m := &images{node: n}
	m.offers = snapshot.NewOffers(snapshot.OffersOptions{Boot: n.boot, BytesPerSecond: uint64(n.opts.ImageBytesPerSecond)})
	m.fetches = snapshot.NewFetches(snapshot.FetchesOptions{}, m.target)
	m.loop = n.newLoop("images", m.turn)
	return m
}

// post runs f on the images loop, some time later. Any goroutine.
func (m *images) post(f func()) {
	m.mu.Lock()
	m.events = append(m.events, f)
	m.mu.Unlock()
	m.loop.notify()
}

// turn takes in what has happened, goes on with each image that is being made or installed, and sends what is due.
func (m *images) turn() (more bool) {
	m.takeEvents()
	for i := 0; i < len(m.makings); {
		if m.advance(m.makings[i]) {
			i++
		} else {
			m.makings = append(m.makings[:i], m.makings[i+1:]...)
		}
	}
	m.fill()
	now := m.node.opts.Clock.Monotonic()
	m.tellDelayed(now)
	m.release(now)
	m.askAround(now)
	m.unsent = false
	again := m.serve(now)
	m.due.Store(int64(m.nextDue()))
	return len(m.makings)+len(m.fillings) > 0 || again
}

// nextDue is when there is something to do unasked.
func (m *images) nextDue() raft.Monotonic {
	if m.unsent || len(m.needings) > 0 {
		return 0 // at the next tick
	}
	at := raft.Forever
	for _, wake := range []raft.Monotonic{m.outgoing, m.incoming} {
		if wake != 0 {
			at = min(at, wake)
		}
	}
	for i := range m.delayed {
		at = min(at, m.delayed[i].until)
	}
	for i := range m.offered {
		if until := m.offered[i].until; until != 0 {
			at = min(at, until)
		}
	}
	return at
}

// tick wakes the loop when something is due. Ticker.
func (m *images) tick(now raft.Monotonic) {
	if int64(now) >= m.due.Load() {
		m.loop.notify()
	}
}

// takeEvents runs what has been posted, and reports whether that was anything.
func (m *images) takeEvents() bool {
	m.mu.Lock()
	events := m.events
	m.events = nil
	m.mu.Unlock()
	for _, f := range events {
		f()
	}
	return len(events) > 0
}

// later tells a core of a failure after a pause.
func (m *images) later(r *replica, offer bool, tell func(*replica)) {
	m.delayed = append(m.delayed, delayed{r, m.node.opts.Clock.Monotonic().Add(failurePause), offer, tell})
}

// tellDelayed tells the cores whose pause is over.
func (m *images) tellDelayed(now raft.Monotonic) {
	m.delayed = slices.DeleteFunc(m.delayed, func(d delayed) bool {
		if now < d.until {
			return false
		}
		d.replica.tell(d.tell)
		return true
	})
}

// serve sends and takes in what the transfers under way call for.
func (m *images) serve(now raft.Monotonic) (more bool) {
	out := m.offers.Turn(now)
	for _, s := range out.Sent {
		m.sent(s)
	}
	in := m.fetches.Turn(now)
	for _, a := range in.Arrived {
		m.arrived(a)
	}
	for _, f := range in.Failed {
		m.node.opts.Logger.Warn("an image from a peer came to nothing", "peer", f.From, "image", f.Meta, "err", f.Err)
	}
	for _, f := range append(out.Frames, in.Frames...) {
		m.sendImages(f)
	}
	m.outgoing, m.incoming = out.Wake, in.Wake
	return len(out.Frames) > 0 && out.Wake != 0 && out.Wake <= now
}

// target tells the receiving side where a group's images go.
func (m *images) target(group raft.GroupID) (snapshot.Target, bool) {
	r := m.node.replica(group)
	if r == nil || r.failed() {
		return snapshot.Target{}, false
	}
	return snapshot.Target{Identity: r.imageIdentity(), Store: r.images.store}, true
}

// receive hands a peer's frame to the side that it is for. Receiver.
func (m *images) receive(from raft.NodeID, head, body []byte) {
	m.post(func() {
		now := m.node.opts.Clock.Monotonic()
		group, least, asked, err := snapshot.Asked(head)
		switch {
		case asked && err == nil:
			m.asked(from, group, least)
		case asked:
		case snapshot.ForOffers(head):
			err = m.offers.Handle(now, from, head)
		default:
			err = m.fetches.Handle(now, from, head, body)
		}
		if err != nil {
			m.node.opts.Logger.Warn("dropped an image frame that could not be understood", "peer", from, "err", err)
		}
	})
}

// disconnected gives up what was on its way to and from a peer. Receiver.
func (m *images) disconnected(peer raft.NodeID) {
	m.post(func() {
		m.offers.Unreachable(peer)
		m.fetches.Unreachable(peer)
	})
}

// offer begins to send a peer the newest image, or, in a log-only group, the base. Any loop.
func (m *images) offer(r *replica, to raft.NodeID) {
	m.post(func() {
		o, err := r.newOffer(to)
		if err != nil {
			if !errors.Is(err, errNoImage) {
				r.log.Warn("no image to send", "peer", to, "err", err)
			}
			r.images.wanted.Store(true)
			m.node.applier.work.add(r)
			m.later(r, true, func(r *replica) { r.core.ImageSent(to, raft.EntryID{}, false) })
			return
		}
		m.offered = append(m.offered, offered{peer: to, group: r.opts.ID, index: o.Meta.Base.ID.Index})
		m.noteSending(r)
		m.offers.Offer(o)
	})
}

var errNoImage = errors.New("there is no image at or above the base yet; one is being made")

func (r *replica) newOffer(to raft.NodeID) (snapshot.Offer, error) {
	base, term := r.ledger.Base(), r.roles.load().Term
	o := snapshot.Offer{Peer: to, Term: term}
	if r.images.store == nil {
		o.Meta = snapshot.BaseOnly(r.imageIdentity(), base)
		return o, nil
	}
	meta, ok := r.images.store.Newest()
	if !ok || meta.Base.ID.Index < base.ID.Index {
		return o, errNoImage
	}
	source, err := r.images.store.Open(meta)
	if err != nil {
		return o, err
	}
	o.Meta, o.Source = meta, source
	return o, nil
}

// sent ends an offer.
func (m *images) sent(s snapshot.Sent) {
	r := m.node.replica(s.Group)
	i := slices.IndexFunc(m.offered, func(o offered) bool { return o.peer == s.Peer && o.group == s.Group && o.until == 0 })
	if s.Err != nil {
		if i >= 0 {
			m.offered = slices.Delete(m.offered, i, i+1)
		}
		m.noteSending(r)
		r.log.Warn("an image did not reach its peer", "peer", s.Peer, "image", s.ID, "err", s.Err)
		m.later(r, true, func(r *replica) { r.core.ImageSent(s.Peer, s.ID, false) })
		return
	}
	if i >= 0 {
		m.offered[i].until = m.node.opts.Clock.Monotonic().Add(catchUpTime)
	}
	m.node.image(s.Group, ImageSent, s.ID.Index)
	r.tell(func(r *replica) { r.core.ImageSent(s.Peer, s.ID, true) })
}

// release lets go of the log that was kept for peers which have had the time to catch up.
func (m *images) release(now raft.Monotonic) {
	for i := 0; i < len(m.offered); {
		o := m.offered[i]
		if o.until == 0 || now < o.until {
			i++
			continue
		}
		m.offered = slices.Delete(m.offered, i, i+1)
		m.noteSending(m.node.replica(o.group))
	}
}

// giveUp ends what is on its way from a group that this node leads no more: its peers get from the next leader what they lack. Any loop.
func (m *images) giveUp(r *replica) {
	m.post(func() {
		m.offers.Cancel(r.opts.ID, "the sender leads no more")
		m.offered = slices.DeleteFunc(m.offered, func(o offered) bool { return o.group == r.opts.ID })
		m.noteSending(r)
	})
}

// noteSending keeps the log above what is on its way or has just arrived: a peer that has taken an image in must find what follows.
func (m *images) noteSending(r *replica) {
	lowest := raft.Index(0)
	for _, o := range m.offered {
		if o.group == r.opts.ID && (lowest == 0 || o.index < lowest) {
			lowest = o.index
		}
	}
	r.images.sending.Store(uint64(lowest))
}

// arrived tells the core of an image that is here in full, or of a base.
func (m *images) arrived(a snapshot.Arrival) {
	r := m.node.replica(a.Group)
	if a.Meta.Base.Format > m.node.opts.Format {
		r.log.Error("refusing an image", "err", m.node.newerFormat(a.Meta.Base.Format), "from", a.From)
		return
	}
	if r.images.store != nil && m.refill(r, a.Meta) {
		return
	}
	in := inbound{message: raft.Message{Type: raft.MsgImage, From: a.From, To: m.node.opts.ID, Term: a.Term, Image: &raft.ImageMeta{Base: a.Meta.Base}}}
	if r.inbox.push(in) {
		r.owner.work.add(r)
	}
}

// advance writes the next chunk of an image, or finishes it, and reports whether there is more to do.
func (m *images) advance(k *making) (more bool) {
	chunk, err := k.image.Next()
	if err == nil {
		err = k.writer.Chunk(chunk)
		if err == nil {
			return true
		}
	}
	r := k.replica
	if err == io.EOF {
		err = m.finish(k)
	}
	if err != nil {
		k.writer.Abort()
		r.noImage(err)
	}
	m.end(k)
	return false
}

// end lets go of what an image was made from, and lets the next one begin.
func (m *images) end(k *making) {
	if err := k.image.Close(); err != nil {
		k.replica.log.Error("closing the source of an image", "err", err)
	}
	k.replica.images.making.Store(false)
	m.node.applier.work.add(k.replica)
}

// finish makes the image durable, then the machine, and only then lets the log behind it go.
func (m *images) finish(k *making) error {
	meta, err := k.writer.Commit()
	if err != nil {
		return err
	}
	r := k.replica
	if err := k.machine.Flush(); err != nil {
		return err
	}
	// What came from elsewhere and is not in force yet can't stand in for the images from which this replica could start again.
	if err := r.images.store.Retain(r.opts.KeepImages, max(meta.Base.ID.Index, r.images.newest().index)); err != nil {
		r.log.Warn("removing old images", "err", err)
	}
	r.noteImage(meta.Base)
	r.images.wanted.Store(false)
	for i := range m.delayed { // who waits for an image need not wait any longer
		if d := &m.delayed[i]; d.offer && d.replica == r {
			d.until = 0
		}
	}
	m.node.image(r.opts.ID, ImageMade, meta.Base.ID.Index)
	r.tell(func(r *replica) {
		r.removeHead()
		r.proposeTrim()
	})
	return nil
}

// imageEnd is the last entry whose effect is in an image, and where it ends.
type imageEnd struct {
	index raft.Index
	end   uint64
}

// newest is where the newest image ends; zero when there is none.
func (s *imageState) newest() imageEnd {
	if last := s.last.Load(); last != nil {
		return *last
	}
	return imageEnd{}
}

// noteImage says that this replica can start again from an image (and its machine is durable as far). An older one changes nothing.
func (r *replica) noteImage(b raft.Base) {
	next := &imageEnd{b.ID.Index, uint64(b.Position)}
	for {
		last := r.images.last.Load()
		if last != nil && last.index >= next.index || r.images.last.CompareAndSwap(last, next) {
			return
		}
	}
}

func (r *replica) imageIdentity() snapshot.Identity {
	return snapshot.Identity{Cluster: r.node.cluster, Group: r.opts.ID, Incarnation: incarnation}
}

// considerImage begins an image when the log has grown enough since the last one. Applier.
func (r *replica) considerImage() {
	s := &r.images
	if r.apply.machine == nil || s.lost.Load() != nil || s.making.Load() || r.failed() || int64(r.node.opts.Clock.Monotonic()) < s.notBefore.Load() {
		return
	}
	applied := r.applied.load()
	last := s.newest()
	due := applied-uint64(last.index) >= r.opts.ImageEveryEntries || r.appliedEnd.load()-last.end >= r.opts.ImageEveryBytes
	if wanted := s.wanted.Load() && applied > 0; !wanted && (!due || applied == uint64(last.index)) {
		return
	}
	base, err := r.ledger.BaseAt(raft.Index(applied))
	if err == nil && len(base.Configuration.Members) == 0 {
		return // who joined learns the members from an entry further on; an image has to bring them
	}
	s.wanted.Store(false)
	if err == nil {
		err = r.beginImage(base)
	}
	if err != nil {
		r.noImage(err)
	}
}

// noImage says that an image came to nothing, and keeps the next one from being begun at once: it is still due. Applier, images loop.
func (r *replica) noImage(err error) {
	r.log.Error("an image could not be made; the log is kept", "err", err)
	r.images.notBefore.Store(int64(r.node.opts.Clock.Monotonic().Add(failurePause)))
}

func (r *replica) beginImage(base raft.Base) error {
	machine := r.apply.machine
	image, err := machine.Image()
	if err != nil {
		return err
	}
	r.images.making.Store(true)
	r.node.images.post(func() {
		r.node.images.makeOf(machine, image, base, r)
	})
	return nil
}

// makeOf begins to write an image of a machine.
func (m *images) makeOf(machine statemachine.Machine, image statemachine.Image, base raft.Base, r *replica) {
	k := &making{replica: r, machine: machine, image: image}
	if m.closing {
		m.end(k)
		return
	}
	var err error
	if k.writer, err = r.images.store.Create(base); err != nil {
		r.noImage(err)
		m.end(k)
		return
	}
	m.makings = append(m.makings, k)
}

// close gives up what is under way, and what other loops have asked for in their last turns. Every loop has ended.
func (m *images) close() {
	m.closing = true
	for m.takeEvents() {
		continue
	}
	for _, k := range m.makings {
		k.writer.Abort()
		k.image.Close()
	}
	for _, f := range m.fillings {
		f.stop()
	}
	m.offers.Close()
	m.fetches.Close()
}
