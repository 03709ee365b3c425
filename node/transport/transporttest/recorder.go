package transporttest

import (
	"sync"

	"github.com/ledgerkv/ledgerkv/node/transport"
	"github.com/ledgerkv/ledgerkv/raft"
)

// Board wakes those who wait for something to be recorded.
type Board struct {
	mu      sync.Mutex
	changed chan struct{} // guarded by mu
}

// NewBoard makes a board.
func NewBoard() *Board { return &Board{changed: make(chan struct{})} }

// Changed gives a channel that is closed with the next record.
func (b *Board) Changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

func (b *Board) change() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
}

// Admission is a call of Admit.
type Admission struct {
	Hello  transport.Hello
	Dialed bool
}

// Received is a call of Receive.
type Received struct {
	From       raft.NodeID
	Class      transport.Class
	Kind       uint8
	Head, Body []byte
}

// Link names a peer and a class.
type Link struct {
	Peer  raft.NodeID
	Class transport.Class
}

// Recorder is a transport.Handler that writes down what it is told. Its methods may be called from any goroutine.
type Recorder struct {
	board *Board
	mu    sync.Mutex
	// guarded by mu:
	admit        func(transport.Hello, bool) error
	receive      func(Received)
	admissions   []Admission
	received     []Received
	connected    map[Link]int
	disconnected map[Link][]error
	refused      map[raft.NodeID][]string
}

var _ transport.Handler = (*Recorder)(nil)

// NewRecorder makes a recorder that admits everybody and wakes those who wait at board.
func NewRecorder(board *Board) *Recorder {
	return &Recorder{
		board:        board,
		connected:    make(map[Link]int),
		disconnected: make(map[Link][]error),
		refused:      make(map[raft.NodeID][]string),
	}
}

// OnAdmit sets what decides about peers from now on.
func (r *Recorder) OnAdmit(fn func(h transport.Hello, dialed bool) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.admit = fn
}

// OnReceive sets what is done with a frame, before it is written down, from now on. It may block.
func (r *Recorder) OnReceive(fn func(Received)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.receive = fn
}

// Admit implements transport.Handler.
func (r *Recorder) Admit(h transport.Hello, dialed bool) error {
	defer r.board.change()
	r.mu.Lock()
	r.admissions = append(r.admissions, Admission{h, dialed})
	admit := r.admit
	r.mu.Unlock()
	if admit != nil {
		return admit(h, dialed)
	}
	return nil
}

// Receive implements transport.Handler.
func (r *Recorder) Receive(from raft.NodeID, c transport.Class, kind uint8, head, body []byte) {
	got := Received{from, c, kind, head, body}
	r.mu.Lock()
	receive := r.receive
	r.mu.Unlock()
	if receive != nil {
		receive(got)
	}
	r.mu.Lock()
	r.received = append(r.received, got)
	r.mu.Unlock()
	r.board.change()
}

// Connected implements transport.Handler.
func (r *Recorder) Connected(peer raft.NodeID, c transport.Class) {
	defer r.board.change()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected[Link{peer, c}]++
}

// Disconnected implements transport.Handler.
func (r *Recorder) Disconnected(peer raft.NodeID, c transport.Class, err error) {
	defer r.board.change()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.disconnected[Link{peer, c}] = append(r.disconnected[Link{peer, c}], err)
}

// Refused implements transport.Handler.
func (r *Recorder) Refused(peer raft.NodeID, reason string) {
	defer r.board.change()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused[peer] = append(r.refused[peer], reason)
}

// Admissions gives the calls of Admit so far.
func (r *Recorder) Admissions() []Admission {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Admission(nil), r.admissions...)
}

// Frames gives the frames received so far from a peer in a class, in order.
func (r *Recorder) Frames(from raft.NodeID, c transport.Class) []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	var frames []Received
	for _, f := range r.received {
		if f.From == from && f.Class == c {
			frames = append(frames, f)
		}
	}
	return frames
}

// Count gives the number of frames received so far.
func (r *Recorder) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.received)
}

// Connections gives how often a link came up.
func (r *Recorder) Connections(peer raft.NodeID, c transport.Class) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connected[Link{peer, c}]
}

// Breaks gives why connections with a peer in a class broke, in order.
func (r *Recorder) Breaks(peer raft.NodeID, c transport.Class) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]error(nil), r.disconnected[Link{peer, c}]...)
}

// Refusals gives the reasons of the refusals that were told of a peer, in order.
func (r *Recorder) Refusals(peer raft.NodeID) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.refused[peer]...)
}
