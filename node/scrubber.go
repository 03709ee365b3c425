package node

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"github.com/ledgerkv/ledgerkv/ledger"
)

// scrubber is the loop that reads what is sealed in the logs again, slowly, one group after the other, so that damage is known before the entry is
// needed. It stops nothing: a replica that has lost a sealed entry still has its votes and all the others, and serves them. Time is counted in
// ticks.
type scrubber struct {
	node *Node
	loop *Loop
	// perTick is how many bytes are read in a tick, on average; 0: none. passTicks lie between the beginnings of two passes, at least.
	perTick   int
	passTicks uint64
	// due is the tick at which the next piece is read. Scrubber to ticker.
	due atomic.Uint64

	// began is the tick at which the pass began, group the one that is being read, found its damaged pieces, reader what reads it: nil
	// between two groups. Loop only.
	began  uint64
	group  GroupID
	reader *ledger.Scrubber
	found  int

	mu sync.Mutex
	// damaged holds the damaged pieces of each group: those of the last pass, or of the pass under way when they are more.
	damaged map[GroupID]int
}

// groupCost is what looking at a group costs in bytes, so that many groups with nothing to read are spread over ticks.
const groupCost = 512

func newScrubber(n *Node) *scrubber {
	s := &scrubber{node: n, damaged: map[GroupID]int{}, passTicks: uint64(n.opts.ScrubInterval / n.opts.TickInterval)}
	s.loop = n.newLoop("scrubber", s.turn)
	if n.opts.ScrubBytesPerSecond < 0 {
		s.due.Store(math.MaxUint64)
		return s
	}
	s.perTick = max(1, int(float64(n.opts.ScrubBytesPerSecond)*n.opts.TickInterval.Seconds()))
	return s
}

// tick wakes the loop when it has something to do. Ticker.
func (s *scrubber) tick(now uint64) {
	if now >= s.due.Load() {
		s.loop.notify()
	}
}

// turn reads a tick's worth, and then waits for as many ticks as what it read is worth: a piece may be more.
func (s *scrubber) turn() (more bool) {
	now := s.node.ticks.Load()
	if now < s.due.Load() || !s.node.running.Load() {
		return false
	}
	for used := 0; ; {
		n, ok := s.piece()
		if !ok {
			s.began = max(now+1, s.began+s.passTicks)
			s.due.Store(s.began)
			return false
		}
		if used += n; used >= s.perTick {
			s.due.Store(now + uint64((used+s.perTick-1)/s.perTick))
			return false
		}
	}
}

// piece reads one piece of the group whose turn it is, and says what it cost; false at the end of the pass.
func (s *scrubber) piece() (cost int, ok bool) {
	r := s.current()
	if r == nil {
		s.group = 0
		return 0, false
	}
	n, err := s.reader.Next()
	if n == 0 || r.failed() || errors.Is(err, ledger.ErrClosed) {
		s.publish(s.found)
		s.reader = nil
		return groupCost, true
	}
	if err != nil {
		s.found++
		s.publish(max(s.found, s.damagedOf(s.group)))
		r.log.Error("the disk has lost part of the log; the replica goes on with the rest, and other replicas hold what is lost here", "err", err)
		if h := s.node.opts.Hooks.Damaged; h != nil {
			h(r.opts.ID, r.opts.Name, err)
		}
	}
	return n, true
}

// current is the replica that is being read, or the next one; nil behind the last.
func (s *scrubber) current() *replica {
	if s.reader != nil {
		return s.node.replica(s.group)
	}
	for _, r := range s.node.replicas() {
		if r.opts.ID > s.group && !r.failed() {
			s.group, s.reader, s.found = r.opts.ID, r.ledger.Scrubber(), 0
			return r
		}
	}
	return nil
}

func (s *scrubber) publish(places int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damaged[s.group] = places
}

// damagedOf is how many pieces of a group's log are known to be damaged. Any goroutine.
func (s *scrubber) damagedOf(id GroupID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damaged[id]
}
