package snapshot

import (
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// FetchesOptions are the settings of taking images in. Zero values mean the defaults.
type FetchesOptions struct {
	// Window is how many chunks are asked for ahead, at most 64. Default 8.
	Window int
	// MaxTransfers bounds the images that are taken in at once; further offers are answered "busy". Default 8.
	MaxTransfers int
	// RetryAfter: a sender that says nothing is asked again this often. Default 2 s.
	RetryAfter time.Duration
	// QuietTimeout: after this time without a word a transfer is given up; what is here stays. Default 20 s.
	QuietTimeout time.Duration
}

func (o FetchesOptions) withDefaults() FetchesOptions {
	orInt(&o.Window, 8)
	orInt(&o.MaxTransfers, 8)
	orDuration(&o.RetryAfter, 2*time.Second)
	orDuration(&o.QuietTimeout, 20*time.Second)
	o.Window = min(o.Window, maxWindow)
	return o
}

// Target is where the images of a group go.
type Target struct {
	Identity Identity
	// Store is nil for a group without a machine: it is reset to a base and takes no image.
	Store *Store
}

// Arrival is an image that is here in full, durable and in the group's Store, or a base: to be handed to the group's core as
// a MsgImage.
type Arrival struct {
	Group raft.GroupID
	From  raft.NodeID
	Term  raft.Term
	Meta  Meta
}

// Failure is a transfer that came to nothing on this side. What was received stays, unless Err is a *CorruptionError.
type Failure struct {
	Group raft.GroupID
	From  raft.NodeID
	Meta  Meta
	Err   error
}

// FetchesOutput is what a Turn wants done. The caller owns everything in it.
type FetchesOutput struct {
	// Frames are to be sent in this order.
	Frames  []Frame
	Arrived []Arrival
	Failed  []Failure
	// Wake is when the next Turn is due even if nothing arrives; 0 when none is.
	Wake raft.Monotonic
}

// Fetches is the receiving side of image transfers, for all groups of a node. It belongs to one goroutine. Handle writes
// to the disk.
type Fetches struct {
	opts   FetchesOptions
	lookup func(raft.GroupID) (Target, bool)
	active []*fetch // sorted by group, one each
	out    FetchesOutput
}

// fetch is an image on its way here.
type fetch struct {
	from     raft.NodeID
	transfer uint64
	term     raft.Term
	meta     Meta
	recv     *Receiver
	// until is the chunk before which the sender was told to stop.
	until uint32
	// rewound is the chunk from which the sender was last told to begin again, plus one, so that of many chunks behind a
	// gap only the first makes it do so.
	rewound uint32
	// heard is when the sender last said something, asked when it was last told something.
	heard, asked raft.Monotonic
}

// NewFetches makes the receiving side. lookup tells where the images of a group go, and false for a group that is not
// hosted; it is called from the goroutine that calls Handle.
func NewFetches(opts FetchesOptions, lookup func(raft.GroupID) (Target, bool)) *Fetches {
	return &Fetches{opts: opts.withDefaults(), lookup: lookup}
}

// search gives the place of a group's fetch in active.
func (f *Fetches) search(g raft.GroupID) (int, *fetch) {
	i := sort.Search(len(f.active), func(i int) bool { return f.active[i].meta.Identity.Group >= g })
	if i < len(f.active) && f.active[i].meta.Identity.Group == g {
		return i, f.active[i]
	}
	return i, nil
}

func (f *Fetches) send(to raft.NodeID, m message) {
	f.out.Frames = append(f.out.Frames, Frame{To: to, Head: appendFrame(nil, m)})
}

// Handle takes a frame from a peer: an offer, a chunk, a sent or an abort; body, which is not kept, is a chunk's data.
// ErrFrame says that the peer does not speak the protocol. Frames of transfers that are not under way are ignored. What
// follows from the frame comes with the next Turn. It blocks on the disk.
func (f *Fetches) Handle(now raft.Monotonic, from raft.NodeID, head, body []byte) error {
	m, err := decodeFrame(head)
	if err != nil {
		return err
	}
	switch {
	case m.kind == frameFetch || m.kind == frameDone || m.kind == frameAsk:
		return fmt.Errorf("%w: expected an offer, chunk, sent or abort, found type %d", ErrFrame, m.kind)
	case m.kind != frameChunk && len(body) > 0:
		return fmt.Errorf("%w: a frame of type %d has no body, found %d bytes", ErrFrame, m.kind, len(body))
	case m.kind == frameOffer:
		f.offered(now, from, m)
		return nil
	}
	i, t := f.search(m.group)
	if t == nil || t.from != from || t.transfer != m.transfer {
		return nil
	}
	t.heard = now
	switch m.kind {
	case frameChunk:
		f.chunk(now, i, t, Chunk{Number: m.number, CRC: m.crc, Data: body})
	case frameSent:
		if m.number > t.recv.Have() {
			f.rewind(now, t)
		}
	case frameAbort:
		f.stop(i, fmt.Errorf("%w: %s", ErrPeerFailed, m.reason))
	}
	return nil
}

// offered decides about an offer.
func (f *Fetches) offered(now raft.Monotonic, from raft.NodeID, m message) {
	answer := func(result outcome, reason string) {
		f.send(from, message{kind: frameDone, group: m.group, transfer: m.transfer, result: result, reason: reason})
	}
	target, known := f.lookup(m.group)
	switch {
	case !known:
		answer(outcomeRefused, "this node does not host the group")
		return
	case target.Identity != m.meta.Identity:
		answer(outcomeRefused, fmt.Sprintf("expected group %v, found %v", target.Identity, m.meta.Identity))
		return
	case m.meta.HasImage() != (target.Store != nil):
		answer(outcomeRefused, "a group with a machine takes an image, one without a base")
		return
	}
	i, t := f.search(m.group)
	if t != nil && m.term < t.term {
		answer(outcomeRefused, fmt.Sprintf("term %d is over, a transfer of term %d is under way", m.term, t.term))
		return
	}
	if t != nil && t.meta.same(m.meta) {
		if t.from != from {
			f.supersede(t)
		}
		t.from, t.transfer, t.term, t.heard = from, m.transfer, m.term, now
		f.rewind(now, t)
		return
	}
	if t != nil {
		f.supersede(t)
		f.fail(t, ErrSuperseded)
		t.recv.Abort()
		f.active = append(f.active[:i:i], f.active[i+1:]...)
	}
	if !m.meta.HasImage() || target.Store.Has(m.meta) {
		f.arrived(from, m.transfer, m.term, m.meta)
		return
	}
	if len(f.active) >= f.opts.MaxTransfers {
		answer(outcomeBusy, "too many images are on their way here")
		return
	}
	f.start(now, from, m, target.Store)
}

// supersede tells a sender that another took its place.
func (f *Fetches) supersede(t *fetch) {
	f.send(t.from, message{kind: frameDone, group: t.meta.Identity.Group, transfer: t.transfer, result: outcomeRefused,
		reason: ErrSuperseded.Error()})
}

func (f *Fetches) arrived(from raft.NodeID, transfer uint64, term raft.Term, meta Meta) {
	f.out.Arrived = append(f.out.Arrived, Arrival{Group: meta.Identity.Group, From: from, Term: term, Meta: meta})
	f.send(from, message{kind: frameDone, group: meta.Identity.Group, transfer: transfer, result: outcomeArrived})
}

// start opens the file and asks for what it lacks.
func (f *Fetches) start(now raft.Monotonic, from raft.NodeID, m message, store *Store) {
	t := &fetch{from: from, transfer: m.transfer, term: m.term, meta: m.meta, heard: now}
	var err error
	if t.recv, err = store.Receive(m.meta); err != nil {
		f.refuse(t, err)
		return
	}
	i, _ := f.search(m.group)
	f.active = append(f.active, nil)
	copy(f.active[i+1:], f.active[i:])
	f.active[i] = t
	if t.recv.Have() == m.meta.Chunks {
		f.complete(i, t)
		return
	}
	f.ask(now, t, true, false)
}

// ask tells the sender what is here and how far it may go.
func (f *Fetches) ask(now raft.Monotonic, t *fetch, rewind, poll bool) {
	have := t.recv.Have()
	t.until = have + min(uint32(f.opts.Window), t.meta.Chunks-have)
	t.asked = now
	f.send(t.from, message{kind: frameFetch, group: t.meta.Identity.Group, transfer: t.transfer, from: have, until: t.until,
		rewind: rewind, poll: poll})
}

// rewind tells the sender to begin again behind what is here.
func (f *Fetches) rewind(now raft.Monotonic, t *fetch) {
	t.rewound = t.recv.Have() + 1
	f.ask(now, t, true, false)
}

func (f *Fetches) chunk(now raft.Monotonic, i int, t *fetch, c Chunk) {
	switch err := t.recv.Put(c); {
	case err == nil:
	case errors.Is(err, ErrOrder) && c.Number < t.recv.Have():
		return // Sent twice, after a rewind.
	case errors.Is(err, ErrOrder) || errors.Is(err, ErrChecksum):
		if t.rewound != t.recv.Have()+1 {
			f.rewind(now, t)
		}
		return
	default:
		f.refuse(t, err)
		f.drop(i)
		return
	}
	have := t.recv.Have()
	if have == t.meta.Chunks {
		f.complete(i, t)
	} else if t.until < t.meta.Chunks && t.until-have <= uint32(f.opts.Window)/2 {
		f.ask(now, t, false, false)
	}
}

// complete makes an image out of what is here.
func (f *Fetches) complete(i int, t *fetch) {
	if err := t.recv.Commit(); err != nil {
		f.refuse(t, err)
		f.drop(i)
		return
	}
	f.arrived(t.from, t.transfer, t.term, t.meta)
	f.drop(i)
}

// refuse tells both sides that an image can't be taken in.
func (f *Fetches) refuse(t *fetch, err error) {
	f.fail(t, err)
	f.send(t.from, message{kind: frameDone, group: t.meta.Identity.Group, transfer: t.transfer, result: outcomeFailed,
		reason: err.Error()})
}

func (f *Fetches) fail(t *fetch, err error) {
	f.out.Failed = append(f.out.Failed, Failure{Group: t.meta.Identity.Group, From: t.from, Meta: t.meta, Err: err})
}

// drop ends a fetch and keeps what is here.
func (f *Fetches) drop(i int) {
	t := f.active[i]
	f.active = append(f.active[:i:i], f.active[i+1:]...)
	if err := t.recv.Close(); err != nil {
		f.fail(t, err)
	}
}

// stop ends a fetch that came to nothing, and keeps what is here.
func (f *Fetches) stop(i int, err error) {
	f.fail(f.active[i], err)
	f.drop(i)
}

// Stop gives up the transfer of a group, which is about to be closed; what is here stays.
func (f *Fetches) Stop(group raft.GroupID) {
	if i, t := f.search(group); t != nil {
		f.send(t.from, message{kind: frameDone, group: group, transfer: t.transfer, result: outcomeRefused, reason: "the group stops"})
		f.drop(i)
	}
}

// Unreachable gives up the transfers from a peer: the connection broke. What is here stays for the next offer.
func (f *Fetches) Unreachable(peer raft.NodeID) {
	for i := len(f.active) - 1; i >= 0; i-- {
		if f.active[i].from == peer {
			f.stop(i, ErrUnreachable)
		}
	}
}

// Close gives up everything and closes the files; what is here stays for the next start.
func (f *Fetches) Close() {
	for len(f.active) > 0 {
		f.drop(len(f.active) - 1)
	}
}

// Turn asks senders that say nothing and gives up those that go on so.
func (f *Fetches) Turn(now raft.Monotonic) FetchesOutput {
	for i := len(f.active) - 1; i >= 0; i-- {
		t := f.active[i]
		switch {
		case now-t.heard >= raft.Monotonic(f.opts.QuietTimeout):
			f.stop(i, fmt.Errorf("%w: %s said nothing for %v", ErrQuiet, t.from, f.opts.QuietTimeout))
		case now >= f.deadline(t):
			f.ask(now, t, false, true)
		}
	}
	out := f.out
	f.out = FetchesOutput{}
	for _, t := range f.active {
		out.Wake = earlier(out.Wake, f.deadline(t))
	}
	return out
}

// deadline is when something must be done about a silent sender.
func (f *Fetches) deadline(t *fetch) raft.Monotonic {
	again := max(t.heard, t.asked) + raft.Monotonic(f.opts.RetryAfter)
	return min(again, t.heard+raft.Monotonic(f.opts.QuietTimeout))
}
