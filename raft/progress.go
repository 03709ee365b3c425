package raft

import "time"

// ProgressState says how a leader replicates to a peer.
type ProgressState uint8

const (
	// Probe: the leader looks for the last entry that the peer shares with it, one append without entries at a time.
	Probe ProgressState = iota
	// Replicate: appends are pipelined.
	Replicate
	// Image: the peer needs entries that are below the base; its node was asked to send an image.
	Image
)

// String gives the state's name in lower case.
func (s ProgressState) String() string {
	switch s {
	case Replicate:
		return "replicate"
	case Image:
		return "image"
	}
	return "probe"
}

// vote is a peer's answer to the election under way.
type vote uint8

const (
	unanswered vote = iota
	granted
	refused
)

// peer is another member of the configuration in force, and what the leader knows of it.
type peer struct {
	Member
	// vote belongs to the election under way.
	vote vote

	// The rest is the leader's.

	state ProgressState
	// match is the last entry known to be the leader's own and durable at the peer; next is the first one not sent yet.
	// Invariant: match < next.
	match, next Index
	// probing: a probe is out; the next one waits for an answer or for a heartbeat's.
	probing bool
	// told is the highest commit index sent.
	told   Index
	flight flight
	// heard is when the peer last answered in this term, round the highest heartbeat round it answered.
	heard Monotonic
	round uint64
	// seen is the peer's last entry by its latest heartbeat answer. movedAt is when match or seen last changed or the flight
	// began, and patience how long it may then stand still before something is taken for lost.
	seen     Index
	movedAt  Monotonic
	patience time.Duration
	// leaseFrom is when the latest heartbeat left for which the peer promised its vote.
	leaseFrom Monotonic
	// quiet: the peer expects no more heartbeats.
	quiet bool
	// steadySince is when the peer was last seen to be out of contact or behind.
	steadySince Monotonic
}

// probe forgets what was sent to the peer, and looks for what it has from next on.
func (p *peer) probe(next Index, paused bool) {
	p.state, p.next, p.probing = Probe, max(next, p.match+1), paused
	p.flight.clear()
}

func (p *peer) replicate() {
	p.state, p.next, p.probing = Replicate, p.match+1, false
	p.flight.clear()
}

// flight is what was sent to a peer and not acknowledged yet: a queue of appends.
type flight struct {
	sent  []sentAppend
	bytes uint64
}

type sentAppend struct {
	last  Index
	bytes uint64
}

func (f *flight) clear() { f.sent, f.bytes = f.sent[:0], 0 }

func (f *flight) add(last Index, bytes uint64) {
	f.sent = append(f.sent, sentAppend{last, bytes})
	f.bytes += bytes
}

// arrived takes off what lies at or below match.
func (f *flight) arrived(match Index) {
	n := 0
	for n < len(f.sent) && f.sent[n].last <= match {
		f.bytes -= f.sent[n].bytes
		n++
	}
	f.sent = f.sent[:copy(f.sent, f.sent[n:])]
}

// full says that nothing more may be sent for now.
func (f *flight) full(cfg *Config) bool {
	return len(f.sent) >= cfg.MaxInflightMessages || f.bytes >= cfg.MaxInflightBytes
}
