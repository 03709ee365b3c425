package snapshot

import (
	"errors"
	"fmt"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// Why a transfer failed, beside errors of reading the image. Tested with errors.Is on Sent.Err.
var (
	// ErrQuiet: nothing was heard from the peer for OffersOptions.QuietTimeout.
	ErrQuiet = errors.New("snapshot: the peer has fallen silent")
	// ErrRefused: the peer does not want the image.
	ErrRefused = errors.New("snapshot: the peer refused the image")
	// ErrPeerFailed: the peer could not take the image in, for want of space for instance.
	ErrPeerFailed = errors.New("snapshot: the peer failed to take the image in")
	// ErrUnreachable: the connection to the peer broke.
	ErrUnreachable = errors.New("snapshot: the peer is unreachable")
	// ErrSuperseded: an offer of another term took this one's place.
	ErrSuperseded = errors.New("snapshot: an offer of another term took this one's place")
)

// ChunkReader gives the chunks of an image in any order. *Reader is one.
type ChunkReader interface {
	// Chunk gives one chunk, whose data the caller owns.
	Chunk(number uint32) (Chunk, error)
	// Close gives back what the reader holds.
	Close() error
}

// OffersOptions are the limits of sending images from a node. Zero values mean the defaults.
type OffersOptions struct {
	// Boot is a number that no earlier run of this node used; transfers are numbered from it.
	Boot uint64
	// BytesPerSecond bounds what is sent over all peers. 0 is no limit.
	BytesPerSecond uint64
	// MaxTransfers and MaxPerPeer bound the transfers under way; the others wait their turn. Defaults 4 and 1.
	MaxTransfers int
	MaxPerPeer   int
	// MaxTurnBytes is the amount of data after which a Turn ends, one chunk more or less. Default 1 MiB.
	MaxTurnBytes int
	// RetryAfter: an offer to a peer that says nothing is repeated this often. Default 2 s.
	RetryAfter time.Duration
	// QuietTimeout: a transfer to a peer that says nothing fails after this time. Default 20 s.
	QuietTimeout time.Duration
}

func (o OffersOptions) withDefaults() OffersOptions {
	orInt(&o.MaxTransfers, 4)
	orInt(&o.MaxPerPeer, 1)
	orInt(&o.MaxTurnBytes, 1<<20)
	orDuration(&o.RetryAfter, 2*time.Second)
	orDuration(&o.QuietTimeout, 20*time.Second)
	return o
}

func orInt(v *int, def int) {
	if *v <= 0 {
		*v = def
	}
}

func orDuration(v *time.Duration, def time.Duration) {
	if *v <= 0 {
		*v = def
	}
}

// Offer is an image to be sent to a peer.
type Offer struct {
	Peer raft.NodeID
	// Term is the leader's term, which the peer's core is told with the image.
	Term raft.Term
	Meta Meta
	// Source gives the chunks; Offers closes it. It is nil for a base without an image.
	Source ChunkReader
}

// Sent is how an offer ended, for raft's Core.ImageSent.
type Sent struct {
	Peer  raft.NodeID
	Group raft.GroupID
	ID    raft.EntryID
	// Err is nil when the peer has the whole image. A *CorruptionError says that this node's image is bad.
	Err error
}

// OffersOutput is what a Turn wants done. The caller owns everything in it.
type OffersOutput struct {
	// Frames are to be sent in this order.
	Frames []Frame
	Sent   []Sent
	// Wake is when the next Turn is due even if nothing arrives; 0 when none is.
	Wake raft.Monotonic
}

// Offers is the sending side of image transfers, for all groups and peers of a node. It belongs to one goroutine. It reads
// images, one chunk at a time, in Turn.
type Offers struct {
	opts  OffersOptions
	pace  pace
	last  uint64
	queue []*sending // in order of arrival; the first of them are under way
	turn  int        // where in queue the next chunk is taken, so that all get their share
	out   OffersOutput
}

// sending is an offer from its arrival to its end.
type sending struct {
	Offer
	transfer uint64
	started  bool
	// repeats is how often the peer was offered an image again meanwhile: each offer gives a result.
	repeats int
	// next is the next chunk to send and limit the one to stop before, as the peer asked.
	next, limit uint32
	// heard is when the peer last said something, offered when it was last told of the image.
	heard, offered raft.Monotonic
}

// NewOffers makes the sending side.
func NewOffers(opts OffersOptions) *Offers {
	opts = opts.withDefaults()
	return &Offers{opts: opts, pace: pace{bytesPerSecond: opts.BytesPerSecond}, last: opts.Boot}
}

// Offer takes up an offer; the next Turn begins it when the limits allow. An offer to a peer and group that has one in the same term
// ends with the one that is there, even if its image is a newer one: where images are made faster than they are sent, none would
// ever arrive. One of another term is superseded and fails. Each call gives one Sent in the end, but for Cancel and Close.
func (o *Offers) Offer(offer Offer) {
	for i, s := range o.queue {
		if s.Peer != offer.Peer || s.group() != offer.Meta.Identity.Group {
			continue
		}
		if s.Term == offer.Term {
			closeSource(offer.Source)
			s.repeats++
			return
		}
		o.end(i, ErrSuperseded)
		break
	}
	if offer.Source == nil && offer.Meta.Chunks > 0 {
		err := fmt.Errorf("%w: %v was offered without a source", ErrNotFound, offer.Meta)
		o.out.Sent = append(o.out.Sent, Sent{Peer: offer.Peer, Group: offer.Meta.Identity.Group, ID: offer.Meta.Base.ID, Err: err})
		return
	}
	o.last++
	o.queue = append(o.queue, &sending{Offer: offer, transfer: o.last})
}

func closeSource(c ChunkReader) {
	if c != nil {
		c.Close() // Reading is over; there is nothing to lose.
	}
}

func (s *sending) group() raft.GroupID { return s.Meta.Identity.Group }

// end takes an offer off the queue, with a result.
func (o *Offers) end(i int, err error) {
	s := o.queue[i]
	o.remove(i)
	for range s.repeats + 1 {
		o.out.Sent = append(o.out.Sent, Sent{Peer: s.Peer, Group: s.group(), ID: s.Meta.Base.ID, Err: err})
	}
}

func (o *Offers) remove(i int) {
	closeSource(o.queue[i].Source)
	o.queue = append(o.queue[:i:i], o.queue[i+1:]...)
	if o.turn > i {
		o.turn--
	}
}

func (o *Offers) send(s *sending, m message, body []byte) {
	m.group, m.transfer = s.group(), s.transfer
	o.out.Frames = append(o.out.Frames, Frame{To: s.Peer, Head: appendFrame(nil, m), Body: body})
}

// Cancel gives up the offers of a group: this node no longer leads it. They give no result.
func (o *Offers) Cancel(group raft.GroupID, reason string) {
	for i := len(o.queue) - 1; i >= 0; i-- {
		if s := o.queue[i]; s.group() == group {
			if s.started {
				o.send(s, message{kind: frameAbort, reason: reason}, nil)
			}
			o.remove(i)
		}
	}
}

// Unreachable fails the offers to a peer: the connection broke. What the peer has stays there for the next offer.
func (o *Offers) Unreachable(peer raft.NodeID) {
	for i := len(o.queue) - 1; i >= 0; i-- {
		if o.queue[i].Peer == peer {
			o.end(i, ErrUnreachable)
		}
	}
}

// Close gives up everything and closes the images.
func (o *Offers) Close() {
	for len(o.queue) > 0 {
		o.remove(len(o.queue) - 1)
	}
}

// Handle takes a frame from a peer: a fetch or a done. A frame of a transfer that is not under way is answered or ignored;
// ErrFrame says that the peer does not speak the protocol. What follows from the frame comes with the next Turn.
func (o *Offers) Handle(now raft.Monotonic, from raft.NodeID, head []byte) error {
	m, err := decodeFrame(head)
	if err != nil {
		return err
	}
	if m.kind != frameFetch && m.kind != frameDone {
		return fmt.Errorf("%w: expected a fetch or a done, found type %d", ErrFrame, m.kind)
	}
	for i, s := range o.queue {
		if s.Peer == from && s.group() == m.group && s.transfer == m.transfer && s.started {
			s.heard = now
			if m.kind == frameDone {
				o.done(i, m)
			} else {
				o.fetch(s, m)
			}
			return nil
		}
	}
	if m.kind == frameFetch {
		abort := message{kind: frameAbort, group: m.group, transfer: m.transfer, reason: "no such transfer"}
		o.out.Frames = append(o.out.Frames, Frame{To: from, Head: appendFrame(nil, abort)})
	}
	return nil
}

func (o *Offers) done(i int, m message) {
	switch m.result {
	case outcomeArrived:
		o.end(i, nil)
	case outcomeRefused:
		o.end(i, fmt.Errorf("%w: %s", ErrRefused, m.reason))
	case outcomeBusy:
		o.end(i, fmt.Errorf("%w: %w: %s", ErrRefused, ErrBusy, m.reason))
	default:
		o.end(i, fmt.Errorf("%w: %s", ErrPeerFailed, m.reason))
	}
}

// maxWindow is the most chunks that a peer may ask for ahead of what it has.
const maxWindow = 64

func (o *Offers) fetch(s *sending, m message) {
	until := min(m.until, s.Meta.Chunks)
	if m.from < s.Meta.Chunks {
		until = min(until, m.from+min(maxWindow, s.Meta.Chunks-m.from))
	}
	switch {
	case m.rewind:
		s.next, s.limit = min(m.from, s.Meta.Chunks), until
	case m.from <= s.next: // Nobody has what was not sent, unless it was said with a rewind.
		s.limit = max(s.limit, until)
	}
	if m.poll {
		o.send(s, message{kind: frameSent, number: s.next}, nil)
	}
}

// Turn begins what may begin, sends what is due and gives up on who is silent.
func (o *Offers) Turn(now raft.Monotonic) OffersOutput {
	o.begin(now)
	o.remind(now)
	busyUntil := o.chunks(now)
	out := o.out
	o.out = OffersOutput{}
	out.Wake = busyUntil
	for _, s := range o.queue {
		if s.started {
			out.Wake = earlier(out.Wake, o.deadline(s))
		}
	}
	return out
}

func earlier(a, b raft.Monotonic) raft.Monotonic {
	if a == 0 || b < a {
		return b
	}
	return a
}

// begin starts waiting offers, oldest first, as far as the limits allow.
func (o *Offers) begin(now raft.Monotonic) {
	total := 0
	perPeer := map[raft.NodeID]int{}
	for _, s := range o.queue {
		if s.started {
			total++
			perPeer[s.Peer]++
		}
	}
	for _, s := range o.queue {
		if total >= o.opts.MaxTransfers {
			return
		}
		if s.started || perPeer[s.Peer] >= o.opts.MaxPerPeer {
			continue
		}
		total++
		perPeer[s.Peer]++
		s.started, s.heard = true, now
		o.offer(now, s)
	}
}

func (o *Offers) offer(now raft.Monotonic, s *sending) {
	s.offered = now
	o.send(s, message{kind: frameOffer, term: s.Term, meta: s.Meta}, nil)
}

// deadline is when something must be done about a silent peer.
func (o *Offers) deadline(s *sending) raft.Monotonic {
	again := max(s.heard, s.offered) + raft.Monotonic(o.opts.RetryAfter)
	return min(again, s.heard+raft.Monotonic(o.opts.QuietTimeout))
}

// remind repeats offers to peers that say nothing, and in the end gives them up.
func (o *Offers) remind(now raft.Monotonic) {
	for i := len(o.queue) - 1; i >= 0; i-- {
		s := o.queue[i]
		switch {
		case !s.started || now < o.deadline(s):
		case now-s.heard >= raft.Monotonic(o.opts.QuietTimeout):
			o.send(s, message{kind: frameAbort, reason: "fell silent"}, nil)
			o.end(i, fmt.Errorf("%w: %s said nothing for %v", ErrQuiet, s.Peer, o.opts.QuietTimeout))
		default:
			o.offer(now, s)
		}
	}
}

// chunks sends chunks, one of each transfer in turn, until the limit or the turn's share is used up. It returns when there
// is more to send, or 0.
func (o *Offers) chunks(now raft.Monotonic) raft.Monotonic {
	for spent := 0; ; {
		i := o.pending()
		switch {
		case i < 0:
			return 0
		case !o.pace.ready(now):
			return o.pace.free
		case spent >= o.opts.MaxTurnBytes:
			return now
		}
		s := o.queue[i]
		c, err := s.Source.Chunk(s.next)
		if err != nil {
			o.send(s, message{kind: frameAbort, reason: "the image can't be read here"}, nil)
			o.end(i, err)
			continue
		}
		o.turn = i + 1
		s.next++
		spent += len(c.Data)
		o.pace.spend(now, len(c.Data))
		o.send(s, message{kind: frameChunk, number: c.Number, crc: c.CRC}, c.Data)
	}
}

// pending gives the next transfer, round robin, with chunks to send, or -1.
func (o *Offers) pending() int {
	for n := range o.queue {
		i := (o.turn + n) % len(o.queue)
		if s := o.queue[i]; s.started && s.next < s.limit {
			return i
		}
	}
	return -1
}
