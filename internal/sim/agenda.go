package sim

import "time"

// eventKind says what an appointment is about.
type eventKind uint8

const (
	tickEvent eventKind = iota
	dialEvent
	faultEvent   // number: which of the plan's faults begins
	mendEvent    // number: which of them ends
	restartEvent // who: the lane
	wakeEvent    // who: the client
	answerEvent  // who: the client; number: its attempt
	giveUpEvent  // who: the client; number: its attempt
	wishEvent    // number: which of the operator's wishes is looked at
	actEvent     // who: the act; number: the fault of the plan that is a plot
	upgradeEvent // who: the lane; number: the format that its new program knows
	raiseEvent   // number: which of the formats that were asked for is looked at
)

// appointment is something that is to happen at a time.
type appointment struct {
	at     time.Duration
	seq    uint64 // appointments of one time are kept in the order in which they were made
	kind   eventKind
	who    int
	number int
}

func (a *appointment) before(b *appointment) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

// agenda holds what is to come, the next first: a heap.
type agenda struct {
	heap []appointment
	seq  uint64
}

// add makes an appointment.
func (g *agenda) add(at time.Duration, kind eventKind, who, number int) {
	g.seq++
	g.heap = append(g.heap, appointment{at, g.seq, kind, who, number})
	h := g.heap
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

// next is the time of the first appointment; ok is false when there is none.
func (g *agenda) next() (at time.Duration, ok bool) {
	if len(g.heap) == 0 {
		return 0, false
	}
	return g.heap[0].at, true
}

// take removes the first appointment. REQUIRES: there is one.
func (g *agenda) take() appointment {
	h := g.heap
	first, last := h[0], len(h)-1
	h[0] = h[last]
	g.heap = h[:last]
	h = g.heap
	for i := 0; ; {
		least := i
		for _, child := range [...]int{2*i + 1, 2*i + 2} {
			if child < last && h[child].before(&h[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
